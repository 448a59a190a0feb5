// Create elements, redraw them without losing focus, and announce messages to screen readers.

const SVG = "http://www.w3.org/2000/svg";

/** Create an element: h("p.soft", {on: {click}}, "text", child). SVG elements are named "svg:path". */
export function h(name, given, ...children) {
  let attributes = given;
  if (given === null || typeof given !== "object" || given instanceof Node || Array.isArray(given)) {
    children.unshift(given);
    attributes = {};
  }
  const drawn = name.startsWith("svg:");
  const [tag, ...classes] = name.replace("svg:", "").split(".");
  const element = drawn ? document.createElementNS(SVG, tag) : document.createElement(tag);
  if (classes.length) element.classList.add(...classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "style") for (const [rule, to] of Object.entries(value)) element.style.setProperty(rule, to);
    else if (key === "class") element.classList.add(...value.split(" ").filter(Boolean));
    else if (key in element && !drawn && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false) element.append(child);
  }
}

// The name of the control that had focus when an element was redrawn, by that element.
const focusOf = new WeakMap();

/**
 * Replace the content of an element. Focus moves to the new control with the same key, label or text, even if that
 * control only appears in a later `fill` of the same element.
 */
export function fill(element, ...children) {
  const focused = document.activeElement;
  if (focused !== element && element.contains(focused)) focusOf.set(element, nameOf(focused));
  else if (focused !== document.body) focusOf.delete(element);
  element.replaceChildren();
  add(element, children);
  const name = focusOf.get(element);
  if (name) {
    const found = [...element.querySelectorAll("a[href], button, input, select, summary, [tabindex]")];
    const again = found.find((control) => !control.disabled && nameOf(control) === name);
    if (again) {
      again.focus({ preventScroll: true });
      focusOf.delete(element);
    }
  }
  return element;
}

/** The name by which a redrawn control is recognised: its `data-key`, label or text. */
function nameOf(control) {
  const words = control.dataset.key ?? control.getAttribute("aria-label") ?? (control.labels?.[0] ?? control).textContent.trim();
  return `${control.localName} ${words}`;
}

/** Announce something to screen readers. Focus does not move. */
export function announce(text) {
  const place = document.getElementById("spoken");
  place.textContent = "";
  setTimeout(() => (place.textContent = text), 60);
}

let ids = 0;
/** An id that is unique on the page. */
export const newId = (of) => `${of}-${++ids}`;

/** A short message at the bottom of the page; with `undo`, it has an undo button. */
export function toast(text, undo) {
  const shown = h("div.toast.enter", {}, h("span", text));
  const away = setTimeout(() => shown.remove(), undo ? 12000 : 5000);
  if (undo) {
    const press = () => {
      clearTimeout(away);
      shown.remove();
      undo();
    };
    shown.append(h("button", { type: "button", on: { click: press } }, "Undo"));
  }
  document.getElementById("toasts").append(shown);
}

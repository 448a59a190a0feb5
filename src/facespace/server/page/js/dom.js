// Elements made in one line, and what is said aloud.

const SVG = "http://www.w3.org/2000/svg";

/** An element: h("p.soft", {on: {click}}, "text", child). SVG elements are named "svg:path". */
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
    if (key === "on") for (const [event, hear] of Object.entries(value)) element.addEventListener(event, hear);
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

/** New content in place of the old. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Tell a screen reader, without moving anybody. */
export function say(text) {
  const place = document.getElementById("spoken");
  place.textContent = "";
  setTimeout(() => (place.textContent = text), 60);
}

let ids = 0;
/** An id that nothing else on the page has. */
export const newId = (of) => `${of}-${++ids}`;

/** A word that stays a while at the foot of the page, with a way to take back what was done. */
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

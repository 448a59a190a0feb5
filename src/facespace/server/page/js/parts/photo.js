// A photo with boxes around its faces, and a label at each box.

import { fill, h } from "../dom.js";
import { urlOf } from "./dropzone.js";

/**
 * file : the photo, upright as the browser shows it
 * found : {width, height, faces} from the service, or null before there is an answer
 * chosen : index of the marked face; label(i) : text of a face; first(i) : whether its label is placed first;
 * onPick(i) : makes the boxes buttons
 */
export function photo(file, found, { chosen = -1, label = () => "", first = () => false, onPick, alt = "" } = {}) {
  const image = h("img", { src: urlOf(file), alt: alt || `Photo ${file.name}` });
  const element = h("div.photo", image);
  const shape = (width, height) => element.style.setProperty("--ratio", String(width / height));
  if (found) shape(found.width, found.height);
  else image.addEventListener("load", () => shape(image.naturalWidth, image.naturalHeight));
  image.addEventListener("error", () => {
    element.classList.add("unshown");
    fill(element, h("p", "This browser cannot show ", h("strong", file.name), ". The service may still be able to read it."));
  });
  if (!found?.faces.length) return element;
  const boxes = found.faces.map((face, i) => box(face, i, found, chosen, label(i), onPick, alt));
  const badges = found.faces.map((_, i) => badge(i, label(i), i === chosen ? "chosen" : first(i) ? "" : "unknown", onPick));
  element.append(...boxes, ...badges.filter(Boolean));
  const order = badges.map((_, i) => i).filter((i) => badges[i])
    .sort((a, b) => (b === chosen) - (a === chosen) || first(b) - first(a) || a - b);
  new ResizeObserver(() => arrange(element, boxes, badges, order)).observe(element);
  return element;
}

function box(face, i, { width, height, faces }, chosen, words, onPick, alt) {
  const [left, top, right, bottom] = [
    Math.max(0, face.box[0]), Math.max(0, face.box[1]), Math.min(width, face.box[2]), Math.min(height, face.box[3]),
  ];
  const element = h(onPick ? "button.box" : "span.box", {
    class: i === chosen ? "chosen" : "",
    style: {
      left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`,
      width: `${(100 * (right - left)) / width}%`, height: `${(100 * (bottom - top)) / height}%`,
    },
  });
  if (onPick) {
    element.type = "button";
    element.dataset.key = `face ${i} ${alt}`;
    element.setAttribute("aria-label", `Face ${i + 1} of ${faces.length}${words ? `: ${words}` : ""}`);
    element.setAttribute("aria-pressed", String(i === chosen));
    element.addEventListener("click", () => onPick(i));
  }
  return element;
}

function badge(i, words, kind, onPick) {
  if (!words) return null;
  // The button of the box has the same words for screen readers.
  return h("span.badge", {
    "aria-hidden": onPick ? "true" : undefined, title: words, class: kind,
    on: onPick ? { click: () => onPick(i) } : {},
  }, words);
}

const GAP = 3;

/** Put each label below, above or inside its box, where it covers no other label and little of other faces. */
function arrange(element, boxes, badges, order) {
  const [width, height] = [element.clientWidth, element.clientHeight];
  const faces = boxes.map((one) => [one.offsetLeft, one.offsetTop, one.offsetLeft + one.offsetWidth, one.offsetTop + one.offsetHeight]);
  const placed = [];
  for (const i of order) {
    const { style } = badges[i];
    style.removeProperty("max-width");
    let best = spot(badges[i], faces, i, placed, width, height);
    if (best.names > 0) {
      // Truncate a name that does not fit.
      style.setProperty("max-width", `${Math.max(56, faces[i][2] - faces[i][0])}px`);
      best = spot(badges[i], faces, i, placed, width, height);
    }
    placed.push(best.area);
    style.setProperty("left", `${best.area[0]}px`);
    style.setProperty("top", `${best.area[1]}px`);
  }
}

/** The best place for a label: {area, names, cost}, where `names` is the covered area of other labels. */
function spot(badge, faces, i, placed, width, height) {
  const [left, top, right, bottom] = faces[i];
  const [wide, tall] = [badge.offsetWidth, badge.offsetHeight];
  const found = [bottom + GAP, top - tall - GAP, bottom - tall - GAP].flatMap((y, row) => [(left + right - wide) / 2, left, right - wide].map((x) => {
    const [atX, atY] = [Math.max(0, Math.min(x, width - wide)), Math.max(0, Math.min(y, height - tall))];
    const area = [atX, atY, atX + wide, atY + tall];
    const names = placed.reduce((sum, other) => sum + overlap(area, other), 0);
    const others = faces.reduce((sum, other, j) => sum + (j === i ? 0 : overlap(area, other)), 0);
    return { area, names, cost: 20 * names + 2 * others + overlap(area, faces[i]) + row };
  }));
  return found.reduce((least, one) => (one.cost < least.cost ? one : least));
}

function overlap(a, b) {
  const [wide, tall] = [Math.min(a[2], b[2]) - Math.max(a[0], b[0]), Math.min(a[3], b[3]) - Math.max(a[1], b[1])];
  return wide > 0 && tall > 0 ? wide * tall : 0;
}

/** A face as the model sees it. */
export const crop = (face, alt) => h("img.crop", { src: `data:image/jpeg;base64,${face.crop}`, alt });

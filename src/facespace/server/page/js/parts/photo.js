// A photo with boxes around its faces.

import { fill, h } from "../dom.js";
import { urlOf } from "./well.js";

/**
 * file : the photo, upright as the browser shows it
 * told : {width, height, faces} of the service, or null before it answered
 * chosen : which face is marked; label(i) : what stands at a face; onPick(i) : makes the boxes buttons
 */
export function photo(file, told, { chosen = -1, label = () => "", onPick, alt = "" } = {}) {
  const image = h("img", { src: urlOf(file), alt: alt || `Photo ${file.name}` });
  const element = h("div.photo", image);
  const shape = (width, height) => element.style.setProperty("--ratio", String(width / height));
  if (told) shape(told.width, told.height);
  else image.addEventListener("load", () => shape(image.naturalWidth, image.naturalHeight));
  image.addEventListener("error", () => {
    element.classList.add("unshown");
    fill(element, h("p", "This browser cannot show ", h("strong", file.name), "; the service may read it all the same."));
  });
  if (told) element.append(...told.faces.map((face, i) => box(face, i, told, chosen, label(i), onPick)));
  return element;
}

function box(face, i, { width, height, faces }, chosen, words, onPick) {
  const [left, top, right, bottom] = [
    Math.max(0, face.box[0]), Math.max(0, face.box[1]), Math.min(width, face.box[2]), Math.min(height, face.box[3]),
  ];
  const name = `Face ${i + 1} of ${faces.length}${words ? `: ${words}` : ""}`;
  const element = h(onPick ? "button.box" : "span.box", {
    class: `${i === chosen ? "chosen" : ""} ${bottom > 0.86 * height ? "up" : ""}`,
    style: {
      left: `${(100 * left) / width}%`, top: `${(100 * top) / height}%`,
      width: `${(100 * (right - left)) / width}%`, height: `${(100 * (bottom - top)) / height}%`,
    },
  }, words && h("span.badge", { "aria-hidden": onPick ? "true" : undefined }, words));
  if (faces.length > 2) element.classList.add("crowded");
  if (onPick) {
    element.type = "button";
    element.setAttribute("aria-label", name);
    element.setAttribute("aria-pressed", String(i === chosen));
    element.addEventListener("click", () => onPick(i));
  }
  return element;
}

/** A face as the network saw it. */
export const crop = (face, alt) => h("img.crop", { src: `data:image/jpeg;base64,${face.crop}`, alt });

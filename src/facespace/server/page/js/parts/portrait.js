// A square portrait: its image is loaded when it comes into view. Until then, or without an image, it shows initials.

import { picture } from "../api.js";
import { fill, h } from "../dom.js";
import { initials } from "../words.js";

/** Placeholder for a face without a name. */
export const NOBODY = "·";

const WAITING = new WeakMap();
const seen = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  },
  { rootMargin: "300px" },
);

async function draw(element) {
  const { path, alt } = WAITING.get(element);
  const url = await picture(path);
  if (url) fill(element, h("img", { src: url, alt, decoding: "async" }));
}

function tint(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 6007;
  return `tint${sum % 6}`;
}

/** The portrait of a person. `path` is the path of the image, or null. `alt` is empty if the name is next to it. */
export function portrait(name, path, alt = "") {
  // Faces without a name have no colour.
  const element = h("span.portrait", { class: name === NOBODY ? "" : tint(name) }, h("span", { "aria-hidden": "true" }, initials(name)));
  if (path) {
    WAITING.set(element, { path, alt });
    seen.observe(element);
  }
  return element;
}

export const facePicture = (number) => (number ? `v1/people/faces/${number}/picture` : null);

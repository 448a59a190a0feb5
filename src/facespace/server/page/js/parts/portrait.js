// A face in a square: its picture when it comes into view, initials until then and where there is none.

import { picture } from "../api.js";
import { fill, h } from "../dom.js";
import { initials } from "../words.js";

/** For faces that nobody has named. */
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

/** The portrait of somebody by name; `path` is the picture's, or null. `alt` is empty where the name stands beside it. */
export function portrait(name, path, alt = "") {
  // A face without a name has no colour of its own.
  const element = h("span.portrait", { class: name === NOBODY ? "" : tint(name) }, h("span", { "aria-hidden": "true" }, initials(name)));
  if (path) {
    WAITING.set(element, { path, alt });
    seen.observe(element);
  }
  return element;
}

export const facePicture = (number) => (number ? `v1/people/faces/${number}/picture` : null);

// Where photos are put: dropped, chosen, pasted, or taken by the camera.

import { fill, h, newId, say } from "../dom.js";
import { icon } from "../icons.js";
import { count } from "../words.js";
import { takePhoto } from "./camera.js";

export const ACCEPTED = "image/*,.heic,.heif";

const images = (files) => [...files].filter((file) => file.type.startsWith("image/") || /\.(heic|heif|pgm|ppm|tiff?)$/i.test(file.name));

/** Hear photos that are dropped on an element or pasted while it is shown. */
export function hearPhotos(element, onFiles, { signal, paste = false } = {}) {
  let depth = 0;
  const over = (on) => element.classList.toggle("over", on);
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  element.addEventListener("dragenter", (event) => carries(event) && (depth++, over(true)), { signal });
  element.addEventListener("dragleave", (event) => carries(event) && --depth <= 0 && ((depth = 0), over(false)), { signal });
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    over(false);
    const found = images(event.dataTransfer?.files ?? []);
    if (found.length) onFiles(found);
    else say("That was no photo");
  }, { signal });
  if (paste) {
    document.addEventListener("paste", (event) => {
      const found = images(event.clipboardData?.files ?? []);
      if (found.length) onFiles(found);
    }, { signal });
  }
}

/**
 * A place to put photos into.
 *
 * label : what belongs here, such as "The first photo"; several : whether more than one; onFiles : gets them
 */
export function well({ label, several = false, low = false, onFiles, signal, paste = false }) {
  const id = newId("well");
  const take = (files) => {
    onFiles(several ? files : files.slice(0, 1));
    say(`${label}: ${count(several ? files.length : 1, "photo")} taken`);
  };
  const input = h("input", {
    type: "file", id, accept: ACCEPTED, multiple: several,
    on: { change: () => input.files.length && take([...input.files]) },
  });
  const camera = navigator.mediaDevices?.getUserMedia && h("button.button.small.quiet", {
    type: "button",
    on: { click: async () => {
      const photo = await takePhoto();
      if (photo) take([photo]);
    } },
  }, icon("camera"), "Camera");
  const element = h("div.well", { class: low ? "low" : "", role: "group", "aria-label": label },
    h("div.well-ask", {},
      icon("photo"),
      h("span", several ? "Drop photos here" : "Drop a photo here"),
      h("div.row", input, h("label.button.small", { htmlFor: id }, several ? "Choose photos" : "Choose a photo", h("span.unseen", ` for: ${label}`)), camera),
    ),
  );
  hearPhotos(element, take, { signal, paste });
  return element;
}

/** A well that holds a photo already: it can be exchanged by another drop, or taken out. */
export function filledWell({ label, shown, onFiles, onClear, signal }) {
  const clear = h("button.icon", { type: "button", "aria-label": `Remove: ${label}`, title: "Remove", on: { click: onClear } }, icon("close"));
  const element = h("div.well.filled", { role: "group", "aria-label": label }, shown, h("div.well-tools", clear));
  hearPhotos(element, (files) => onFiles(files.slice(0, 1)), { signal });
  return element;
}

const urls = new WeakMap();
/** A URL that shows a file of this machine; the same one each time. */
export function urlOf(file) {
  if (!urls.has(file)) urls.set(file, URL.createObjectURL(file));
  return urls.get(file);
}

/** Small pictures of chosen photos, each with a way to leave it out. */
export function chosenPhotos(files, onRemove) {
  return h("ul.thumbs", files.map((file, place) => {
    const image = h("img", { src: urlOf(file), alt: file.name });
    image.addEventListener("error", () => fill(image.parentElement, h("span.portrait", "?")));
    return h("li", h("span", image), h("button.icon", {
      type: "button", "aria-label": `Leave out ${file.name}`, on: { click: () => onRemove(place) },
    }, icon("close")));
  }));
}

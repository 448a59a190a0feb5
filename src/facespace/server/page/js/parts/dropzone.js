// Photo input: drag and drop, file dialog, paste, folders and the camera.

import { announce, fill, h, newId } from "../dom.js";
import { icon } from "../icons.js";
import { count } from "../words.js";
import { takePhoto } from "./camera.js";

export const ACCEPTED = "image/*,.heic,.heif";

const isPhoto = (file) => file.type.startsWith("image/") || /\.(heic|heif|avif|jfif|jpe|pgm|ppm|tiff?)$/i.test(file.name);

/** The photos among some files, and the number of other files. Hidden files, such as .DS_Store, are ignored. */
function sorted(files) {
  const seen = [...files].filter((file) => !file.name.startsWith("."));
  const photos = seen.filter(isPhoto);
  return [photos, seen.length - photos.length];
}

/** Call `onFiles(photos, others)` for photos and folders dropped on an element, or pasted while it is shown. */
export function onPhotos(element, onFiles, { signal, paste = false } = {}) {
  let depth = 0;
  const over = (on) => element.classList.toggle("over", on);
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const take = (files) => {
    const [photos, others] = sorted(files);
    if (photos.length) onFiles(photos, others);
    else announce("No photo found. Drop image files, such as JPEG or PNG.");
  };
  element.addEventListener("dragenter", (event) => carries(event) && (depth++, over(true)), { signal });
  element.addEventListener("dragleave", (event) => carries(event) && --depth <= 0 && ((depth = 0), over(false)), { signal });
  element.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    over(false);
    // Read the entries before the first await: the browser clears the list afterwards.
    const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.());
    const files = [...(event.dataTransfer?.files ?? [])];
    take(entries.some((entry) => entry?.isDirectory) ? await filesIn(entries) : files);
  }, { signal });
  if (paste) {
    document.addEventListener("paste", (event) => {
      const [photos, others] = sorted(event.clipboardData?.files ?? []);
      if (photos.length) onFiles(photos, others);
    }, { signal });
  }
}

async function filesIn(entries) {
  const found = [];
  for (const entry of entries) {
    if (!entry) continue;
    if (entry.isFile) {
      found.push(await new Promise((done, failed) => entry.file(done, failed)).catch(() => null));
      continue;
    }
    const reader = entry.createReader();
    for (;;) {
      // Browsers return at most 100 entries at a time.
      const some = await new Promise((done, failed) => reader.readEntries(done, failed)).catch(() => []);
      if (!some.length) break;
      found.push(...(await filesIn(some)));
    }
  }
  return found.filter(Boolean);
}

/** A hidden file input with a label that looks like a button. */
function chooser(text, label, key, onFiles, more = {}) {
  const id = newId("file");
  const input = h("input", {
    type: "file", id, accept: ACCEPTED, data: { key }, ...more,
    on: { change: () => {
      const files = [...input.files];
      // Reset the input, so that choosing the same file again fires an event.
      input.value = "";
      if (files.length) onFiles(files);
    } },
  });
  return [input, h("label.button.small", { htmlFor: id }, text, h("span.unseen", `: ${label}`))];
}

/**
 * A drop zone for photos.
 *
 * label : its name, such as "First photo"; several : whether it takes more than one photo; folder : whether a folder can
 * be chosen; note : a line below, such as a limit; onFiles(photos, others) : called with the photos and the number of
 * other files
 */
export function dropzone({ label, several = false, folder = false, low = false, note, onFiles, signal, paste = false }) {
  const take = (files, others = 0) => {
    announce(`${label}: ${count(several ? files.length : 1, "photo")} added`);
    onFiles(several ? files : files.slice(0, 1), others);
  };
  const taken = (files) => {
    const [photos, others] = sorted(files);
    if (photos.length) take(photos, others);
    else announce("There is no photo in this folder.");
  };
  const camera = navigator.mediaDevices?.getUserMedia && h("button.button.small.quiet", {
    type: "button",
    on: { click: async () => {
      const photo = await takePhoto();
      if (photo) take([photo]);
    } },
  }, icon("camera"), "Use camera");
  const element = h("div.dropzone", { class: low ? "low" : "", role: "group", "aria-label": label },
    h("div.dropzone-ask", {},
      icon("photo"),
      h("span", several ? "Drop photos here" : "Drop a photo here"),
      h("div.row", chooser(several ? "Choose photos" : "Choose photo", label, `choose ${label}`, (files) => take(files), { multiple: several }),
        folder && "webkitdirectory" in HTMLInputElement.prototype
          && chooser("Choose folder", label, `folder ${label}`, taken, { webkitdirectory: true, accept: undefined }),
        camera),
      note && h("p.small", note),
    ),
  );
  onPhotos(element, take, { signal, paste });
  return element;
}

/** A drop zone with a photo, which can be replaced or removed. */
export function filledDropzone({ label, shown, onFiles, onClear, signal }) {
  const clear = h("button.icon", { type: "button", "aria-label": `Remove: ${label}`, title: "Remove", on: { click: onClear } }, icon("close"));
  const element = h("div.dropzone.filled", { role: "group", "aria-label": label }, shown,
    h("div.dropzone-tools", chooser("Choose another", label, `choose ${label}`, (files) => onFiles(files.slice(0, 1))), clear));
  onPhotos(element, (files) => onFiles(files.slice(0, 1)), { signal });
  return element;
}

/** Open the file dialog of the drop zone with this label, if it is shown. */
export function chooseAgain(label) {
  document.querySelector(`input[type="file"][data-key="choose ${CSS.escape(label)}"]`)?.click();
}

const urls = new WeakMap();
/** A URL that shows a local file, the same one each time. */
export function urlOf(file) {
  if (!urls.has(file)) urls.set(file, URL.createObjectURL(file));
  return urls.get(file);
}

// Drawing hundreds of large photos would exhaust the memory of the browser.
const SHOWN = 24;

/** Thumbnails of the first selected photos, each with a button to remove it. */
export function chosenPhotos(files, onRemove) {
  const more = files.length - SHOWN;
  return [
    h("ul.thumbs", files.slice(0, SHOWN).map((file, place) => {
      const image = h("img", { src: urlOf(file), alt: file.name, loading: "lazy", decoding: "async" });
      image.addEventListener("error", () => fill(image.parentElement, h("span.portrait", "?")));
      return h("li", h("span", image), h("button.icon", {
        type: "button", "aria-label": `Remove ${file.name}`, data: { key: `remove-${place}` }, on: { click: () => onRemove(place) },
      }, icon("close")));
    })),
    more > 0 && h("p.small.soft", `and ${count(more, "more photo")}`),
  ];
}

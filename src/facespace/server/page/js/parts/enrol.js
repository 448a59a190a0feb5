// Keep a person's faces: a name, photos, and what came of it. Nothing is cleared before the service has it.

import { call, formOf } from "../api.js";
import { fill, h, newId } from "../dom.js";
import { count, percent } from "../words.js";
import { failed, waiting } from "./states.js";
import { chosenPhotos, well } from "./well.js";

const draft = { name: "", files: [] };

/** The dialog; gives what the service answered, or null. A draft that was not sent is there again next time. */
export function enrolDialog(service, { name, files } = {}) {
  if (name !== undefined) draft.name = name;
  if (files) draft.files = files;
  const id = newId("enrol");
  const leaving = new AbortController();
  const box = h("dialog", { "aria-labelledby": `${id}-title` });
  let answer = null;
  const nameField = h("input.input", {
    id: `${id}-name`, value: draft.name, autocomplete: "off", required: true, maxLength: 200,
    on: { input: () => (draft.name = nameField.value) },
  });
  const keep = h("input", { type: "checkbox", id: `${id}-keep`, checked: true });
  const photos = h("div.stack.tight");
  const said = h("div", { "aria-live": "polite" });
  const send = h("button.button.main", { type: "submit" }, "Enrol");

  const draw = () => {
    fill(photos,
      well({ label: "Photos of this person", several: true, low: true, signal: leaving.signal, onFiles: add }),
      draft.files.length > 0 && chosenPhotos(draft.files, (place) => {
        draft.files.splice(place, 1);
        draw();
      }));
    send.textContent = draft.files.length ? `Enrol ${count(draft.files.length, "photo")}` : "Enrol";
  };
  const add = (found) => {
    draft.files = [...draft.files, ...found].slice(0, service.limits.photos);
    draw();
  };

  async function submit(event) {
    event.preventDefault();
    if (!draft.files.length) {
      fill(said, h("p.notice.wrong", { role: "alert" }, "Add a photo first: drop one above, choose one, or take one."));
      return;
    }
    send.disabled = true;
    fill(said, waiting("Looking at the photos"));
    try {
      const texts = { name: nameField.value, keep: service.keeps_pictures && keep.checked ? "true" : undefined };
      answer = await call("POST", "v1/people", { form: formOf(draft.files.map((file) => ["photos", file]), texts), signal: leaving.signal });
      Object.assign(draft, { name: "", files: [] });
      if (remarks(answer).length) fill(box, result(answer, id, () => box.close()));
      else box.close();
      box.querySelector("h2")?.focus();
    } catch (error) {
      if (error.name !== "AbortError") fill(said, failed(error, null, "h3"));
    }
    send.disabled = false;
  }

  fill(box, h("form", { on: { submit } },
    h("h2", { id: `${id}-title` }, "Enrol a person"),
    h("div.field", h("label", { htmlFor: `${id}-name` }, "Name"), nameField,
      h("p.hint", "Somebody already known by this name gets the photos added.")),
    h("div.field", h("span.label", "Photos"), h("p.hint", "One face in each; different light and years help."), photos),
    service.keeps_pictures
      ? h("div.check", keep, h("label", { htmlFor: `${id}-keep` }, "Keep a small picture of each face, to recognise it by here. Photos themselves are never kept."))
      : h("p.small.soft", "Photos are not kept, and this service keeps no pictures of faces either."),
    said,
    h("div.row.end", h("button.button", { type: "button", on: { click: () => box.close() } }, "Cancel"), send)));
  draw();
  document.body.append(box);
  box.showModal();
  (draft.name ? send : nameField).focus();
  return new Promise((done) => box.addEventListener("close", () => {
    leaving.abort();
    box.remove();
    done(answer);
  }));
}

function remarks(answer) {
  return [
    ...answer.failures.map((entry) => ["Left out", entry]),
    ...answer.folded.map((entry) => ["There already", entry]),
    ...answer.outliers.map((entry) => ["Look at it", entry]),
    ...answer.alike.map((other) => ["Looks like", { name: other.name, reason: `${percent(other.probability)} as a pair; perhaps the same person: merge them if so` }]),
  ];
}

function result(answer, id, close) {
  return h("div", {},
    h("h2", { id: `${id}-title`, tabIndex: -1 }, `${answer.person.name}: ${count(answer.added, "face")} added`),
    h("ul.stack.tight", remarks(answer).map(([kind, { name, reason }]) => h("li.notice", h("h3", `${kind}: ${name}`), h("p.small", reason)))),
    h("div.row.end", h("button.button.main", { type: "button", on: { click: close } }, "Good")));
}

// The enrolment dialog. Input is only cleared when the service has confirmed the enrolment.

import { call, formOf } from "../api.js";
import { fill, h, newId } from "../dom.js";
import { count, grouped, percent } from "../words.js";
import { action, failed, waiting } from "./states.js";
import { chosenPhotos, dropzone } from "./dropzone.js";

const draft = { name: "", files: [] };

/** Show the dialog. Returns the response, or null. An unsent draft is kept for the next time. */
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
  const status = h("div", { "aria-live": "polite" });
  const send = h("button.button.main", { type: "submit" }, "Enrol");

  const draw = () => {
    fill(photos,
      dropzone({ label: "Photos of this person", several: true, low: true, signal: leaving.signal, onFiles: add }),
      draft.files.length > 0 && chosenPhotos(draft.files, (place) => {
        draft.files.splice(place, 1);
        draw();
      }));
    send.textContent = draft.files.length ? `Enrol ${count(draft.files.length, "photo")}` : "Enrol";
  };
  const add = (found) => {
    const room = service.limits.photos - draft.files.length;
    draft.files.push(...found.slice(0, room));
    draw();
    fill(status, found.length > room && h("p.notice", { role: "alert" }, `${count(found.length - room, "photo")} did not fit: the limit is ${grouped(service.limits.photos)} photos.`));
  };

  const submit = (event) => {
    event.preventDefault();
    return enrol(draft.files, false);
  };

  async function enrol(files, acceptDoubtful) {
    if (!files.length) {
      fill(status, h("p.notice.wrong", { role: "alert" }, "Add a photo first: drop one, choose one, or use the camera."));
      return;
    }
    send.disabled = true;
    fill(status, waiting("Enrolling"));
    try {
      const texts = {
        name: nameField.value, keep: service.keeps_pictures && keep.checked ? "true" : undefined, accept_doubtful: acceptDoubtful ? "true" : undefined,
      };
      answer = await call("POST", "v1/people", { form: formOf(files.map((file) => ["photos", file]), texts), signal: leaving.signal });
      Object.assign(draft, { name: "", files: [] });
      if (remarks(answer).length) {
        const doubtful = (answer.doubtful ?? []).map((entry) => files[entry.photo]);
        fill(box, remarkList(answer, id, () => box.close(), status, () => enrol(doubtful, true)));
        box.querySelector("h2").focus();
      } else box.close();
    } catch (error) {
      if (error.name !== "AbortError") fill(status, refusal(error, acceptDoubtful ? null : () => enrol(files, true)));
    }
    send.disabled = false;
  }

  fill(box, h("form", { on: { submit } },
    h("h2", { id: `${id}-title` }, "Enrol a person"),
    h("div.field", h("label", { htmlFor: `${id}-name` }, "Name"), nameField,
      h("p.hint", "If this name is already enrolled, the photos are added to that person.")),
    h("div.field", h("span.label", "Photos"), h("p.hint", `One face per photo. Photos from different days work best. Up to ${grouped(service.limits.photos)} photos.`), photos),
    service.keeps_pictures
      ? h("div.check", keep, h("label", { htmlFor: `${id}-keep` }, "Store a thumbnail of each face. The photos themselves are never stored."))
      : h("p.small.soft", "This service stores neither photos nor thumbnails of faces."),
    status,
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

/** Remarks about an enrolment, each as [heading, {name, reason}]. */
export function remarks(answer) {
  return [
    ...answer.failures.map((entry) => ["Not used", entry]),
    ...(answer.doubtful ?? []).map((entry) => ["Not enrolled", entry]),
    ...answer.duplicates.map((entry) => ["Already enrolled", entry]),
    ...answer.outliers.map((entry) => ["Please check", entry]),
    ...answer.lookalikes.map((other) => ["Looks like", { name: other.name, reason: `${percent(other.probability)} probable. If it is the same person, merge the two.` }]),
  ];
}

/** A failed enrolment. If the photos look like somebody else, `anyway` enrols them anyway. */
export function refusal(error, anyway) {
  const doubtful = /looks? like/.test(error.detail ?? "") && error.status < 500;
  return failed(error, null, "h3", anyway && doubtful && action("Enrol anyway", anyway));
}

/** The remarks as the content of a dialog; `accept` also enrols the photos that look like somebody else. */
export function remarkList(answer, id, close, status, accept) {
  return h("div", {},
    h("h2", { id: `${id}-title`, tabIndex: -1 }, `${answer.person.name}: ${count(answer.added, "face")} added`),
    h("ul.stack.tight", remarks(answer).map(([kind, { name, reason }]) => h("li.notice", h("h3", `${kind}: ${name}`), h("p.small", reason)))),
    fill(status),
    h("div.row.end", answer.doubtful?.length > 0 && action("Enrol them anyway", accept), h("button.button.main", { type: "button", on: { click: close } }, "Close")));
}

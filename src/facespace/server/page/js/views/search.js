// Search the gallery for the faces in a photo.

import { call, formOf } from "../api.js";
import { announce, fill, h, newId, toast } from "../dom.js";
import { icon } from "../icons.js";
import { crop, photo } from "../parts/photo.js";
import { facePicture, portrait } from "../parts/portrait.js";
import { action, empty, failed, head, waiting } from "../parts/states.js";
import { chooseAgain, filledDropzone, dropzone } from "../parts/dropzone.js";
import { enrolDialog } from "../parts/enrol.js";
import { count, distance, oneIn, percent, quality } from "../words.js";

const kept = { file: null, answer: null, chosen: 0, fpir: null };
const RATES = [0.1, 0.01, 0.001];
const PLACE = "Photo to search for";
const UNKNOWN = "Unknown";

export async function show(root, { service, signal }) {
  const title = head("Search", "Find out who is in a photo. Each face is compared with everyone in the gallery. The photo is not stored; the audit log records that a search took place.");
  if (!service.gallery) {
    fill(root, title, noGallery());
    return;
  }
  kept.fpir ??= service.fpir;
  const place = h("div.search-photo");
  const answer = h("section.stack", { "aria-label": "Result" });
  let asked = 0;

  const put = (file) => {
    Object.assign(kept, { file, answer: null, chosen: 0 });
    draw();
    ask();
  };

  function draw() {
    const more = { label: PLACE, onFiles: ([file]) => put(file), signal };
    if (!kept.file) {
      fill(place, dropzone({ ...more, paste: true }));
      return;
    }
    const found = kept.answer;
    const shown = photo(kept.file, found, {
      chosen: kept.chosen,
      label: (i) => found.faces[i].name ?? UNKNOWN,
      first: (i) => found.faces[i].name !== null,
      onPick: found && pick,
    });
    fill(place, filledDropzone({ ...more, shown, onClear: () => put(null) }));
  }

  async function ask() {
    const turn = ++asked;
    if (!kept.file) {
      fill(answer);
      return;
    }
    if (!kept.answer) {
      fill(answer, waiting("Searching"));
      try {
        const query = { fpir: kept.fpir, crops: true, top: 6 };
        const found = await call("POST", "v1/identify", { query, form: formOf([["photo", kept.file]]), signal });
        if (turn !== asked) return;
        kept.answer = found;
        kept.chosen = knownFirst(found)[0] ?? 0;
      } catch (error) {
        if (turn === asked && error.name !== "AbortError") {
          fill(answer, failed(error, ask, "h2", action("Choose another photo", () => chooseAgain(PLACE), "main")));
        }
        return;
      }
      draw();
    }
    fill(answer, result());
    const names = knownFirst(kept.answer).map((i) => kept.answer.faces[i].name ?? "unknown");
    announce(names.length ? `${count(names.length, "face")}: ${names.join(", ")}` : "No face found");
  }

  function result() {
    const found = kept.answer;
    if (!found.faces.length) {
      return empty("search", "No face found", "Choose a photo with a larger or clearer face.",
        action("Choose another photo", () => chooseAgain(PLACE), "main"));
    }
    const face = found.faces[kept.chosen];
    return [
      found.faces.length > 1 && strip(found),
      h("div.card.stack.enter", {},
        h("div.found-head", {},
          crop(face, "The face, as the model sees it"),
          h("div.stack.tight", {},
            h("h2", { class: face.name ? "same" : "" }, face.name ?? "Nobody in the gallery"),
            h("p", sentence(face, found)),
            h("p.small.soft", quality(face.quality)),
            h("div.row", {},
              face.person_id && h("a.button.small", { href: `#/people/${face.person_id}` }, `Show ${face.name}`),
              service.scopes.includes("enrol") && h("button.button.small", {
                type: "button", data: { key: "enrol" }, on: { click: () => enrol(face) },
              }, icon("add"), face.name ? "Add this face" : "Enrol"),
            ),
          ),
        ),
        face.candidates.length > 0 && h("div", h("h3", "Closest people"),
          h("p.small.soft", `The percentage is the probability that it is the same person, if both outcomes were equally likely beforehand. With ${count(found.people, "person", "people")} in the gallery, a match needs a distance of ${distance(found.threshold)} or less.`)),
        h("ol.candidates", face.candidates.map((candidate, i) => candidateCard(candidate, found, i === 0 && face.person_id === candidate.person_id))),
      ),
      strictness(() => {
        kept.answer = null;
        ask();
      }),
    ];
  }

  /** All faces of the photo to choose from, known people first. */
  function strip(found) {
    const known = found.faces.filter((face) => face.name).length;
    return h("div.stack.tight", {},
      h("p", { role: "status" }, `${count(found.faces.length, "face")}: ${known} known, ${found.faces.length - known} unknown`),
      h("ul.strip", { "aria-label": "Faces in the photo" }, knownFirst(found).map((i) => h("li", h("button", {
        type: "button", data: { key: `strip-${i}` }, "aria-pressed": String(i === kept.chosen), on: { click: () => pick(i) },
      }, crop(found.faces[i], ""), h("span", found.faces[i].name ?? UNKNOWN))))));
  }

  function pick(i) {
    kept.chosen = i;
    draw();
    fill(answer, result());
  }

  async function enrol(face) {
    const cut = await around(kept.file, kept.answer, face);
    const done = await enrolDialog(service, { name: face.name ?? "", files: [cut] });
    if (!done) return;
    toast(`${done.person.name} now has ${count(done.person.faces, "face")}.`);
    kept.answer = null;
    ask();
  }

  fill(root, title, h("div.search", place, answer));
  draw();
  await ask();
}

/** Indexes of the faces, known people before unknown ones, each in reading order. */
function knownFirst(found) {
  const places = found.faces.map((_, i) => i);
  return [...places.filter((i) => found.faces[i].name), ...places.filter((i) => !found.faces[i].name)];
}

function sentence(face, found) {
  if (!found.people) return "The gallery is empty. Enrol a person first.";
  const rate = `At this setting, at most ${oneIn(found.fpir)} unknown people is given a name.`;
  if (face.name) return `The best match among ${count(found.people, "person", "people")}, within the threshold. ${rate}`;
  return `Nobody among ${count(found.people, "person", "people")} is close enough (${distance(found.threshold)} or less). ${rate}`;
}

function candidateCard(candidate, found, taken) {
  const within = candidate.adjusted_distance <= found.threshold;
  return h("li.candidate", { class: taken ? "taken" : "" },
    h("a", { href: `#/people/${candidate.person_id}` },
      portrait(candidate.name, facePicture(candidate.picture)),
      h("span.name", candidate.name)),
    track(candidate.adjusted_distance, found.threshold),
    h("span.small.number", percent(candidate.probability)),
    h("span.small.soft.number", `${distance(candidate.adjusted_distance)}, ${within ? "match" : "no match"}`),
  );
}

/** A distance on a line, with the threshold in the middle. */
function track(at, threshold) {
  const share = Math.min(1, at / (2 * threshold));
  return h("span.track", { "aria-hidden": "true" }, h("span", { class: at <= threshold ? "in" : "", style: { left: `${100 * share}%` } }));
}

function strictness(onChange) {
  const id = newId("fpir");
  const rates = RATES.includes(kept.fpir) ? RATES : [...RATES, kept.fpir].sort((a, b) => b - a);
  const select = h("select.input", { id, on: { change: () => {
    kept.fpir = Number(select.value);
    onChange();
  } } }, rates.map((rate) => h("option", { value: String(rate), selected: rate === kept.fpir }, `${oneIn(rate)} unknown people`)));
  return h("div.field.inline", h("label", { htmlFor: id }, "False identifications allowed"), select);
}

/** The empty state of views that need a gallery, for a service without one. */
export function noGallery() {
  return empty("people", "No gallery", "This service was started without a gallery, so it cannot recognise people. You can still compare and group photos.",
    h("p", h("code", "facespace serve --gallery people.db")));
}

/** Crop a photo to one face, so that it is the only one. */
async function around(file, { width, height }, face) {
  const [left, top, right, bottom] = face.box;
  const margin = 0.5 * Math.max(right - left, bottom - top);
  const bitmap = await createImageBitmap(file);
  const scale = bitmap.width / width;
  const [x, y] = [Math.max(0, left - margin), Math.max(0, top - margin)];
  const [w, t] = [Math.min(width, right + margin) - x, Math.min(height, bottom + margin) - y];
  const canvas = h("canvas", { width: Math.round(w * scale), height: Math.round(t * scale) });
  canvas.getContext("2d").drawImage(bitmap, x * scale, y * scale, w * scale, t * scale, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  return new File([blob], file.name.replace(/\.\w+$/, "") + ".jpg", { type: "image/jpeg" });
}

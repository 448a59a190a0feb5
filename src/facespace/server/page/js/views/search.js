// Who is this?

import { call, formOf } from "../api.js";
import { fill, h, newId, say, toast } from "../dom.js";
import { icon } from "../icons.js";
import { crop, photo } from "../parts/photo.js";
import { facePicture, portrait } from "../parts/portrait.js";
import { empty, failed, head, waiting } from "../parts/states.js";
import { filledWell, well } from "../parts/well.js";
import { enrolDialog } from "../parts/enrol.js";
import { capital, count, distance, oneIn, percent, quality } from "../words.js";

const kept = { file: null, answer: null, chosen: 0, fpir: null };
const RATES = [0.1, 0.01, 0.001];

export async function show(root, { service, signal }) {
  const title = head("Who is this?", "Each face of a photo is looked for among the people of the gallery. The photo is not kept; that there was a search is noted in the audit log.");
  if (!service.gallery) {
    fill(root, title, noGallery());
    return;
  }
  kept.fpir ??= service.fpir;
  const place = h("div.search-photo");
  const answer = h("section.stack", { "aria-label": "The answer" });
  let asked = 0;

  const put = (file) => {
    Object.assign(kept, { file, answer: null, chosen: 0 });
    draw();
    ask();
  };

  function draw() {
    const more = { label: "The photo to search for", onFiles: ([file]) => put(file), signal };
    if (!kept.file) {
      fill(place, well({ ...more, paste: true }));
      return;
    }
    const found = kept.answer;
    const shown = photo(kept.file, found, {
      chosen: kept.chosen,
      label: (i) => found.faces[i].name ?? (found.faces.length > 1 ? "nobody we know" : ""),
      onPick: found && ((i) => pick(i, "button.box")),
    });
    fill(place, filledWell({ ...more, shown, onClear: () => put(null) }));
  }

  async function ask() {
    const turn = ++asked;
    if (!kept.file) {
      fill(answer);
      return;
    }
    if (!kept.answer) {
      fill(answer, waiting("Looking through the gallery"));
      try {
        const query = { fpir: kept.fpir, crops: true, top: 6 };
        const found = await call("POST", "v1/identify", { query, form: formOf([["photo", kept.file]]), signal });
        if (turn !== asked) return;
        kept.answer = found;
        kept.chosen = 0;
      } catch (error) {
        if (turn === asked && error.name !== "AbortError") fill(answer, failed(error, ask));
        return;
      }
      draw();
    }
    fill(answer, told());
    const names = kept.answer.faces.map((face) => face.name ?? "nobody we know");
    say(names.length ? `${count(names.length, "face")}: ${names.join(", ")}` : "No face found");
  }

  function told() {
    const found = kept.answer;
    if (!found.faces.length) {
      return empty("search", "No face found", "Take a photo that shows a face, larger or clearer.");
    }
    const face = found.faces[kept.chosen];
    return [
      found.faces.length > 1 && strip(found),
      h("div.card.stack.enter", {},
        h("div.found-head", {},
          crop(face, "The face that was looked for, as the network saw it"),
          h("div.stack.tight", {},
            h("h2", { class: face.name ? "same" : "" }, face.name ?? "Nobody we know"),
            h("p", sentence(face, found)),
            h("p.small.soft", quality(face.quality)),
            h("div.row", {},
              face.person && h("a.button.small", { href: `#/people/${face.person}` }, "Open"),
              service.scopes.includes("enrol") && h("button.button.small", {
                type: "button", on: { click: () => keep(face) },
              }, icon("add"), face.name ? "Keep this face too" : "Keep as a person"),
            ),
          ),
        ),
        face.candidates.length > 0 && h("div", h("h3", "The nearest in the gallery"),
          h("p.small.soft", `Per cent: how likely it is one person, if that was as likely as not before. Among ${count(found.people, "person", "people")} more is asked: a distance within ${distance(found.threshold)}.`)),
        h("ol.candidates", face.candidates.map((candidate, i) => candidateCard(candidate, found, i === 0 && face.person === candidate.person))),
      ),
      strictness(() => {
        kept.answer = null;
        ask();
      }),
    ];
  }

  /** All faces of the photo, to choose one of. */
  function strip(found) {
    return h("ul.strip", { "aria-label": "Faces of the photo" }, found.faces.map((face, i) => h("li", h("button", {
      type: "button", "aria-pressed": String(i === kept.chosen), on: { click: () => pick(i, ".strip button") },
    }, crop(face, ""), h("span", face.name ?? "nobody we know")))));
  }

  function pick(i, focused) {
    kept.chosen = i;
    draw();
    fill(answer, told());
    root.querySelectorAll(focused)[i].focus({ preventScroll: true });
  }

  async function keep(face) {
    const cut = await around(kept.file, kept.answer, face);
    const done = await enrolDialog(service, { name: face.name ?? "", files: [cut] });
    if (!done) return;
    toast(`${done.person.name} has ${count(done.person.faces, "face")} now.`);
    kept.answer = null;
    ask();
  }

  fill(root, title, h("div.search", place, answer));
  draw();
  await ask();
}

function sentence(face, found) {
  const among = `among ${count(found.people, "person", "people")}`;
  if (!found.people) return "The gallery is empty: enrol somebody first.";
  if (face.name) {
    return `${capital(percent(face.candidates[0].probability))} as a pair, and near enough ${among}, where ${oneIn(found.fpir)} strangers may be taken for somebody.`;
  }
  return `Nobody ${among} is within ${distance(found.threshold)}, where ${oneIn(found.fpir)} strangers may be taken for somebody.`;
}

function candidateCard(candidate, found, taken) {
  const within = candidate.adjusted_distance <= found.threshold;
  return h("li.candidate", { class: taken ? "taken" : "" },
    h("a", { href: `#/people/${candidate.person}` },
      portrait(candidate.name, facePicture(candidate.picture)),
      h("span.name", candidate.name)),
    track(candidate.adjusted_distance, found.threshold),
    h("span.small.number", percent(candidate.probability)),
    h("span.small.soft.number", `${distance(candidate.adjusted_distance)}, ${within ? "near enough" : "too far"}`),
  );
}

/** How far a distance is, the threshold in the middle. */
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
  } } }, rates.map((rate) => h("option", { value: String(rate), selected: rate === kept.fpir }, `${oneIn(rate)} strangers may get a name`)));
  return h("div.field.inline", h("label", { htmlFor: id }, "How strict"), select);
}

/** What stands in a view that needs a gallery where there is none. */
export function noGallery() {
  return empty("people", "There is no gallery", "This service was started without one, so nobody is known here. Comparing and grouping work all the same.",
    h("p", h("code", "facespace serve --gallery people.db")));
}

/** The part of a photo around one face, so that the face is the only one. */
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

// Compare two photos: the same person, different people, or too close to call.

import { call, formOf } from "../api.js";
import { announce, fill, h, newId } from "../dom.js";
import { distances } from "../parts/chart.js";
import { crop, photo } from "../parts/photo.js";
import { action, failed, head, waiting } from "../parts/states.js";
import { chooseAgain, filledDropzone, dropzone } from "../parts/dropzone.js";
import { modelNow } from "../session.js";
import { capital, count, distance, oneIn, outcome, percent, quality } from "../words.js";

// Kept when the user leaves the view, so that photos and result are still there on return. `faces` are the numbers of
// the chosen faces, from 1 in reading order; null for the largest.
const kept = { files: [null, null], faces: [null, null], answer: null, far: null };
const NAMES = ["First photo", "Second photo"];
const SIDES = ["a", "b"];
const COLOURS = { same: "same", different: "other", unclear: "unsure" };

export async function show(root, { service, signal }) {
  const places = h("div.pair");
  const answer = h("section.compare-answer", { "aria-label": "Result" });
  let asked = 0;
  kept.far ??= service.default_far;

  const put = (side, file) => {
    kept.files[side] = file;
    kept.faces[side] = null;
    kept.answer = null;
    draw();
    ask();
  };

  const pick = (side, face) => {
    kept.faces[side] = face + 1;
    kept.answer = null;
    ask();
  };

  function draw() {
    fill(places, SIDES.map((_, side) => place(side)));
  }

  function place(side) {
    const file = kept.files[side];
    const more = { label: NAMES[side], onFiles: ([found]) => put(side, found), signal };
    if (!file) return dropzone(more);
    const found = kept.answer?.[SIDES[side]];
    const compared = kept.answer?.[`main_${SIDES[side]}`] ?? -1;
    const several = found?.faces.length > 1;
    const shown = photo(file, found, {
      chosen: compared, alt: `${NAMES[side]}: ${file.name}`,
      label: (i) => (!several ? "" : i === compared ? "Compared" : `Face ${i + 1}`),
      onPick: several && ((i) => pick(side, i)),
    });
    return filledDropzone({ ...more, shown, onClear: () => put(side, null) });
  }

  async function ask() {
    const turn = ++asked;
    const [a, b] = kept.files;
    if (!a || !b) {
      fill(answer, a || b ? h("p.soft.centred", "Add one more photo to compare.") : hint());
      return;
    }
    if (!kept.answer) {
      fill(answer, waiting("Comparing"));
      try {
        const query = { far: kept.far, crops: true, face_a: kept.faces[0], face_b: kept.faces[1] };
        const found = await call("POST", "v1/verify", { query, form: formOf([["a", a], ["b", b]]), signal });
        if (turn !== asked) return;
        kept.answer = found;
      } catch (error) {
        if (turn === asked && error.name !== "AbortError") fill(answer, failedFor(error));
        return;
      }
      draw();
    }
    fill(answer, await result(kept.answer));
    const { headline, words } = outcome(kept.answer);
    announce(`${headline}. ${words}`);
  }

  /** The error, with a button to choose another photo for each unusable one. */
  function failedFor(error) {
    const atFault = SIDES.map((_, i) => i).filter((i) => error.detail?.includes(`photo '${SIDES[i]}'`));
    SIDES.forEach((side, i) => (error.detail = error.detail?.replaceAll(`photo '${side}'`, NAMES[i].toLowerCase())));
    if (error.detail) error.detail = capital(error.detail);
    return failed(error, ask, "h2", ...atFault.map((i) => action(`Choose another ${NAMES[i].toLowerCase()}`, () => chooseAgain(NAMES[i]), "main")));
  }

  async function result(found) {
    const { kind, headline, words } = outcome(found);
    const model = await modelNow();
    const colour = COLOURS[kind];
    const notes = SIDES.map((side, i) => facesIn(found, side, i)).filter(Boolean);
    return h("div.card.verdict.enter", {},
      h("div.verdict-words", {},
        h("h2.headline", { class: colour }, headline),
        h("p", words),
        notes.length > 0 && h("ul.notes", notes.map((note) => h("li", note))),
        h("dl.facts", {},
          h("dt", "Probability"), h("dd", `${percent(found.probability)} that it is one person, if both outcomes were equally likely beforehand`),
          h("dt", "Distance"), h("dd", distance(found.distance)),
          h("dt", "Same person"), h("dd", `up to ${distance(found.threshold)}`),
          found.rejection != null && [h("dt", "Different people"), h("dd", `beyond ${distance(found.rejection)}`)]),
        strictness(),
      ),
      distances(model, { found: found.distance, threshold: found.threshold, rejection: found.rejection }),
      h("div.verdict-crops", SIDES.map((side, i) => {
        const face = found[side].faces[found[`main_${side}`]];
        return h("figure", crop(face, `${NAMES[i]}: the face as the model sees it`),
          h("figcaption.small", h("strong", i ? "Second face, as the model sees it" : "First face, as the model sees it"), h("br"), h("span.soft", quality(face.quality))));
      })),
    );
  }

  function strictness() {
    const id = newId("far");
    const select = h("select.input", { id, on: { change: () => {
      kept.far = Number(select.value);
      kept.answer = null;
      ask();
    } } }, service.fars.map((far) => h("option", { value: String(far), selected: far === kept.far }, `${oneIn(far)} pairs of different people`)));
    return h("div.field.inline", h("label", { htmlFor: id }, "False matches allowed"), select);
  }

  fill(root, head("Compare two photos", "Check whether two photos show the same person. If a photo has several faces, the largest is compared. Nothing is stored."), places, answer);
  // A pasted photo goes to the first empty place.
  document.addEventListener("paste", (event) => {
    const [file] = [...(event.clipboardData?.files ?? [])].filter((found) => found.type.startsWith("image/"));
    if (file) put(kept.files[0] && !kept.files[1] ? 1 : 0, file);
  }, { signal });
  draw();
  await ask();
}

/** A remark on the faces in a photo and which one was compared; null if it has only one. */
function facesIn(found, side, i) {
  const faces = found[side].faces.length;
  if (faces < 2) return null;
  const which = kept.faces[i] ? `Face ${found[`main_${side}`] + 1} was compared.` : "The largest one was compared.";
  return `The ${NAMES[i].toLowerCase()} shows ${count(faces, "face")}. ${which} Click another face to compare that one.`;
}

function hint() {
  return h("p.soft.centred", "You can also paste a photo: ", h("kbd", "Ctrl"), " ", h("kbd", "V"));
}

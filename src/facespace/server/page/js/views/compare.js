// Are these two the same person?

import { call, formOf } from "../api.js";
import { fill, h, newId, say } from "../dom.js";
import { distances } from "../parts/chart.js";
import { crop, photo } from "../parts/photo.js";
import { failed, head, waiting } from "../parts/states.js";
import { filledWell, well } from "../parts/well.js";
import { modelNow } from "../session.js";
import { capital, distance, oneIn, percent, quality, verdict } from "../words.js";

// Outlives the view: whoever comes back finds the photos where they were.
const kept = { files: [null, null], answer: null, far: null };
const NAMES = ["The first photo", "The second photo"];
const SIDES = ["a", "b"];

export async function show(root, { service, signal }) {
  const places = h("div.pair");
  const answer = h("section.compare-answer", { "aria-label": "The answer" });
  let asked = 0;
  kept.far ??= service.default_far;

  const put = (side, file) => {
    kept.files[side] = file;
    kept.answer = null;
    draw();
    ask();
  };

  function draw() {
    fill(places, SIDES.map((_, side) => place(side)));
  }

  function place(side) {
    const file = kept.files[side];
    const more = { label: NAMES[side], onFiles: ([found]) => put(side, found), signal };
    if (!file) return well(more);
    const told = kept.answer?.[SIDES[side]];
    const main = kept.answer?.[`main_${SIDES[side]}`] ?? -1;
    const shown = photo(file, told, {
      chosen: main, alt: `${NAMES[side]}: ${file.name}`,
      label: (i) => (told.faces.length > 1 && i === main ? "compared" : ""),
    });
    return filledWell({ ...more, shown, onClear: () => put(side, null) });
  }

  async function ask() {
    const turn = ++asked;
    const [a, b] = kept.files;
    if (!a || !b) {
      fill(answer, a || b ? h("p.soft.centred", "One more photo, and you have the answer.") : hint());
      return;
    }
    if (!kept.answer) {
      fill(answer, waiting("Comparing"));
      try {
        const form = formOf([["a", a], ["b", b]]);
        const found = await call("POST", "v1/verify", { query: { far: kept.far, crops: true }, form, signal });
        if (turn !== asked) return;
        kept.answer = found;
      } catch (error) {
        if (turn === asked && error.name !== "AbortError") fill(answer, failed(named(error), ask));
        return;
      }
      draw();
    }
    fill(answer, await told(kept.answer));
    say(verdict(kept.answer.probability)[0]);
  }

  async function told(found) {
    const [words, kind] = verdict(found.probability);
    const model = await modelNow();
    const rate = strictness(service, (far) => {
      kept.far = far;
      kept.answer = null;
      ask();
    });
    return h("div.card.verdict.enter", {},
      h("div.verdict-words", {},
        h("h2", { class: kind }, words),
        h("p.verdict-number", { class: kind }, percent(found.probability)),
        h("p", `If it was as likely as not before you looked, the probability is now ${percent(found.probability)} that these are one person.`),
        h("p", `The distance ${distance(found.distance)} is ${found.same ? "within" : "beyond"} the threshold ${distance(found.threshold)}, so they `,
          h("strong", found.same ? "pass for one person" : "do not pass for one person"),
          ` where ${oneIn(found.far)} pairs of strangers may.`),
        rate,
      ),
      distances(model, { found: found.distance, threshold: found.threshold }),
      h("div.verdict-crops", SIDES.map((side, i) => {
        const face = found[side].faces[found[`main_${side}`]];
        return h("figure", crop(face, `${NAMES[i]}: the face as the network saw it`),
          h("figcaption.small", h("strong", i ? "The second, as the network saw it" : "The first, as the network saw it"), h("br"), h("span.soft", quality(face.quality))));
      })),
    );
  }

  fill(root, head("Are these two the same person?", "The largest face of each photo counts. Nothing is kept."), places, answer);
  // A pasted photo goes where there is room.
  document.addEventListener("paste", (event) => {
    const [file] = [...(event.clipboardData?.files ?? [])].filter((found) => found.type.startsWith("image/"));
    if (file) put(kept.files[0] && !kept.files[1] ? 1 : 0, file);
  }, { signal });
  draw();
  await ask();
}

/** The service names photos by their fields, the page by their places. */
function named(error) {
  SIDES.forEach((side, i) => (error.detail = error.detail?.replaceAll(`photo '${side}'`, NAMES[i].toLowerCase())));
  if (error.detail) error.detail = capital(error.detail);
  return error;
}

function hint() {
  return h("p.soft.centred", "You can also paste a picture: ", h("kbd", "Ctrl"), " ", h("kbd", "V"), ".");
}

function strictness(service, onChange) {
  const id = newId("far");
  const select = h("select.input", { id, on: { change: () => onChange(Number(select.value)) } },
    service.fars.map((far) => h("option", { value: String(far), selected: far === kept.far }, `${oneIn(far)} strangers may pass`)));
  return h("div.field.inline", h("label", { htmlFor: id }, "How strict"), select);
}


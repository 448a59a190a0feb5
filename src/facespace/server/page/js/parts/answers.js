// Earlier answers about the groups, with their faces and a button to undo each of them.

import { h } from "../dom.js";
import { count } from "../words.js";
import { action } from "./states.js";

/** The answers about any of these faces that have not been undone, newest first. */
export function about(decisions, faces) {
  const shown = new Set(faces);
  return decisions.filter((entry) => !entry.undone && facesOf(entry).some((face) => shown.has(face))).reverse();
}

function facesOf(entry) {
  return [...(entry.pairs ?? []).flatMap((pair) => [pair.a, pair.b]), ...(entry.naming ? [entry.naming.face] : [])];
}

/** The text of an answer, and the faces to show with it. */
function describe(entry) {
  const pairs = entry.pairs ?? [];
  if (entry.naming) return [`Named ${entry.naming.name}`, [entry.naming.face]];
  if (!pairs.length) return [entry.what, []];
  const other = pairs.filter((pair) => !pair.same);
  if (pairs.length === 1) return [other.length ? "Different people" : "Same person", [pairs[0].a, pairs[0].b]];
  const words = other.length ? `Not the same person as ${count(other.length, "other face")}` : `Same person as ${count(pairs.length, "other face")}`;
  return [words, [(other[0] ?? pairs[0]).a]];
}

/** A list of answers; `face(number)` draws a face, `undo(decision)` undoes an answer. */
export function answerList(entries, face, undo) {
  return h("ul.answers", entries.map((entry) => {
    const [words, faces] = describe(entry);
    const button = action("Undo", () => undo(entry.decision));
    button.dataset.key = `undo-${entry.decision}`;
    button.setAttribute("aria-label", `Undo: ${words}`);
    return h("li", h("span.answer-faces", faces.map((number) => face(number, `Face ${number}`))), h("span", words), button);
  }));
}

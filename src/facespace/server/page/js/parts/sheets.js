// The groups of a clustering job: questions that improve them, names, enrolment and downloads.

import { call } from "../api.js";
import { announce, fill, h, newId, toast } from "../dom.js";
import { icon } from "../icons.js";
import { capital, count, percent, when } from "../words.js";
import { about, answerList } from "./answers.js";
import { enrolGroup } from "./group.js";
import { NOBODY, portrait } from "./portrait.js";
import { action, empty, failed, waiting } from "./states.js";

const AT_FIRST = 18;

// Questions to fetch in addition to skipped ones, and the maximum of the service.
const AHEAD = 20;
const MOST = 200;

/** Show a finished job in `body`; `forget` starts over; `extra` returns more download buttons. */
export async function sheets(body, { service, job, signal, forget, extra = () => null }) {
  const base = `v1/cluster/${job.job}`;
  const wrong = h("div", { "aria-live": "polite" });
  const asking = h("div.stack.tight");
  const people = h("div.stack.wide");
  const summary = h("h2", { tabIndex: -1 });
  const keeping = h("div.row");
  const opened = new Set();
  const enrolled = new Map();
  const mayEnrol = service.gallery && service.scopes.includes("enrol");
  let skipped = [];
  let last = null;
  let busy = false;
  let current = Promise.resolve();
  let clusters = [];
  let decisions = [];

  const undoButton = h("button.button.small", { type: "button", on: { click: () => undo() } }, icon("undo"), "Undo last");
  fill(body,
    h("div.row", summary, h("div.row.push", undoButton, action("Group other photos", forget))),
    h("div.notice.keep", {},
      h("p", `These groups are deleted on ${when(job.expires)}. To keep them, `, mayEnrol && "enrol people, or ", "download all groups: thumbnails of the faces and a table of the people in each photo."),
      keeping),
    wrong, asking, people);
  await load();

  /** Do something and redraw. `faces` are the faces involved: earlier answers about them may contradict it. */
  function act(work, faces, done = () => {}) {
    // Ignore a second click while the first is processed.
    if (!busy) current = carryOut(work, faces, done);
    return current;
  }

  async function carryOut(work, faces, done) {
    busy = true;
    fill(wrong);
    try {
      done(await work());
      await load();
    } catch (error) {
      if (error.name !== "AbortError") fill(wrong, conflict(error, faces));
    }
    busy = false;
    if (document.activeElement === document.body) summary.focus({ preventScroll: true });
  }

  function conflict(error, faces) {
    const found = error.status === 409 && faces ? about(decisions, faces) : [];
    if (!found.length) return failed(error, null);
    return h("div.notice.wrong.enter", { role: "alert" },
      h("h2", "This contradicts an earlier answer"),
      h("p", "Undo the answer that is wrong, then try again."),
      answerList(found, face, undo),
      h("details", h("summary.small", "Details"), h("p.small", error.message)));
  }

  async function undo(decision) {
    // Wait for the groups to be drawn, so that a click on the button is not lost.
    await current;
    const body = decision === undefined ? {} : { decision };
    return act(() => call("POST", `${base}/undo`, { body }), null, (taken) => {
      if (last?.decision === taken.decision) last = null;
      announce("Answer undone");
    });
  }

  async function load() {
    const inside = body.contains(document.activeElement);
    if (!clusters.length) fill(people, waiting("Loading the groups"));
    try {
      const [result, asked, history] = await Promise.all([
        call("GET", `${base}/result`, { signal }),
        call("GET", `${base}/questions`, { query: { limit: Math.min(MOST, AHEAD + skipped.length) }, signal }),
        call("GET", `${base}/decisions`, { signal }),
      ]);
      clusters = result.clusters;
      decisions = history.decisions;
      undoButton.disabled = decisions.every((entry) => entry.undone);
      if (last && !decisions.some((entry) => entry.decision === last.decision && !entry.undone)) last = null;
      fill(keeping, clusters.length > 0 && action("Download groups", download, "main"), clusters.length > 0 && extra(clusters));
      drawPeople(result);
      drawQuestion(asked);
      if (inside && document.activeElement === document.body) summary.focus({ preventScroll: true });
    } catch (error) {
      if (error.name !== "AbortError") fill(people, failed(error, load));
    }
  }

  async function download() {
    try {
      save(await call("GET", `${base}/download`, { raw: true }), "facespace-groups.zip");
    } catch (error) {
      fill(wrong, failed(error, download));
    }
  }

  function face(number, alt = "") {
    return portrait(NOBODY, `${base}/faces/${number}/picture`, alt);
  }

  function drawQuestion(asked) {
    const isSkipped = (q) => skipped.includes(`${q.a}-${q.b}`);
    const left = (asked.total ?? asked.questions.length) - asked.questions.filter(isSkipped).length;
    const q = asked.questions.find((entry) => !isSkipped(entry));
    const before = last && h("div.last-answer", {},
      h("span.answer-faces", face(last.a), face(last.b)),
      h("span", "You answered: ", h("strong", last.same ? "same person" : "different people")),
      action("Undo answer", () => undo(last.decision)));
    if (!q) {
      fill(asking, before, asked.questions.length > 0 && h("p.row", h("span.soft", `You skipped ${count(asked.questions.length, "question")}.`),
        action("Ask again", () => {
          skipped = [];
          drawQuestion(asked);
        }, "quiet")));
      return;
    }
    const sides = q.clusters.map((number) => clusters.find((cluster) => cluster.cluster === number));
    const answer = (same) => act(() => call("POST", `${base}/answers`, { body: { a: q.a, b: q.b, same } }),
      sides.flatMap((side) => facesOf(side)), ({ decision }) => {
        last = { decision, a: q.a, b: q.b, same };
        announce(same ? "Answered: same person" : "Answered: different people");
      });
    const skip = () => {
      skipped.push(`${q.a}-${q.b}`);
      drawQuestion(asked);
    };
    const keys = { s: () => answer(true), d: () => answer(false), k: skip };
    const names = sides.map(titleOf);
    const button = (text, key, work, kind = "") => h("button.button", { type: "button", class: kind, on: { click: work } }, `${text} `, h("kbd", key));
    fill(asking, before, h("section.card.question", { "aria-label": "Question", on: { keydown: (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) keys[event.key.toLowerCase()]?.();
    } } },
    h("div.question-faces", face(q.a, names[0]), face(q.b, names[1])),
    h("div.stack", {},
      h("div", h("h3", "Is this the same person?"),
        h("p.small.soft", `${capital(names.join(" and "))}: ${percent(q.probability)} probable. `, h("span.left", `${count(left, "question")} left.`))),
      h("div.row", button("Same person", "S", () => answer(true), "main"), button("Different people", "D", () => answer(false)), button("Skip", "K", skip, "quiet")))));
  }

  function drawPeople(result) {
    const several = clusters.filter((cluster) => cluster.faces.length > 1);
    const alone = clusters.filter((cluster) => cluster.faces.length === 1);
    const faces = clusters.reduce((sum, cluster) => sum + cluster.faces.length, 0);
    summary.textContent = `${count(faces, "face")}, ${count(several.length, "person", "people")} with more than one`;
    if (!faces) {
      fill(people, empty("groups", "No faces", "No face was found in these photos."), failures(result));
      return;
    }
    fill(people, several.map(section),
      alone.length > 0 && h("section.stack.tight", h("h3", `People with one face: ${alone.length}`),
        h("ul.sheet", alone.map((cluster) => sheetFace(cluster.faces[0], cluster)))),
      failures(result));
  }

  function failures(result) {
    return result.failures.length > 0 && h("details", {},
      h("summary", `${count(result.failures.length, "photo")} could not be used`),
      h("ul.stack.tight", result.failures.map((entry) => h("li.small", h("strong", entry.photo), `: ${entry.reason}`))));
  }

  function section(cluster) {
    const id = newId("cluster");
    const doubtful = cluster.faces.filter((entry) => entry.membership < 0.5).length;
    const input = h("input.input", { id, value: cluster.name ?? "", placeholder: `Person ${cluster.cluster}`, autocomplete: "off", maxLength: 200 });
    const name = (event) => {
      event.preventDefault();
      const given = input.value.trim();
      if (!given || given === cluster.name) return;
      const joined = clusters.filter((other) => other.name === given && other !== cluster);
      act(() => call("POST", `${base}/name`, { body: { cluster: cluster.cluster, name: given } }), [cluster, ...joined].flatMap(facesOf),
        ({ decision }) => toast(joined.length ? `Both groups named ${given} are one group now.` : `Person ${cluster.cluster} is now ${given}.`, () => undo(decision)));
    };
    const shown = opened.has(cluster.cluster) ? cluster.faces : cluster.faces.slice(0, AT_FIRST);
    return h("section.card.stack.tight", { "aria-label": titleOf(cluster) },
      h("form.cluster-head", { on: { submit: name } },
        h("label.unseen", { htmlFor: id }, `Name of person ${cluster.cluster}`), input,
        h("button.button.small.quiet", { type: "submit", data: { key: `name-${cluster.cluster}` } }, "Save name"),
        h("span.small.soft.push", `${count(cluster.faces.length, "face")}${doubtful ? `, ${doubtful} to check` : ""}`),
        enrolment(cluster)),
      h("ul.sheet", shown.map((entry) => sheetFace(entry, cluster))),
      shown.length < cluster.faces.length && action(`Show all ${cluster.faces.length} faces`, () => {
        opened.add(cluster.cluster);
        load();
      }, "quiet"),
      earlier(cluster));
  }

  /** The answers about a group, so that a wrong one can be undone there. */
  function earlier(cluster) {
    const found = about(decisions, facesOf(cluster));
    const key = `answers-${cluster.cluster}`;
    return found.length > 0 && h("details", { open: opened.has(key), on: { toggle: (event) => opened[event.target.open ? "add" : "delete"](key) } },
      h("summary.small", { data: { key } }, `${count(found.length, "answer")} about this person`), answerList(found, face, undo));
  }

  function enrolment(cluster) {
    if (!mayEnrol) return null;
    const known = enrolled.get(cluster.cluster);
    const button = action(known ? "Enrol again" : "Enrol", () => enrol(cluster));
    button.dataset.key = `enrol-${cluster.cluster}`;
    return [known && h("a.small", { href: `#/people/${known.person_id}` }, `Enrolled as ${known.name}`), button];
  }

  async function enrol(cluster) {
    const done = await enrolGroup(service, base, cluster, face);
    if (!done) return;
    enrolled.set(cluster.cluster, done.person);
    toast(`${done.person.name}: ${count(done.added, "face")} enrolled.`);
    const name = done.person.name;
    // Use the name for the download too. If an answer forbids it, the group keeps its name.
    if (cluster.name !== name) await call("POST", `${base}/name`, { body: { cluster: cluster.cluster, name } }).catch(() => {});
    await load();
  }

  function sheetFace(entry, cluster) {
    const doubt = entry.membership < 0.5;
    const words = `${entry.photo}: ${percent(entry.membership)} probable`;
    const split = () => act(() => call("POST", `${base}/split`, { body: { faces: [entry.face] } }), facesOf(cluster),
      ({ decision }) => toast("This face is now a separate person.", () => undo(decision)));
    return h("li", { class: doubt ? "doubt" : "", title: words }, face(entry.face, words),
      cluster.faces.length > 1 && h("button.icon", {
        type: "button", "aria-label": `Not ${titleOf(cluster)}: ${entry.photo}`, title: "Different person", data: { key: `split-${entry.face}` }, on: { click: split },
      }, icon("close")));
  }
}

/** Download a Blob as a file. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const facesOf = (cluster) => (cluster ? cluster.faces.map((entry) => entry.face) : []);
const titleOf = (cluster) => (cluster ? cluster.name ?? `person ${cluster.cluster}` : "somebody");

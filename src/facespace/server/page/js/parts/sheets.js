// The contact sheets of a clustering, and the questions whose answers make it better.

import { call } from "../api.js";
import { fill, h, newId, say, toast } from "../dom.js";
import { icon } from "../icons.js";
import { capital, count, percent, when } from "../words.js";
import { NOBODY, portrait } from "./portrait.js";
import { empty, failed, waiting } from "./states.js";

const AT_FIRST = 18;

/** Show a job that is done in `body`; `forget` begins anew. */
export async function sheets(body, job, signal, forget) {
  const base = `v1/cluster/${job.job}`;
  const wrong = h("div", { "aria-live": "polite" });
  const asking = h("div");
  const people = h("div.stack.wide");
  const summary = h("h2");
  const opened = new Set();
  let skipped = [];
  let decided = 0;
  let clusters = [];

  const undo = () => act(() => call("POST", `${base}/undo`, { body: {} }), (taken) => {
    decided = Math.max(0, decided - 1);
    say(`Taken back: ${taken.what}`);
  });
  const undoButton = h("button.button.small", { type: "button", on: { click: undo } }, icon("undo"), "Undo the last");
  const fresh = h("button.button.small", { type: "button", on: { click: forget } }, "Other photos");
  fill(body, h("div.row", summary, h("div.row.push", undoButton, fresh)),
    h("p.small.soft", `All of this is deleted ${when(job.expires)}.`), wrong, asking, people);
  await load();

  async function act(work, done = () => {}) {
    fill(wrong);
    try {
      done(await work());
      await load();
    } catch (error) {
      if (error.name !== "AbortError") fill(wrong, failed(error, null));
    }
  }

  async function load() {
    if (!clusters.length) fill(people, waiting("Fetching the groups"));
    try {
      const [result, { questions }, history] = await Promise.all([
        call("GET", `${base}/result`, { signal }),
        call("GET", `${base}/questions`, { query: { most: 30 }, signal }),
        call("GET", `${base}/decisions`, { signal }),
      ]);
      clusters = result.clusters;
      decided = history.decisions.filter((entry) => !entry.undone).length;
      undoButton.disabled = !decided;
      drawPeople(result);
      drawQuestion(questions);
    } catch (error) {
      if (error.name !== "AbortError") fill(people, failed(error, load));
    }
  }

  function face(number, alt = "") {
    return portrait(NOBODY, `${base}/faces/${number}/picture`, alt);
  }

  function drawQuestion(questions) {
    const left = questions.filter((q) => !skipped.includes(`${q.a}-${q.b}`));
    if (!left.length) {
      fill(asking, questions.length > 0 && h("p.row", h("span.soft", "No more questions but those you passed over."),
        h("button.button.small.quiet", { type: "button", on: { click: () => {
          skipped = [];
          drawQuestion(questions);
        } } }, "Ask them again")));
      return;
    }
    const q = left[0];
    const hadFocus = asking.contains(document.activeElement);
    const answer = (same) => act(() => call("POST", `${base}/answers`, { body: { a: q.a, b: q.b, same } }), () => {
      say(same ? "Noted: the same person" : "Noted: not the same");
    });
    const pass = () => {
      skipped.push(`${q.a}-${q.b}`);
      drawQuestion(questions);
    };
    const keys = { s: () => answer(true), n: () => answer(false), p: pass };
    const names = q.clusters.map((number) => clusters.find((cluster) => cluster.cluster === number)).map(titleOf);
    const same = h("button.button.main", { type: "button", on: { click: () => answer(true) } }, "The same ", h("kbd", "S"));
    fill(asking, h("section.card.question", { "aria-label": "A question", on: { keydown: (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key]) keys[event.key]();
    } } },
    h("div.question-faces", face(q.a, names[0]), face(q.b, names[1])),
    h("div.stack", {},
      h("div", h("h3", "Are these the same person?"),
        h("p.small.soft", `${capital(names.join(" and "))}; ${percent(q.probability)} by distance. ${count(left.length, "question")} left.`)),
      h("div.row", same,
        h("button.button", { type: "button", on: { click: () => answer(false) } }, "Not the same ", h("kbd", "N")),
        h("button.button.quiet", { type: "button", on: { click: pass } }, "Pass ", h("kbd", "P"))))));
    if (hadFocus) same.focus();
  }

  function drawPeople(result) {
    const several = clusters.filter((cluster) => cluster.faces.length > 1);
    const alone = clusters.filter((cluster) => cluster.faces.length === 1);
    const faces = clusters.reduce((sum, cluster) => sum + cluster.faces.length, 0);
    summary.textContent = `${count(faces, "face")}, ${count(several.length, "person", "people")} seen more than once`;
    if (!faces) {
      fill(people, empty("groups", "No faces", "None of these photos shows a face that could be found."), failures(result));
      return;
    }
    fill(people, several.map(section),
      alone.length > 0 && h("section.stack.tight", h("h3", `Seen once: ${alone.length}`),
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
    const input = h("input.input", { id, value: cluster.name ?? "", placeholder: `Name person ${cluster.cluster}`, autocomplete: "off", maxLength: 200 });
    const name = (event) => {
      event.preventDefault();
      const given = input.value.trim();
      if (given && given !== cluster.name) act(() => call("POST", `${base}/name`, { body: { cluster: cluster.cluster, name: given } }), () => toast(`Person ${cluster.cluster} is ${given}.`, undo));
    };
    const all = opened.has(cluster.cluster);
    const shown = all ? cluster.faces : cluster.faces.slice(0, AT_FIRST);
    return h("section.card.stack.tight", { "aria-label": titleOf(cluster) },
      h("form.cluster-head", { on: { submit: name } },
        h("label.unseen", { htmlFor: id }, `Name of person ${cluster.cluster}`), input,
        h("button.button.small.quiet", { type: "submit" }, "Keep the name"),
        h("span.small.soft", `${count(cluster.faces.length, "face")}${doubtful ? `, ${doubtful} to check` : ""}`)),
      h("ul.sheet", shown.map((entry) => sheetFace(entry, cluster))),
      cluster.faces.length > AT_FIRST && !all && h("button.button.small.quiet", { type: "button", on: { click: () => {
        opened.add(cluster.cluster);
        load();
      } } }, `Show all ${cluster.faces.length}`));
  }

  function sheetFace(entry, cluster) {
    const doubt = entry.membership < 0.5;
    const words = `${entry.photo}; belongs here: ${percent(entry.membership)}`;
    const several = cluster.faces.length > 1;
    const split = () => act(() => call("POST", `${base}/split`, { body: { faces: [entry.face] } }), () => toast("That face is somebody else now.", undo));
    return h("li", { class: doubt ? "doubt" : "", title: words }, face(entry.face, words),
      several && h("button.icon", { type: "button", "aria-label": `Not ${titleOf(cluster)}: ${entry.photo}`, title: "Somebody else", on: { click: split } }, icon("close")));
  }
}

const titleOf = (cluster) => (cluster ? cluster.name ?? `person ${cluster.cluster}` : "somebody");

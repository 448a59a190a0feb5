// The people in the gallery: find, enrol and merge them.

import { call } from "../api.js";
import { announce, fill, h, newId, toast } from "../dom.js";
import { icon } from "../icons.js";
import { nameToKeep } from "../parts/ask.js";
import { enrolDialog } from "../parts/enrol.js";
import { facePicture, portrait } from "../parts/portrait.js";
import { empty, failed, head, waiting } from "../parts/states.js";
import { onPhotos } from "../parts/dropzone.js";
import { forget } from "../session.js";
import { count } from "../words.js";
import { noGallery } from "./search.js";

const PAGE = 60;
const kept = { search: "" };

export async function show(root, { service, signal }) {
  if (!service.gallery) {
    fill(root, head("People"), noGallery());
    return;
  }
  const mayEnrol = service.scopes.includes("enrol");
  const list = h("div.stack.wide");
  const total = h("p.soft", { role: "status" });
  const picked = new Map();
  let choosing = false;
  let turn = 0;

  const enrol = async (files) => {
    const done = await enrolDialog(service, files ? { files } : {});
    if (!done) return;
    toast(`${done.person.name}: ${count(done.added, "face")} added.`);
    forget();
    load();
  };

  async function load() {
    const mine = ++turn;
    const grid = h("ul.people-grid");
    const more = h("div.row");
    fill(list, waiting("Loading people"));
    try {
      const found = await call("GET", "v1/people", { query: { search: kept.search, limit: PAGE }, signal });
      if (mine !== turn) return;
      total.textContent = kept.search ? `${count(found.total, "person", "people")} found` : count(found.total, "person", "people");
      if (!found.total) {
        fill(list, kept.search
          ? empty("search", "Nobody found", `No name contains “${kept.search}”.`)
          : empty("people", "Nobody yet", mayEnrol ? "Drop photos of a person anywhere on this page, or click the button." : "Nobody is enrolled yet.",
            mayEnrol && h("button.button.main", { type: "button", on: { click: () => enrol() } }, icon("add"), "Enrol")));
        return;
      }
      fill(list, grid, more);
      draw(found);
    } catch (error) {
      if (error.name !== "AbortError" && mine === turn) fill(list, failed(error, load));
    }

    function draw(found) {
      grid.append(...found.people.map(card));
      fill(more, found.next && h("button.button", { type: "button", on: { click: async (event) => {
        event.target.disabled = true;
        try {
          draw(await call("GET", "v1/people", { query: { search: kept.search, limit: PAGE, offset: found.next }, signal }));
        } catch (error) {
          if (error.name !== "AbortError") fill(more, failed(error, load));
        }
      } } }, "Show more"));
    }
  }

  function card(person) {
    const element = h("li.person-card", h("a", { href: `#/people/${person.person_id}` },
      portrait(person.name, facePicture(person.picture)),
      h("span", h("span.name", person.name), h("br"), h("span.small.soft", count(person.faces, "face")))));
    if (choosing) {
      const box = h("input.pick", { type: "checkbox", "aria-label": `Select ${person.name}`, checked: picked.has(person.person_id), on: { change: () => {
        if (box.checked) picked.set(person.person_id, person);
        else picked.delete(person.person_id);
        element.classList.toggle("picked", box.checked);
        drawTools();
      } } });
      element.append(box);
      element.classList.toggle("picked", picked.has(person.person_id));
    }
    return element;
  }

  async function merge() {
    const into = keep;
    const others = [...picked.values()].filter((person) => person !== into);
    try {
      for (const other of others) {
        await call("POST", `v1/people/${other.person_id}/merge`, { body: { into: into.person_id } });
      }
    } catch (error) {
      fill(tools, failed(error, drawTools, "h2"));
      load();
      return;
    }
    stop();
    const undo = async () => {
      try {
        for (const _ of others) await call("POST", `v1/people/${into.person_id}/undo-merge`);
        toast("The merge is undone.");
      } catch (error) {
        fill(list, failed(error, load));
        return;
      }
      load();
    };
    toast(`${others.map((other) => other.name).join(", ")} merged into ${into.name}.`, undo);
  }

  const stop = () => {
    choosing = false;
    picked.clear();
    drawTools();
    load();
    tools.querySelector("button")?.focus();
  };

  const tools = h("div.row");
  let keep = null;
  function drawTools() {
    if (!choosing) {
      fill(tools, mayEnrol && h("button.button.small", { type: "button", on: { click: () => {
        choosing = true;
        drawTools();
        load();
        announce("Select the people to merge");
        tools.querySelector("p").focus();
      } } }, "Merge"));
      return;
    }
    // By default, keep the name of the person with the most faces.
    const people = [...picked.values()].sort((a, b) => b.faces - a.faces);
    const ready = people.length > 1;
    if (!people.includes(keep)) [keep] = people;
    fill(tools,
      h("p", { role: "status", tabIndex: -1 }, ready ? `${count(people.length, "person", "people")} selected` : "Select two or more entries of the same person."),
      ready && nameToKeep([keep, ...people.filter((person) => person !== keep)], (person) => (keep = person)),
      h("button.button.small.main", { type: "button", disabled: !ready, on: { click: merge } }, ready ? "Merge these people" : "Merge"),
      h("button.button.small", { type: "button", on: { click: stop } }, "Cancel"));
  }

  const id = newId("search");
  let later = 0;
  const search = h("input.input", { type: "search", id, value: kept.search, placeholder: "Search by name", on: { input: () => {
    kept.search = search.value;
    clearTimeout(later);
    later = setTimeout(load, 200);
  } } });
  const action = mayEnrol && h("button.button.main", { type: "button", on: { click: () => enrol() } }, icon("add"), "Enrol");
  fill(root,
    head("People", "Everyone in the gallery.", action || h("span")),
    h("div.people-bar", h("label.unseen", { htmlFor: id }, "Search by name"), search, total, h("div.push", tools)),
    list);
  if (mayEnrol) onPhotos(root.closest("main"), (files) => enrol(files), { signal, paste: true });
  drawTools();
  await load();
}

// One person: their faces, their name, who was merged into them.

import { call } from "../api.js";
import { fill, h, toast } from "../dom.js";
import { icon } from "../icons.js";
import { ask, askName } from "../parts/ask.js";
import { enrolDialog } from "../parts/enrol.js";
import { facePicture, portrait } from "../parts/portrait.js";
import { failed, waiting } from "../parts/states.js";
import { count, when } from "../words.js";

export async function show(root, { service, rest, signal }) {
  const number = rest[0];
  const may = (scope) => service.scopes.includes(scope);
  const wrong = h("div", { "aria-live": "polite" });
  fill(root, waiting("Fetching the person"));
  const person = await call("GET", `v1/people/${number}`, { signal });
  const again = () => show(root, { service, rest, signal });
  document.title = `${person.name} · facespace`;

  /** Do something; what goes wrong is told, and nothing else changes. */
  const attempt = async (work) => {
    fill(wrong);
    try {
      await work();
    } catch (error) {
      if (error.name !== "AbortError") fill(wrong, failed(error, null));
    }
  };

  const rename = async () => {
    const name = await askName({ title: `Rename ${person.name}`, label: "New name", value: person.name, action: "Rename" });
    if (!name || name === person.name) return;
    await attempt(async () => {
      await call("PATCH", `v1/people/${number}`, { body: { name } });
      toast(`${person.name} is called ${name} now.`, () => attempt(async () => {
        await call("PATCH", `v1/people/${number}`, { body: { name: person.name } });
        await again();
      }));
      await again();
    });
  };

  const merge = async () => {
    const into = await askName({
      title: `${person.name} is somebody else here`, label: "Who they really are", action: "Merge", known: true, without: person.person,
    });
    if (!into) return;
    await attempt(async () => {
      await call("POST", `v1/people/${number}/merge`, { body: { into: into.person } });
      toast(`${person.name} and ${into.name} are one person now.`, async () => {
        try {
          await call("POST", `v1/people/${into.person}/undo-merge`);
          location.hash = `#/people/${number}`;
        } catch (error) {
          toast(error.message);
        }
      });
      location.hash = `#/people/${into.person}`;
    });
  };

  const part = () => attempt(async () => {
    const { restored } = await call("POST", `v1/people/${number}/undo-merge`);
    toast(`${restored.name} is a person of their own again.`);
    await again();
  });

  const remove = async () => {
    const sure = await ask({
      title: `Delete ${person.name}?`, text: `All ${count(person.faces, "face")} are overwritten. This cannot be undone.`, action: "Delete for good", danger: true,
    });
    if (!sure) return;
    await attempt(async () => {
      const gone = await call("DELETE", `v1/people/${number}`);
      toast(gone.backups ? `${person.name} is deleted; ${count(gone.backups, "backup")} still hold them.` : `${person.name} is deleted.`);
      location.hash = "#/people";
    });
  };

  const move = async (face) => {
    const to = await askName({ title: "Whose face is this?", label: "Name", action: "Move", suggest: true });
    if (!to) return;
    await attempt(async () => {
      const other = await call("PATCH", `v1/people/faces/${face.face}`, { body: { to } });
      toast(`The face is ${other.name}'s now.`, () => attempt(async () => {
        await call("PATCH", `v1/people/faces/${face.face}`, { body: { to: person.name } });
        await again();
      }));
      await again();
    });
  };

  const removeFace = async (face) => {
    const sure = await ask({ title: "Delete this face?", text: "It is overwritten. This cannot be undone.", action: "Delete for good", danger: true });
    if (!sure) return;
    await attempt(async () => {
      await call("DELETE", `v1/people/faces/${face.face}`);
      if (person.kept.length > 1) await again();
      else location.hash = "#/people";
    });
  };

  const add = async () => {
    const done = await enrolDialog(service, { name: person.name });
    if (done) await again();
  };

  const button = (text, work, kind = "") => h("button.button.small", { type: "button", class: kind, on: { click: work } }, text);
  fill(root,
    h("p", h("a", { href: "#/people" }, "All people")),
    h("header.person-head", {},
      portrait(person.name, facePicture(person.picture)),
      h("div.stack.tight", {},
        h("h1", person.name),
        h("p.soft", `${count(person.faces, "face")}, known since ${when(person.created)}`),
        may("enrol") && h("div.row", button("Add photos", add, "main"), button("Rename", rename), button("Merge", merge),
          may("admin") && button("Delete", remove, "danger")),
      ),
    ),
    wrong,
    person.merged.length > 0 && h("div.notice", {},
      h("p", `Merged into ${person.name}: ${person.merged.join(", ")}.`),
      may("enrol") && h("div.row", button(`Undo: ${person.merged.at(-1)} is somebody else`, part))),
    h("h2.unseen", "Faces"),
    h("ul.people-grid", person.kept.map((face) => h("li.person-card", {},
      portrait(person.name, face.has_picture ? facePicture(face.face) : null, `Face ${face.face}`),
      h("span.small", h("span.name.file", { title: face.photo }, face.photo.split("/").at(-1)),
        h("span.soft", face.quality === null ? "quality not judged" : `quality ${Math.round(100 * face.quality)} of 100`)),
      may("enrol") && h("div.row.close", button("Not them", () => move(face), "quiet"),
        may("admin") && h("button.icon", { type: "button", "aria-label": `Delete face ${face.face}`, title: "Delete", on: { click: () => removeFace(face) } }, icon("close"))),
    ))),
    Object.keys(person.attributes).length > 0 && h("section.card.stack.tight", h("h2", "Attributes"),
      h("dl.facts", Object.entries(person.attributes).map(([key, value]) => [h("dt", key), h("dd", typeof value === "string" ? value : JSON.stringify(value))]))),
  );
}

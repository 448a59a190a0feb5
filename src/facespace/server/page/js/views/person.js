// One person: name, faces and merges.

import { call } from "../api.js";
import { fill, h, toast } from "../dom.js";
import { icon } from "../icons.js";
import { ask, askMerge, askName } from "../parts/ask.js";
import { enrolDialog } from "../parts/enrol.js";
import { facePicture, portrait } from "../parts/portrait.js";
import { failed, waiting } from "../parts/states.js";
import { capital, count, when } from "../words.js";

export async function show(root, { service, rest, signal }) {
  const number = rest[0];
  const may = (scope) => service.scopes.includes(scope);
  const wrong = h("div", { "aria-live": "polite" });
  fill(root, waiting("Loading the person"));
  const person = await call("GET", `v1/people/${number}`, { signal });
  const again = () => show(root, { service, rest, signal });
  document.title = `${person.name} · facespace`;

  /** Do something. If it fails, show why; nothing else changes. */
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
      toast(`${person.name} is now ${name}.`, () => attempt(async () => {
        await call("PATCH", `v1/people/${number}`, { body: { name: person.name } });
        await again();
      }));
      await again();
    });
  };

  const merge = async () => {
    const asked = await askMerge(person);
    if (!asked) return;
    const [from, into] = asked.keep.person_id === person.person_id ? [asked.other, person] : [person, asked.other];
    await attempt(async () => {
      await call("POST", `v1/people/${from.person_id}/merge`, { body: { into: into.person_id } });
      toast(`${from.name} merged into ${into.name}.`, async () => {
        try {
          await call("POST", `v1/people/${into.person_id}/undo-merge`);
          if (into.person_id !== person.person_id) location.hash = `#/people/${number}`;
          else await again();
        } catch (error) {
          toast(error.message);
        }
      });
      if (into.person_id !== person.person_id) location.hash = `#/people/${into.person_id}`;
      else await again();
    });
  };

  const part = () => attempt(async () => {
    const { restored } = await call("POST", `v1/people/${number}/undo-merge`);
    toast(`${restored.name} is a separate person again.`);
    await again();
  });

  const remove = async () => {
    const sure = await ask({
      title: `Delete ${person.name}?`, text: `${capital(count(person.faces, "face"))} will be overwritten. You cannot undo this.`, action: "Delete", danger: true,
    });
    if (!sure) return;
    await attempt(async () => {
      const gone = await call("DELETE", `v1/people/${number}`);
      toast(gone.backups ? `${person.name} was deleted. Earlier backups still contain this person: ${gone.backups}.` : `${person.name} was deleted.`);
      location.hash = "#/people";
    });
  };

  const move = async (face) => {
    const to = await askName({ title: "Move this face to another person", label: "Name", action: "Move", suggest: true });
    if (!to) return;
    await attempt(async () => {
      const other = await call("PATCH", `v1/people/faces/${face.face}`, { body: { to } });
      toast(`The face was moved to ${other.name}.`, () => attempt(async () => {
        await call("PATCH", `v1/people/faces/${face.face}`, { body: { to: person.name } });
        await again();
      }));
      await again();
    });
  };

  const removeFace = async (face) => {
    const sure = await ask({ title: "Delete this face?", text: "It will be overwritten. You cannot undo this.", action: "Delete", danger: true });
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

  const button = (text, work, kind = "", key, label) => h("button.button.small", { type: "button", class: kind, data: key && { key }, "aria-label": label, on: { click: work } }, text);
  fill(root,
    h("p", h("a", { href: "#/people" }, "Back to all people")),
    h("header.person-head", {},
      portrait(person.name, facePicture(person.picture)),
      h("div.stack.tight", {},
        h("h1", person.name),
        h("p.soft", `${count(person.faces, "face")}, enrolled on ${when(person.created)}`),
        may("enrol") && h("div.row", button("Add photos", add, "main"), button("Rename", rename), button("Merge", merge),
          may("admin") && button("Delete", remove, "danger")),
      ),
    ),
    wrong,
    person.merged.length > 0 && h("div.notice", {},
      h("p", `Merged into ${person.name}: ${person.merged.join(", ")}.`),
      may("enrol") && h("div.row", button(`Undo: separate ${person.merged.at(-1)}`, part))),
    h("h2.unseen", "Faces"),
    h("ul.people-grid", person.kept.map((face) => h("li.person-card", {},
      portrait(person.name, face.has_picture ? facePicture(face.face) : null, `Face ${face.face}`),
      h("span.small", h("span.name.file", { title: face.photo }, face.photo.split("/").at(-1)),
        h("span.soft", face.quality === null ? "quality unknown" : `quality ${Math.round(100 * face.quality)} of 100`)),
      may("enrol") && h("div.row.close", button("Move", () => move(face), "quiet", `move-${face.face}`, `Move face ${face.face} to another person`),
        may("admin") && h("button.icon", { type: "button", "aria-label": `Delete face ${face.face}`, title: "Delete", on: { click: () => removeFace(face) } }, icon("close"))),
    ))),
    Object.keys(person.attributes).length > 0 && h("section.card.stack.tight", h("h2", "Attributes"),
      h("dl.facts", Object.entries(person.attributes).map(([key, value]) => [h("dt", key), h("dd", typeof value === "string" ? value : JSON.stringify(value))]))),
  );
}

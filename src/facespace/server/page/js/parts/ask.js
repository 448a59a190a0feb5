// Dialogs: confirm an action, enter a name, or choose a person.

import { call } from "../api.js";
import { fill, h, newId } from "../dom.js";

function dialog(title, content, action, danger) {
  const id = newId("ask");
  const box = h("dialog", { "aria-labelledby": id });
  const form = h("form", { method: "dialog", on: { submit: (event) => {
    event.preventDefault();
    box.close("yes");
  } } }, h("h2", { id }, title), content,
  h("div.row.end", h("button.button", { type: "button", on: { click: () => box.close("") } }, "Cancel"),
    h("button.button", { type: "submit", class: danger ? "danger" : "main" }, action)));
  fill(box, form);
  document.body.append(box);
  box.showModal();
  return new Promise((done) => box.addEventListener("close", () => {
    box.remove();
    done(box.returnValue === "yes");
  }));
}

/** Yes or no. */
export const ask = ({ title, text, action, danger = false }) => dialog(title, h("p", text), action, danger);

/** A list of people in the gallery as suggestions for a text field; `onFound(people)` gets the matches. */
export function suggestPeople(input, onFound = () => {}) {
  const list = h("datalist", { id: newId("people") });
  input.setAttribute("list", list.id);
  let turn = 0;
  const look = async () => {
    const mine = ++turn;
    try {
      const { people } = await call("GET", "v1/people", { query: { search: input.value.trim(), limit: 20 } });
      if (mine !== turn) return;
      fill(list, people.map((person) => h("option", { value: person.name })));
      onFound(people);
    } catch {
      // Suggestions are optional: the service checks the name itself.
    }
  };
  input.addEventListener("input", look);
  look();
  return list;
}

/** Ask for a name; null if cancelled. `suggest` suggests people in the gallery. */
export async function askName({ title, label, value = "", action, suggest = false }) {
  const id = newId("name");
  const input = h("input.input", { id, value, required: true, autocomplete: "off", maxLength: 200 });
  const answer = dialog(title, h("div.field", h("label", { htmlFor: id }, label), input, suggest && suggestPeople(input)), action);
  input.focus();
  input.select();
  return (await answer) ? input.value.trim() : null;
}

/** Ask whom to merge `person` with: {other, keep}, where `keep` is the one whose name stays; or null. */
export async function askMerge(person) {
  const id = newId("merge");
  const input = h("input.input", { id, required: true, autocomplete: "off", maxLength: 200, "aria-describedby": `${id}-hint` });
  const names = h("div");
  let people = [];
  let kept = null;
  let offered;
  const chosen = () => people.find((other) => other.name === input.value.trim().normalize("NFC"));
  const check = () => {
    const other = chosen();
    input.setCustomValidity(input.value.trim() && !other ? "There is no enrolled person with exactly this name." : "");
    // Suggestions may arrive after the user chose a name: the choice stays as long as the other person does.
    if (other?.person_id === offered) return;
    offered = other?.person_id;
    kept = other ?? null;
    fill(names, other && nameToKeep([other, person], (one) => (kept = one)));
  };
  const list = suggestPeople(input, (found) => {
    people = found.filter((other) => other.person_id !== person.person_id);
    check();
  });
  input.addEventListener("input", check);
  const answer = dialog(`Merge ${person.name} with another person`, [
    h("div.field", h("label", { htmlFor: id }, "Other person"), input, list, h("p.hint", { id: `${id}-hint` }, "A person who is already enrolled. You can undo the merge later.")),
    names], "Merge");
  input.focus();
  return (await answer) && chosen() ? { other: chosen(), keep: kept } : null;
}

/** Choose which name to keep after a merge; the first is the default. */
export function nameToKeep(people, onKeep) {
  const group = newId("keep");
  return h("fieldset.keep-name", h("legend", "Name to keep"), people.map((person, i) => h("label.check", {},
    h("input", { type: "radio", name: group, checked: i === 0, data: { key: `keep-${person.person_id}` }, on: { change: () => onKeep(person) } }), h("span", person.name))));
}

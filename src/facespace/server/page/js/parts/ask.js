// Questions in a dialog: yes or no, or a name.

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

/**
 * A name; with `known` one of the gallery's people (the whole record), with `suggest` those are only suggested.
 */
export async function askName({ title, label, value = "", action, known = false, suggest = known, without }) {
  const id = newId("name");
  const list = h("datalist", { id: `${id}-list` });
  const hint = h("p.hint", { id: `${id}-hint` }, known ? "Somebody who is enrolled already." : "");
  const input = h("input.input", {
    id, value, required: true, autocomplete: "off", maxLength: 200, list: undefined, "aria-describedby": `${id}-hint`,
  });
  if (suggest) input.setAttribute("list", list.id);
  let people = [];
  let turn = 0;
  const look = async () => {
    const mine = ++turn;
    try {
      const found = await call("GET", "v1/people", { query: { search: input.value.trim(), limit: 20 } });
      if (mine !== turn) return;
      people = found.people.filter((person) => person.person !== without);
      fill(list, people.map((person) => h("option", { value: person.name })));
    } catch {
      // Suggestions are a help; the answer itself is checked by the service.
    }
    check();
  };
  const chosen = () => people.find((person) => person.name === input.value.trim().normalize("NFC"));
  const check = () => input.setCustomValidity(known && input.value.trim() && !chosen() ? "Nobody is enrolled by exactly this name." : "");
  if (suggest) {
    input.addEventListener("input", look);
    look();
  }
  const answer = dialog(title, h("div.field", h("label", { htmlFor: id }, label), input, list, hint), action);
  input.focus();
  input.select();
  if (!(await answer)) return null;
  return known ? chosen() ?? null : input.value.trim();
}

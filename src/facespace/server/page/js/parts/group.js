// The dialog to enrol a group of a clustering job.

import { call } from "../api.js";
import { fill, h, newId } from "../dom.js";
import { count } from "../words.js";
import { suggestPeople } from "./ask.js";
import { refusal, remarks, remarkList } from "./enrol.js";
import { waiting } from "./states.js";

/** Show the dialog. Returns the response, or null. `face(number, alt)` draws a face. */
export function enrolGroup(service, base, cluster, face) {
  const id = newId("group");
  // A face that probably belongs to somebody else is not selected by default.
  const chosen = new Set(cluster.faces.filter((entry) => entry.membership >= 0.5).map((entry) => entry.face));
  const box = h("dialog", { "aria-labelledby": `${id}-title` });
  const input = h("input.input", { id: `${id}-name`, value: cluster.name ?? "", autocomplete: "off", required: true, maxLength: 200 });
  const keep = h("input", { type: "checkbox", id: `${id}-keep`, checked: true });
  const wrong = h("div", { "aria-live": "polite" });
  const send = h("button.button.main", { type: "submit" });
  let answer = null;

  const choice = (entry) => {
    const button = h("button.choice", {
      type: "button", "aria-pressed": String(chosen.has(entry.face)), "aria-label": `${entry.photo}${entry.membership < 0.5 ? ", may be somebody else" : ""}`,
      on: { click: () => {
        if (!chosen.delete(entry.face)) chosen.add(entry.face);
        button.setAttribute("aria-pressed", String(chosen.has(entry.face)));
        counted();
      } },
    }, face(entry.face));
    return h("li", button);
  };

  function counted() {
    send.textContent = `Enrol ${count(chosen.size, "face")}`;
    send.disabled = !chosen.size;
  }

  const submit = (event) => {
    event.preventDefault();
    return enrol(false);
  };

  async function enrol(acceptDoubtful) {
    send.disabled = true;
    fill(wrong, waiting("Enrolling"));
    try {
      const body = { faces: [...chosen], name: input.value, keep: service.keeps_pictures && keep.checked, accept_doubtful: acceptDoubtful };
      answer = await call("POST", `${base}/enrol`, { body });
      // The second time, do not report the faces of the first time as already enrolled.
      if (remarks(answer).length && !acceptDoubtful) {
        fill(box, remarkList(answer, id, () => box.close(), wrong, () => enrol(true)));
        box.querySelector("h2").focus();
      } else box.close();
    } catch (error) {
      fill(wrong, refusal(error, acceptDoubtful ? null : () => enrol(true)));
    }
    send.disabled = false;
  }

  const doubtful = cluster.faces.length - chosen.size;
  fill(box, h("form", { on: { submit } },
    h("h2", { id: `${id}-title` }, "Enrol this group"),
    h("div.field", h("label", { htmlFor: input.id }, "Name"), input, suggestPeople(input),
      h("p.hint", "If this name is already enrolled, the faces are added to that person.")),
    h("div.field", h("span.label", "Faces"),
      h("p.hint", "Click a face to leave it out.", doubtful > 0 && ` ${count(doubtful, "face")} may be somebody else and will be left out unless you click ${doubtful === 1 ? "it" : "them"}.`),
      h("ul.thumbs", cluster.faces.map(choice))),
    service.keeps_pictures
      ? h("div.check", keep, h("label", { htmlFor: keep.id }, "Store a thumbnail of each face."))
      : h("p.small.soft", "This service does not store thumbnails of faces."),
    wrong,
    h("div.row.end", h("button.button", { type: "button", on: { click: () => box.close() } }, "Cancel"), send)));
  counted();
  document.body.append(box);
  box.showModal();
  (cluster.name ? send : input).focus();
  return new Promise((done) => box.addEventListener("close", () => {
    box.remove();
    done(answer);
  }));
}

// The API key: requested if the service needs one, and kept in this tab only until it is closed.

import { fill, h, newId } from "./dom.js";

const PLACE = "facespace.key";
let asking = null;

export const currentKey = () => sessionStorage.getItem(PLACE) ?? "";
export const forgetKey = () => sessionStorage.removeItem(PLACE);

/** Ask for a key, once for all waiting requests. Returns true if one was entered. `wrong` is the last error. */
export function askKey(wrong = "") {
  asking ??= dialog(wrong).finally(() => (asking = null));
  return asking;
}

function dialog(wrong) {
  const id = newId("key");
  const input = h("input.input", {
    id, type: "password", autocomplete: "off", spellcheck: false, required: true,
    "aria-describedby": `${id}-hint`, "aria-invalid": wrong ? "true" : undefined,
  });
  const box = h("dialog", { "aria-labelledby": `${id}-title` });
  return new Promise((done) => {
    const send = (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!key) return;
      sessionStorage.setItem(PLACE, key);
      box.close("entered");
    };
    fill(
      box,
      h("form", { method: "dialog", on: { submit: send } },
        h("h2", { id: `${id}-title` }, "Enter your API key"),
        wrong && h("p.notice.wrong", { role: "alert" }, wrong),
        h("div.field", {},
          h("label", { htmlFor: id }, "Key"),
          input,
          h("p.hint", { id: `${id}-hint` },
            "You get a key from the operator of this service. It is kept in this tab only and forgotten when you close the tab."),
        ),
        h("div.row.end", {},
          h("button.button", { type: "button", on: { click: () => box.close() } }, "Cancel"),
          h("button.button.main", { type: "submit" }, "Use key"),
        ),
      ),
    );
    box.addEventListener("close", () => {
      box.remove();
      done(box.returnValue === "entered");
    });
    document.body.append(box);
    box.showModal();
    input.focus();
  });
}

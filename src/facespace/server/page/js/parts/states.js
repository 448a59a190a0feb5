// What stands where an answer is not there yet, will not come, or is empty.

import { h } from "../dom.js";
import { icon } from "../icons.js";

/** Something is under way. */
export function waiting(text) {
  return h("p.waiting", { role: "status" }, h("span.spinner", { "aria-hidden": "true" }), `${text} …`);
}

/** What went wrong, as it was told, and a way to try again. */
export function failed(error, again, level = "h2") {
  if (!error.title) console.error(error);
  const heading = error.title ?? "The page has a fault";
  const name = error.instance?.split(":").pop();
  return h("div.notice.wrong.enter", { role: "alert" },
    h(level, heading),
    // Details may have several lines, such as one for each photo.
    h("p", { style: { "white-space": "pre-line" } }, error.detail ?? error.message),
    name && h("p", h("code", `Request ${name}`)),
    again && h("div.row", h("button.button.small", { type: "button", on: { click: again } }, "Try again")),
  );
}

/** Nothing there, and what to do about it. */
export function empty(drawing, title, text, ...more) {
  return h("div.empty", icon(drawing), h("h2", title), h("p", text), more);
}

/** The head of a view. */
export function head(title, lede, action) {
  const words = [h("h1", title), lede && h("p.lede", lede)];
  return action ? h("header.head.with-action", h("div", words), action) : h("header.head", words);
}

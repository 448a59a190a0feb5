// Elements for loading, empty and failed states, and the heading of a view.

import { h } from "../dom.js";
import { icon } from "../icons.js";

/** Work is in progress. */
export function waiting(text) {
  return h("p.waiting", { role: "status" }, h("span.spinner", { "aria-hidden": "true" }), `${text} …`);
}

/** An error message, with a button to try again and `more` buttons. */
export function failed(error, again, level = "h2", ...more) {
  if (!error.title) console.error(error);
  const heading = error.title ?? "This page has a bug";
  const name = error.instance?.split(":").pop();
  return h("div.notice.wrong.enter", { role: "alert" },
    h(level, heading),
    // Details can have several lines, such as one per photo.
    h("p", { style: { "white-space": "pre-line" } }, error.detail ?? error.message),
    name && h("p", h("code", `Request ${name}`)),
    (again || more.length > 0) && h("div.row", more, again && action("Try again", again)),
  );
}

/** A small button. */
export const action = (text, work, kind = "") => h("button.button.small", { type: "button", class: kind, on: { click: work } }, text);

/** An empty state with advice. */
export function empty(drawing, title, text, ...more) {
  return h("div.empty", icon(drawing), h("h2", title), h("p", text), more);
}

/** The heading of a view. */
export function head(title, lede, tool) {
  const words = [h("h1", title), lede && h("p.lede", lede)];
  return tool ? h("header.head.with-action", h("div", words), tool) : h("header.head", words);
}

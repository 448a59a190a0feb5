// The router: shows the view for the current URL, the navigation bar and the switch between light and dark.

import { forgetPictures } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { askKey, currentKey, forgetKey } from "./key.js";
import { failed, waiting } from "./parts/states.js";
import { forget, serviceNow } from "./session.js";
import * as compare from "./views/compare.js";
import * as groups from "./views/groups.js";
import * as map from "./views/map.js";
import * as model from "./views/model.js";
import * as people from "./views/people.js";
import * as person from "./views/person.js";
import * as search from "./views/search.js";

const VIEWS = [
  ["compare", "Compare", compare],
  ["search", "Search", search],
  ["people", "People", people],
  ["groups", "Group", groups],
  ["map", "Explore", map],
  ["model", "Model", model],
];

const main = document.getElementById("main");
let leaving = new AbortController();

function place() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const found = VIEWS.find(([view]) => view === name) ?? VIEWS[0];
  return { name: found[0], title: found[1], view: name === "people" && rest[0] ? person : found[2], rest };
}

async function show(focus = true) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { name, title, view, rest } = place();
  document.title = `${title} · facespace`;
  for (const link of document.querySelectorAll("#views a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fill(main, waiting("Loading"));
  try {
    const service = await serviceNow();
    if (signal.aborted) return;
    tools(service);
    await view.show(fill(main), { service, rest, signal });
  } catch (error) {
    if (signal.aborted) return;
    fill(main, failed(error, () => show()));
  }
  if (focus && !signal.aborted) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
    announce(document.querySelector("main h1")?.textContent ?? title);
  }
}

function bar() {
  const links = VIEWS.map(([name, title]) => h("li", h("a", { href: `#/${name}` }, icon(name), title)));
  document.getElementById("views").append(h("ul", links));
  document.getElementById("skip").addEventListener("click", () => {
    const target = main.querySelector("h1") ?? main;
    target.tabIndex = -1;
    target.focus();
  });
  tools();
}

function tools(service) {
  const dark = isDark();
  const turn = () => {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("facespace.theme", chosen);
    } catch {
      // Storage is blocked: the choice holds for this visit.
    }
    tools(service);
    document.querySelector("#tools button:last-child").focus();
  };
  const key = async () => {
    if (currentKey()) {
      // Reload to discard all data that was fetched with this key.
      forgetKey();
      location.reload();
    } else if (await askKey()) {
      renew();
    }
  };
  const wanted = service?.keys;
  const keyLabel = currentKey() ? `Forget key${service?.key ? ` “${service.key}”` : ""}` : "Enter API key";
  fill(
    document.getElementById("tools"),
    wanted && h("button.icon", { type: "button", title: keyLabel, "aria-label": keyLabel, on: { click: key } }, icon("key")),
    h("button.icon", {
      type: "button", title: dark ? "Switch to light" : "Switch to dark", "aria-label": dark ? "Switch to light" : "Switch to dark", on: { click: turn },
    }, icon(dark ? "light" : "dark")),
  );
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function renew() {
  forget();
  forgetPictures();
  show();
}

bar();
addEventListener("hashchange", () => show());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tools());
// A photo dropped outside a drop area must not replace the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => event.preventDefault());
show(false);

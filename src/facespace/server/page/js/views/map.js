// A map of the gallery: people who are close to each other may look alike.

import { call } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { facePicture, portrait } from "../parts/portrait.js";
import { empty, failed, head, waiting } from "../parts/states.js";
import { count } from "../words.js";
import { noGallery } from "./search.js";

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MOST = 2000;

export async function show(root, { service, signal }) {
  const title = head("Explore", "A map of the people in the gallery. People who are close to each other may look alike; people far apart do not.");
  if (!service.gallery) {
    fill(root, title, noGallery());
    return;
  }
  const body = h("div");
  fill(root, title, body);
  await load();

  async function load() {
    fill(body, waiting("Loading the map"));
    try {
      const found = await call("GET", "v1/people/map", { query: { limit: MOST }, signal });
      if (found.points.length < 2) {
        fill(body, empty("map", "Too few people", "A map needs at least two people. Enrol more people first."));
        return;
      }
      draw(body, found, signal);
    } catch (error) {
      if (error.name !== "AbortError") fill(body, failed(error, load));
    }
  }
}

function draw(body, found, signal) {
  const points = found.points;
  const world = h("div.map-world");
  const panel = h("aside.map-panel.card", { "aria-live": "polite" });
  let chosen = -1;

  // Each person is a button. One is in the tab order; arrow keys move to the nearest in their direction.
  const dots = points.map((point, i) => h("button.map-dot", {
    type: "button", tabIndex: i ? -1 : 0, "aria-label": `${point.name}, ${count(point.faces, "face")}`,
    on: { click: () => choose(i), focus: () => choose(i) },
  }, portrait(point.name, points.length <= 150 ? facePicture(point.picture) : null), h("span.map-name", point.name)));
  world.append(...dots);
  const map = h("div.map", { role: "group", "aria-label": "Map of the gallery: use the arrow keys to move from person to person, plus and minus to zoom", class: points.length > 150 ? "many" : "" }, world);

  const [centre, spread] = extent(points);
  const view = { ...centre, zoom: 1 };

  function place() {
    const { width, height } = map.getBoundingClientRect();
    const scale = (0.38 * view.zoom) / spread;
    const size = Math.max(10, Math.min(64, (points.length > 150 ? 12 : 300 / Math.sqrt(points.length)) * Math.sqrt(view.zoom)));
    map.style.setProperty("--dot", `${size}px`);
    const at = points.map((point) => [width * (0.5 + scale * (point.x - view.x)), height * (0.5 + scale * (point.y - view.y))]);
    at.forEach(([x, y], i) => dots[i].style.setProperty("transform", `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -50%)`));
    if (size < 28) return;
    const room = named(at, size, points);
    dots.forEach((dot, i) => dot.classList.toggle("named", room.has(i)));
  }

  function choose(i) {
    if (chosen === i) return;
    if (chosen >= 0) {
      dots[chosen].classList.remove("chosen");
      dots[chosen].tabIndex = -1;
    }
    chosen = i;
    dots[i].classList.add("chosen");
    dots[i].tabIndex = 0;
    const point = points[i];
    const near = points.map((other, j) => [Math.hypot(other.x - point.x, other.y - point.y), j]).filter(([, j]) => j !== i)
      .sort((a, b) => a[0] - b[0]).slice(0, 4);
    fill(panel, h("div.map-who", portrait(point.name, facePicture(point.picture)),
      h("div", h("h2", point.name), h("p.small.soft", count(point.faces, "face")), h("a", { href: `#/people/${point.person_id}` }, `Show ${point.name}`))),
    h("h3", "Nearby"),
    h("ul.map-near", near.map(([, j]) => h("li", h("button.map-other", { type: "button", on: { click: () => go(j) } }, portrait(points[j].name, facePicture(points[j].picture)), h("span.small", points[j].name))))));
  }

  function go(i) {
    const { x, y } = points[i];
    const reach = spread / view.zoom;
    if (Math.abs(x - view.x) > reach || Math.abs(y - view.y) > reach) Object.assign(view, { x, y });
    place();
    choose(i);
    dots[i].focus({ preventScroll: true });
  }

  function zoom(by, at) {
    const next = Math.min(40, Math.max(0.8, view.zoom * by));
    if (at) {
      const { left, top, width, height } = map.getBoundingClientRect();
      const [dx, dy] = [(at[0] - left) / width - 0.5, (at[1] - top) / height - 0.5];
      const gain = (spread * (1 / view.zoom - 1 / next)) / 0.38;
      view.x += dx * gain;
      view.y += dy * gain;
    } else if (chosen >= 0) Object.assign(view, { x: points[chosen].x, y: points[chosen].y });
    view.zoom = next;
    place();
  }

  map.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") whole();
    else if (KEYS[event.key] && chosen >= 0) {
      event.preventDefault();
      const [dx, dy] = KEYS[event.key];
      const next = towards(points, chosen, dx, dy);
      if (next >= 0) go(next);
      else announce("Nobody in this direction");
    }
  });
  map.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(1.0018 ** -event.deltaY, [event.clientX, event.clientY]);
  }, { passive: false });
  drag(map, view, spread, place, zoom);
  new ResizeObserver(place).observe(map);

  function whole() {
    Object.assign(view, { ...centre, zoom: 1 });
    place();
  }
  const tool = (label, text, work) => h("button.button.small", { type: "button", "aria-label": label, title: label, on: { click: work } }, text);
  const more = found.total > points.length ? `The first ${points.length} of ${found.total} people. ` : "";
  fill(panel, h("p.soft", `${more}Click a person to see who is nearby. Drag to move and scroll to zoom, or use the arrow keys and `, h("kbd", "+"), " ", h("kbd", "−"), "."));
  fill(body, h("div.map-view", h("div.map-frame", map, h("div.map-tools", tool("Zoom in", "+", () => zoom(1.5)), tool("Zoom out", "−", () => zoom(1 / 1.5)), tool("Show all", icon("map"), whole))), panel));
  place();
  signal.addEventListener("abort", () => fill(body));
}

/** The centre of some points and their extent. */
function extent(points) {
  const range = (axis) => [Math.min(...points.map((p) => p[axis])), Math.max(...points.map((p) => p[axis]))];
  const [[left, right], [top, bottom]] = [range("x"), range("y")];
  return [{ x: (left + right) / 2, y: (top + bottom) / 2 }, Math.max(right - left, bottom - top, 1e-9) / 2];
}

/** The points whose names fit below them without covering another face or name. */
function named(at, size, points) {
  const taken = at.map(([x, y]) => [x - size / 2, y - size / 2, x + size / 2, y + size / 2]);
  const room = new Set();
  at.forEach(([x, y], i) => {
    const half = 4 + 3.6 * [...points[i].name].reduce((sum, letter) => sum + (letter > "\u2e80" ? 1.7 : 1), 0);
    const own = [x - half, y + size / 2 + 2, x + half, y + size / 2 + 20];
    const free = taken.every((other, j) => j === i || own[2] < other[0] || own[0] > other[2] || own[3] < other[1] || own[1] > other[3]);
    if (free) {
      room.add(i);
      taken.push(own);
    }
  });
  return room;
}

/** The nearest point in a direction, preferring points straight ahead; -1 if there is none. */
function towards(points, from, dx, dy) {
  let best = [-1, Infinity];
  points.forEach((point, i) => {
    const [x, y] = [point.x - points[from].x, point.y - points[from].y];
    const ahead = x * dx + y * dy;
    const aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (i !== from && ahead > 1e-6 && ahead + 2 * aside < best[1]) best = [i, ahead + 2 * aside];
  });
  return best[0];
}

function drag(map, view, spread, place, zoom) {
  const held = new Map();
  map.addEventListener("pointerdown", (event) => held.set(event.pointerId, [event.clientX, event.clientY]));
  map.addEventListener("pointermove", (event) => {
    const last = held.get(event.pointerId);
    if (!last) return;
    const now = [event.clientX, event.clientY];
    const { width, height } = map.getBoundingClientRect();
    if (held.size === 1) {
      view.x -= (now[0] - last[0]) / (0.38 * view.zoom * width) * spread;
      view.y -= (now[1] - last[1]) / (0.38 * view.zoom * height) * spread;
      place();
    } else if (held.size === 2) {
      const [, other] = [...held.entries()].find(([id]) => id !== event.pointerId);
      const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
      zoom(apart(now) / apart(last), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    }
    held.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) map.addEventListener(end, (event) => held.delete(event.pointerId));
}

// Icons of 24 by 24 pixels, drawn in the colour of the text.

import { h } from "./dom.js";

const PATHS = {
  compare: "M9 4.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15M15 4.5a7.5 7.5 0 1 1 0 15 7.5 7.5 0 0 1 0-15",
  search: "M10.5 3.5a7 7 0 1 0 0 14 7 7 0 0 0 0-14M15.6 15.6 20.5 20.5M8.6 12.3c.9 1 2.9 1 3.8 0M8.7 8.8v.4M12.3 8.8v.4",
  people: "M9 4.5a3.6 3.6 0 1 0 0 7.2 3.6 3.6 0 0 0 0-7.2M2.5 19.5c.5-3.6 3.2-5.4 6.5-5.4s6 1.8 6.5 5.4M16 5a3.2 3.2 0 0 1 0 6.3M18 14.6c2 .7 3.2 2.3 3.5 4.9",
  groups: "M4 4h6.5v6.5H4zM13.5 4H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z",
  map: "M6.5 5.2v.1M5 12.5v.1M9.5 9.5v.1M8 18v.1M13 14.5v.1M15.5 6.5v.1M18.8 10.8v.1M17.5 17.5v.1M12 4v.1",
  model: "M3 19.5h18M3.5 18c3.5-.4 3.6-11.5 6-11.5S12.4 18 15 18c2.2 0 2-6 3.8-6 1.5 0 1.2 4.6 2.2 6",
  photo: "M4.5 5.5h15a1.5 1.5 0 0 1 1.5 1.5v10.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5V7a1.5 1.5 0 0 1 1.5-1.5M3.5 16.5l5-5 4.5 4.5 2.5-2.5 5 5M15.8 9.5v.1",
  camera: "M4.5 7.5h3l1.7-2.5h5.6l1.7 2.5h3A1.5 1.5 0 0 1 21 9v8.5a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5V9a1.5 1.5 0 0 1 1.5-1.5M12 9.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7",
  close: "M6 6l12 12M18 6 6 18",
  add: "M12 5v14M5 12h14",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10",
  key: "M8 11.5a4 4 0 1 0 0 8 4 4 0 0 0 0-8M11 12.8 19.5 4.5M16 8l2.5 2.5M13.8 10.2l1.7 1.7",
  undo: "M8.5 5 4.5 9l4 4M5 9h9a5 5 0 0 1 0 10h-4",
  swap: "M7 7h12l-3.5-3.5M17 17H5l3.5 3.5",
};

/** An icon; it is always next to words, so screen readers skip it. */
export function icon(name) {
  const heavy = name === "map" ? 3.4 : 1.7;
  return h(
    "svg:svg",
    { viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    h("svg:path", {
      d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": heavy,
      "stroke-linecap": "round", "stroke-linejoin": "round",
    }),
  );
}

// Two charts of a model's card: the distributions of distances, and the ROC.

import { fill, h } from "../dom.js";
import { distance, oneIn } from "../words.js";

const s = (name, attributes, ...children) => h(`svg:${name}`, attributes, ...children);
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** A figure that is redrawn when its width changes, so that its text keeps its size. */
function chart(height, label, draw) {
  const figure = h("figure.chart");
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.round(figure.clientWidth);
    if (!width || width === drawn) return;
    drawn = width;
    fill(figure, s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, draw(width)));
  }).observe(figure);
  return figure;
}

/** Ticks at round numbers. */
function ticks(most, wanted = 6) {
  const raw = most / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((by) => by * power).find((by) => by >= raw);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, i) => i * step);
}

/**
 * The distances of pairs of the same person and of different people, with the threshold, the rejection and the distance
 * of this pair if given. For a card without histograms, the probability curve is drawn instead.
 */
export function distances(model, { found, threshold, rejection, thresholds = [] } = {}) {
  const between = rejection != null && rejection > threshold;
  const [height, foot, roof] = [between ? 300 : 270, 48, between ? 80 : 50];
  const bars = model.distribution;
  const most = reach(model, Math.max(found ?? 0, rejection ?? 0), threshold);
  const base = height - foot;
  return chart(height, described(model, found, threshold, rejection), (width) => {
    const x = (d) => 8 + ((width - 16) * Math.min(d, most)) / most;
    const [parts, words] = bars ? hills(bars, most, x, base, roof, width) : slope(model, most, x, base, roof);
    parts.push(s("line", { x1: 8, x2: width - 8, y1: base, y2: base, class: "axis" }));
    for (const tick of ticks(most, width < 480 ? 4 : 7)) {
      parts.push(s("text", { x: x(tick), y: base + 20, class: "tick", "text-anchor": tick ? "middle" : "start" }, String(Number(tick.toPrecision(6)))));
    }
    let end = -Infinity;
    for (const { far, threshold: at } of [...thresholds].sort((a, b) => a.threshold - b.threshold)) {
      parts.push(s("line", { x1: x(at), x2: x(at), y1: roof - 14, y2: base, class: "mark thin" }));
      // Omit labels without room; the table has all thresholds.
      if (x(at) - end < 64) continue;
      parts.push(s("text", { x: x(at), y: roof - 20, class: "tick", "text-anchor": "middle" }, oneIn(far).replace("1 in ", "1/")));
      end = x(at);
    }
    if (between) {
      parts.unshift(s("rect", { x: x(threshold), y: roof - 8, width: x(rejection) - x(threshold), height: base - roof + 8, class: "band" }));
      const middle = (x(threshold) + x(rejection)) / 2;
      words.push(s("text", { x: Math.min(Math.max(middle, 64), width - 64), y: roof - 14, class: "name between", "text-anchor": "middle" }, "too close to call"));
      for (const at of [threshold, rejection]) parts.push(s("line", { x1: x(at), x2: x(at), y1: roof - 8, y2: base, class: "mark threshold" }));
    }
    // Place the two labels on opposite sides.
    const left = found !== undefined && found <= threshold;
    const add = ([line, name]) => {
      parts.push(line);
      words.push(name);
    };
    if (threshold !== undefined && !between) add(mark(x(threshold), roof, base, width, "threshold", `threshold ${distance(threshold)}`, !left && x(threshold) > 130, width < 480 ? 18 : 0));
    if (found !== undefined) {
      add(mark(x(found), roof, base, width, "found", `these two ${distance(found)}`, left ? x(found) > 120 : false, between ? -24 : 0));
      parts.push(s("circle", { cx: x(found), cy: base, r: 6, class: "dot" }));
    }
    parts.push(s("text", { x: width - 8, y: height - 6, class: "tick", "text-anchor": "end" }, "squared distance"));
    // Draw the text last, so that no line crosses it.
    return [...parts, ...words];
  });
}

/** The shapes and their labels. */
function hills(bars, most, x, base, roof, width) {
  const peak = Math.max(...bars.genuine, ...bars.impostor);
  const middle = (i) => x((bars.edges[i] + bars.edges[i + 1]) / 2);
  const parts = ["genuine", "impostor"].flatMap((kind) => {
    const points = bars[kind].map((share, i) => [middle(i), base - ((base - roof) * share) / peak]).filter((_, i) => bars.edges[i + 1] <= most);
    const closed = `${path([[points[0][0], base], ...points, [points.at(-1)[0], base]])}Z`;
    return [s("path", { d: closed, class: `area ${kind}` }), s("path", { d: path(points), class: `line ${kind}` })];
  });
  const top = (kind) => middle(bars[kind].indexOf(Math.max(...bars[kind])));
  return [parts, [
    s("text", { x: Math.max(52, top("genuine")), y: base - 12, class: "name genuine", "text-anchor": "middle" }, "same person"),
    s("text", { x: Math.min(width - 62, top("impostor")), y: base - (width < 480 ? 30 : 12), class: "name impostor", "text-anchor": "middle" }, "different people")]];
}

function slope(model, most, x, base, roof) {
  const points = model.probability.filter((p) => p.distance <= most).map((p) => [x(p.distance), base - (base - roof) * p.probability]);
  return [[s("path", { d: path(points), class: "line genuine" })],
    [s("text", { x: 12, y: roof + 20, class: "name genuine" }, "probability of the same person")]];
}

function mark(at, roof, base, width, kind, words, before, lower = 0) {
  const y = roof - 28 + lower;
  const end = before || at > width - 130;
  return [
    s("line", { x1: at, x2: at, y1: y - 8, y2: base, class: `mark ${kind}` }),
    s("text", { x: at + (end ? -7 : 7), y, class: `name ${kind}`, "text-anchor": end ? "end" : "start" }, words),
  ];
}

/** The end of the axis, beyond which there are less than 0.2 % of the pairs. */
function reach(model, found = 0, threshold = 0) {
  const least = Math.max(found, threshold) * 1.12;
  if (!model.distribution) return Math.max(least, ...model.probability.filter((p) => p.probability > 0.002).map((p) => p.distance));
  let left = 1;
  const end = model.distribution.impostor.findIndex((share) => (left -= share) < 0.002);
  return Math.max(least, model.distribution.edges[end + 1] ?? 4);
}

function described(model, found, threshold, rejection) {
  const words = ["Squared distances of pairs of the same person and of different people, measured for this model."];
  if (threshold !== undefined) words.push(`The threshold for the same person is ${distance(threshold)}.`);
  if (rejection != null) words.push(`Beyond ${distance(rejection)}, they are different people.`);
  if (found !== undefined) words.push(`These two are at ${distance(found)}.`);
  return words.join(" ");
}

/** The ROC curve, VAL against FAR, with the rates of the card marked. */
export function roc(model, thresholds) {
  const [height, left, foot] = [330, 52, 48];
  const points = model.roc.filter((point) => point.far > 0);
  const lowest = Math.min(1e-4, ...thresholds.map((entry) => entry.far)) / 2;
  const y = (val) => 12 + (height - foot - 12) * (1 - val);
  const at = (entry) => nearest(points, entry.threshold);
  const words = thresholds.map((entry) => `at ${oneIn(entry.far)}, ${(100 * at(entry).val).toFixed(1)} per cent`).join("; ");
  return chart(height, `ROC curve: accepted pairs of the same person, by accepted pairs of different people: ${words}.`, (width) => {
    const x = (far) => left + ((width - left - 12) * (Math.log10(Math.max(far, lowest)) - Math.log10(lowest))) / -Math.log10(lowest);
    const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((val) => [
      s("line", { x1: left, x2: width - 12, y1: y(val), y2: y(val), class: "grid" }),
      s("text", { x: left - 8, y: y(val) + 4, class: "tick", "text-anchor": "end" }, `${100 * val} %`),
    ]);
    for (let far = 1; far >= lowest; far /= 10) {
      parts.push(s("text", { x: x(far), y: height - foot + 20, class: "tick", "text-anchor": far === 1 ? "end" : "middle" }, far === 1 ? "all" : oneIn(far).replace("1 in ", "1/")));
    }
    const drawn = points.filter((point) => point.far >= lowest);
    parts.push(s("path", { d: path(drawn.map((point) => [x(point.far), y(point.val)])), class: "line genuine" }));
    for (const entry of thresholds) parts.push(s("circle", { cx: x(entry.far), cy: y(at(entry).val), r: 5, class: "dot" }));
    parts.push(s("text", { x: width - 12, y: height - 6, class: "tick", "text-anchor": "end" }, "accepted pairs of different people (FAR)"));
    return parts;
  });
}

/** The point of a ROC whose threshold is nearest. */
export const nearest = (points, threshold) =>
  points.reduce((best, point) => (Math.abs(point.threshold - threshold) < Math.abs(best.threshold - threshold) ? point : best));

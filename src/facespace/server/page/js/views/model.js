// The model's card: what its distances mean, its accuracy and its limits.

import { fill, h } from "../dom.js";
import { distances, nearest, roc } from "../parts/chart.js";
import { head } from "../parts/states.js";
import { modelNow } from "../session.js";
import { distance, figure, grouped, oneIn } from "../words.js";

export async function show(root, { service }) {
  const model = await modelNow();
  const { card } = model;
  const decisions = card.decisions;
  fill(root,
    head(`${model.name} ${model.version}`, "The model of this service: what its distances mean, how they were measured, and known limits."),
    h("div.stack.wide", {},
      decisions && h("section.card.stack", {},
        h("h2", "What a distance means"),
        h("p.soft", `Measured on ${decisions.data}: ${grouped(decisions.people)} people, ${grouped(decisions.genuine_pairs)} pairs of the same person and ${grouped(decisions.impostor_pairs)} of different people. The figures apply to similar people.`),
        distances(model, { thresholds: decisions.thresholds }),
        h("div.scroll", { tabIndex: 0, role: "region", "aria-label": "Thresholds" }, thresholds(decisions, model))),
      model.roc.length > 0 && h("section.card.stack", {},
        h("h2", "ROC curve"),
        h("p.soft", "The share of accepted pairs of the same person (VAL), by the share of accepted pairs of different people (FAR). The dots are the thresholds above."),
        roc(model, decisions.thresholds)),
      h("div.two", {}, limits(card), figures(card)),
      facts(model, card, service),
    ));
}

function thresholds(decisions, model) {
  const passing = (entry) => {
    if (!model.roc.length) return null;
    return `${(100 * nearest(model.roc, entry.threshold).val).toFixed(1)} %`;
  };
  return h("table", {},
    h("thead", h("tr", h("th", { scope: "col" }, "False accepts"), h("th", { scope: "col" }, "Threshold"), h("th", { scope: "col" }, "95 % interval"), model.roc.length > 0 && h("th", { scope: "col" }, "True accepts"))),
    h("tbody", decisions.thresholds.map((entry) => h("tr", {},
      h("th", { scope: "row" }, oneIn(entry.far), " ", entry.far === decisions.default_far && h("span.tag", "default")),
      h("td.number", distance(entry.threshold)), h("td.number", `${distance(entry.low)} to ${distance(entry.high)}`),
      model.roc.length > 0 && h("td.number", passing(entry))))));
}

function limits(card) {
  const known = card.limits ?? [];
  return h("section.card.stack.tight", h("h2", "Known limits"),
    known.length
      ? h("ul.stack.tight", known.map((entry) => h("li", h("strong", entry.condition), h("br"), h("span.soft", entry.figure ? `${entry.figure.name}: ${figureText(entry.figure)}` : "Not measured."))))
      : h("p.soft", "The model card lists no limits."));
}

function figures(card) {
  const known = card.figures ?? [];
  return h("section.card.stack.tight", h("h2", "Figures"),
    known.length
      ? h("ul.stack.tight", known.map((entry) => h("li", h("strong", entry.name), h("br"), h("span.soft", figureText(entry)))))
      : h("p.soft", "The model card lists no figures."));
}

function figureText({ value, low, high, data, note }) {
  const interval = low === null || low === undefined ? "" : ` (${figure(low)} to ${figure(high)})`;
  return `${figure(value)}${interval} on ${data}${note ? `; ${note}` : ""}`;
}

function facts(model, card, service) {
  const rows = [
    ["Licence", card.licence],
    ["Terms of the data", card.data_terms],
    ["Input", `${card.input.width} × ${card.input.height} pixels, ${card.input.colour}; detector ${card.detector}, crop ${card.crop}`],
    ["Output", `${card.dimension}-dimensional embedding`],
    ["Clustering", card.decisions && `${card.decisions.clustering.linkage} linkage, threshold ${distance(card.decisions.clustering.threshold)}`],
    ["Trained on", card.training && `${card.training.data}: ${grouped(card.training.people)} people, ${grouped(card.training.photos)} photos`],
    ["Quantised", card.quantised && `int8, calibrated on ${grouped(card.quantised.faces)} faces of ${card.quantised.data}`],
    ["Space", h("code", model.space.slice(0, 16))],
    ["Software", `facespace ${service.version}`],
  ];
  return h("section.card.stack.tight", h("h2", "The model"),
    h("dl.facts", rows.filter(([, value]) => value).map(([name, value]) => [h("dt", name), h("dd", value)])));
}

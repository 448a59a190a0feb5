// Who are all these people? A clustering from its photos to its contact sheets.

import { call, formOf } from "../api.js";
import { fill, h, say } from "../dom.js";
import { failed, head, waiting } from "../parts/states.js";
import { chosenPhotos, well } from "../parts/well.js";
import { sheets } from "../parts/sheets.js";
import { count, when } from "../words.js";

const kept = { files: [], job: null };
const LOOK_AGAIN = 600;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function show(root, { service, rest, signal }) {
  const body = h("div.stack.wide");
  const title = head("Who are all these people?", "Photos are grouped by person; nobody says how many there are. The photos are not kept; small pictures of faces are, until the time of the job is over.");
  fill(root, title, body);
  if (!service.scopes.includes("enrol")) {
    fill(body, h("p.notice", "Your key may not group photos: that takes the scope “enrol”."));
    return;
  }
  const again = () => show(root, { service, rest: [], signal });
  const name = rest[0] ?? kept.job;
  if (name) await follow(name);
  else start();

  function start() {
    const wrong = h("div", { "aria-live": "polite" });
    const chosen = h("div.stack");
    const earlier = h("div");
    const add = (files) => {
      kept.files = [...kept.files, ...files].slice(0, service.limits.photos);
      draw();
    };
    const send = async () => {
      fill(wrong, waiting(`Sending ${count(kept.files.length, "photo")}`));
      try {
        const job = await call("POST", "v1/cluster", { form: formOf(kept.files.map((file) => ["photos", file])), signal });
        kept.job = job.job;
        await follow(job.job);
      } catch (error) {
        if (error.name !== "AbortError") fill(wrong, failed(error, send));
      }
    };
    function draw() {
      fill(chosen, kept.files.length > 0 && h("div.card.stack", {},
        h("div.row", h("h2", count(kept.files.length, "photo")),
          h("button.button.small.quiet.push", { type: "button", on: { click: () => {
            kept.files = [];
            draw();
          } } }, "Clear"),
          h("button.button.main", { type: "button", on: { click: send } }, "Group them by person")),
        wrong,
        chosenPhotos(kept.files, (place) => {
          kept.files.splice(place, 1);
          draw();
        })));
    }
    fill(body, well({ label: "Photos to group", several: true, onFiles: add, signal }), chosen, earlier);
    draw();
    earlierJobs(earlier);
  }

  async function earlierJobs(place) {
    try {
      const { jobs } = await call("GET", "v1/cluster", { signal });
      if (!jobs.length) return;
      fill(place, h("section.stack.tight", h("h2", "Earlier"), h("ul.stack.tight", jobs.map((job) => h("li.card.row", {},
        h("span", h("strong", count(job.photos, "photo")), ` from ${when(job.created)}, ${job.state}`),
        h("button.button.small.push", { type: "button", on: { click: () => follow((kept.job = job.job)) } }, "Open"))))));
    } catch {
      // A list of what was; what can be started stands without it.
    }
  }

  async function follow(name) {
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Photos looked at" });
    const told = h("p", { role: "status" });
    const stop = h("button.button.small", { type: "button", on: { click: () => call("POST", `v1/cluster/${name}/cancel`).catch(() => {}) } }, "Stop");
    fill(body, h("div.card.stack", told, bar, h("div.row", stop)));
    let job = null;
    try {
      for (;;) {
        job = await call("GET", `v1/cluster/${name}`, { signal });
        if (job.state !== "queued" && job.state !== "running") break;
        bar.value = job.photos ? job.looked_at / job.photos : 0;
        told.textContent = job.state === "queued" ? "Waiting for its turn" : `${count(job.looked_at, "photo")} of ${job.photos} looked at`;
        await pause(LOOK_AGAIN);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      // A job whose time is over is no reason to stay.
      if (error.status === 404) kept.job = null;
      fill(body, failed(error, error.status === 404 ? again : () => follow(name)));
      return;
    }
    const forget = async () => {
      kept.job = null;
      await again();
    };
    if (job.state !== "done") {
      kept.job = null;
      const why = job.state === "cancelled" ? "It was stopped." : job.reason ?? "It failed.";
      fill(body, h("div.notice", { class: job.state === "failed" ? "wrong" : "", role: "alert" }, h("h2", why),
        h("p", "Your photos are still chosen."), h("div.row", h("button.button.small", { type: "button", on: { click: again } }, "Back to them"))));
      return;
    }
    kept.files = [];
    say("The groups are ready");
    await sheets(body, job, signal, forget);
  }
}

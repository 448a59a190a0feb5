// Group photos by person: choose photos, show the progress, show the groups.

import { call, formOf } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { action, failed, head, waiting } from "../parts/states.js";
import { chosenPhotos, dropzone } from "../parts/dropzone.js";
import { save, sheets } from "../parts/sheets.js";
import { zip } from "../parts/zip.js";
import { count, grouped, megabytes, when } from "../words.js";

// `sent` are the files of the last job, for the download of photos by person.
const kept = { files: [], job: null, sent: { job: null, files: [] } };
const STATES = { queued: "waiting", running: "in progress", done: "done", cancelled: "stopped", failed: "failed" };
const ASK_EVERY = 600;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

export async function show(root, { service, rest, signal }) {
  const body = h("div.stack.wide");
  const title = head("Group photos", "Sort photos by the people in them. You do not need to say how many people there are. Photos are not stored. Thumbnails of the faces are stored until the groups are deleted.");
  fill(root, title, body);
  if (!service.scopes.includes("enrol")) {
    fill(body, h("p.notice", "Your API key cannot group photos: it needs the scope “enrol”."));
    return;
  }
  const { photos: most, cluster_bytes: mostBytes = Infinity, photo_bytes: largest } = service.limits;
  const again = () => show(root, { service, rest: [], signal });
  const name = rest[0] ?? kept.job;
  if (name) await follow(name);
  else start();

  function start() {
    const wrong = h("div", { "aria-live": "polite" });
    const chosen = h("div.stack");
    const earlier = h("div");
    let notes = [];
    const add = (files, others) => {
      const fit = files.filter((file) => file.size <= largest);
      const room = most - kept.files.length;
      kept.files = [...kept.files, ...fit.slice(0, room)];
      notes = [
        others > 0 && `${count(others, "file")} left out: not a photo.`,
        fit.length < files.length && `${count(files.length - fit.length, "photo")} left out: larger than ${megabytes(largest)}.`,
        fit.length > room && `${count(fit.length - room, "photo")} left out: the limit is ${grouped(most)}.`,
      ].filter(Boolean);
      draw();
      if (notes.length) announce(notes.join(" "));
    };
    const send = async () => {
      fill(wrong, waiting(`Sending ${count(kept.files.length, "photo")}`));
      try {
        const job = await call("POST", "v1/cluster", { form: formOf(kept.files.map((file) => ["photos", file])), signal });
        kept.job = job.job;
        kept.sent = { job: job.job, files: kept.files };
        await follow(job.job);
      } catch (error) {
        if (error.name !== "AbortError") fill(wrong, failed(error, send));
      }
    };
    function draw() {
      const size = kept.files.reduce((sum, file) => sum + file.size, 0);
      fill(chosen, notes.length > 0 && h("ul.notes", notes.map((note) => h("li", note))), kept.files.length > 0 && h("div.card.stack", {},
        h("div.row", h("h2", `${grouped(kept.files.length)} of at most ${count(most, "photo")}`), h("span.soft.small", megabytes(size)),
          h("div.row.push", action("Clear", () => {
            kept.files = [];
            notes = [];
            draw();
          }, "quiet"),
          h("button.button.main", { type: "button", disabled: size > mostBytes, on: { click: send } }, "Group"))),
        size > mostBytes && h("p.notice", { role: "alert" }, `Together the photos are larger than ${megabytes(mostBytes)}. Remove some, or group them in parts.`),
        wrong,
        chosenPhotos(kept.files, (place) => {
          kept.files.splice(place, 1);
          draw();
        })));
    }
    const limit = `Up to ${grouped(most)} photos${mostBytes < Infinity ? `, ${megabytes(mostBytes)} in total` : ""}. For larger collections use the command facespace cluster.`;
    fill(body, dropzone({ label: "Photos to group", several: true, folder: true, note: limit, onFiles: add, signal }), chosen, earlier);
    draw();
    earlierJobs(earlier);
  }

  async function earlierJobs(place) {
    try {
      const { jobs } = await call("GET", "v1/cluster", { signal });
      if (!jobs.length) return;
      fill(place, h("section.stack.tight", h("h2", "Earlier groups"), h("ul.stack.tight", jobs.map((job) => h("li.card.row", {},
        h("span", h("strong", count(job.photos, "photo")), ` from ${when(job.created)}, ${STATES[job.state]}. `, h("span.small.soft", `Deleted on ${when(job.expires)}.`)),
        h("button.button.small.push", { type: "button", on: { click: () => follow((kept.job = job.job)) } }, "Open"))))));
    } catch {
      // The list of earlier jobs is optional.
    }
  }

  async function follow(name) {
    const bar = h("progress", { max: 1, value: 0, "aria-label": "Photos processed" });
    const status = h("p", { role: "status" });
    fill(body, h("div.card.stack", status, bar, h("div.row", action("Stop", () => call("POST", `v1/cluster/${name}/cancel`).catch(() => {})))));
    let job = null;
    try {
      for (;;) {
        job = await call("GET", `v1/cluster/${name}`, { signal });
        if (job.state !== "queued" && job.state !== "running") break;
        bar.value = job.photos ? job.looked_at / job.photos : 0;
        status.textContent = job.state === "queued" ? "Waiting for other jobs to finish" : `${grouped(job.looked_at)} of ${count(job.photos, "photo")} done`;
        await pause(ASK_EVERY);
        if (signal.aborted) return;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      // The groups were deleted: start again.
      if (error.status === 404) kept.job = null;
      fill(body, failed(error, error.status === 404 ? null : () => follow(name), "h2", error.status === 404 && action("Group photos", again)));
      return;
    }
    const forget = async () => {
      kept.job = null;
      await again();
    };
    if (job.state !== "done") {
      kept.job = null;
      const why = job.state === "cancelled" ? "Stopped" : job.reason ?? "The job failed";
      fill(body, h("div.notice", { class: job.state === "failed" ? "wrong" : "", role: "alert" }, h("h2", why),
        h("p", "Your photos are still selected."), h("div.row", action("Back to the photos", again))));
      return;
    }
    kept.files = [];
    announce("The groups are ready");
    const files = kept.sent.job === job.job ? kept.sent.files : [];
    await sheets(body, { service, job, signal, forget, extra: (clusters) => (files.length ? photosByPerson(clusters, files) : null) });
  }
}

/** A button that downloads the photos, which this page still has, in one folder per person. */
function photosByPerson(clusters, files) {
  const button = action("Download photos by person", async () => {
    const words = button.textContent;
    button.disabled = true;
    try {
      const entries = inFolders(clusters, files);
      save(await zip(entries, (i) => (button.textContent = `Packing ${i + 1} of ${entries.length}`)), "facespace-photos.zip");
      announce("The photos are packed");
    } catch (error) {
      button.after(failed({ title: "The photos could not be packed", detail: error.message }, null, "h3"));
    }
    button.textContent = words;
    button.disabled = false;
  });
  return button;
}

/** Entries [path, file] of a ZIP: a folder for each person with a name or more than one face, and one for other photos. */
export function inFolders(clusters, files) {
  const named = byName(files);
  const entries = new Map();
  const used = new Set();
  // Different names can become the same when they are cleaned.
  const put = (folder, photo) => {
    let path = `${folder}/${clean(photo)}`;
    for (let number = 2; entries.has(path); number++) path = `${folder}/${clean(`${photo} (${number})`)}`;
    entries.set(path, named.get(photo));
  };
  for (const cluster of clusters) {
    if (cluster.faces.length < 2 && !cluster.name) continue;
    const folder = cluster.name ? clean(cluster.name) : `Person ${cluster.cluster}`;
    for (const photo of new Set(cluster.faces.map((face) => face.photo))) {
      if (!named.has(photo)) continue;
      used.add(photo);
      put(folder, photo);
    }
  }
  for (const photo of named.keys()) if (!used.has(photo)) put("Other photos", photo);
  return [...entries];
}

/** Files by the names that the service uses: the second file with the same name becomes "name (2)". */
function byName(files) {
  const named = new Map();
  for (const file of files) {
    let name = file.name;
    for (let number = 2; named.has(name); number++) name = `${file.name} (${number})`;
    named.set(name, file);
  }
  return named;
}

/** A file name that is valid on every file system; a number stays before the extension. */
const clean = (name) => name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").replace(/^(.*)(\.\w+) \((\d+)\)$/, "$1 ($3)$2").replace(/^\.+|[. ]+$/g, "_") || "_";

// The API client: one function for all requests, a cache of images, and errors with advice.

import { askKey, currentKey } from "./key.js";

/** An error response of the service (RFC 9457), or a network error. */
export class Problem extends Error {
  constructor({ title, detail, status, type, instance }) {
    super(detail || title);
    Object.assign(this, { title, detail, status, kind: type, instance });
  }
}

const MAX_RETRIES = 3;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Send a request. Returns the response or throws a Problem. `body` is sent as JSON; `form` is a FormData. */
export async function call(method, path, { query, body, form, signal, raw = false } = {}) {
  const url = new URL(path, location.href);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  for (let attempt = 0; ; attempt++) {
    const key = currentKey();
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      const sent = body === undefined ? form : JSON.stringify(body);
      response = await fetch(url, { method, headers, body: sent, signal, credentials: "omit", cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({
        title: "The service is not responding",
        detail: "Check that it is running and that you are connected. Nothing you entered is lost.",
      });
    }
    if (response.ok) return raw ? response.blob() : response.status === 204 ? null : response.json();
    const problem = await problemOf(response);
    const wait = Number(response.headers.get("Retry-After") ?? 2);
    if ((response.status === 429 || response.status === 503) && attempt < MAX_RETRIES && wait <= 10) {
      await pause(1000 * wait);
    } else if (response.status === 401 && (currentKey() !== key || (await askKey(key ? problem.detail : "")))) {
      // Try again with the key that was entered meanwhile.
    } else {
      throw problem;
    }
  }
}

async function problemOf(response) {
  try {
    const body = await response.json();
    if (body && (body.title || body.detail)) return new Problem({ ...body, status: response.status });
  } catch {
    // Not JSON, so the response is not from the service but from a proxy in between.
  }
  return new Problem({
    title: `Unexpected response ${response.status} ${response.statusText}`.trim(),
    detail: "This response is not from facespace. Check the proxy between the service and this page.",
    status: response.status,
  });
}

/** A form with files and text fields. */
export function formOf(files, texts = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(texts)) if (value !== undefined) form.append(name, value);
  for (const [name, file] of files) form.append(name, file, file.name || "photo.jpg");
  return form;
}

// Images need the API key too, so they are fetched with JavaScript, six at a time, and cached.

const KEPT = 600;
const pictures = new Map();
const line = [];
let underway = 0;

/** Return a URL for an <img> with an image of the service, or null if there is none. */
export function picture(path) {
  if (!pictures.has(path)) {
    if (pictures.size >= KEPT) {
      const [oldest, promise] = pictures.entries().next().value;
      pictures.delete(oldest);
      promise.then((url) => url && URL.revokeObjectURL(url));
    }
    pictures.set(path, new Promise((done) => {
      line.push([path, done]);
      next();
    }));
  }
  return pictures.get(path);
}

/** Clear the cache of images: another key may not be allowed to see them. */
export const forgetPictures = () => pictures.clear();

async function next() {
  if (underway >= 6 || !line.length) return;
  underway++;
  const [path, done] = line.shift();
  try {
    done(URL.createObjectURL(await call("GET", path, { raw: true })));
  } catch (error) {
    // Fetch it again next time, unless it does not exist.
    if (error.status !== 404) pictures.delete(path);
    done(null);
  }
  underway--;
  next();
}

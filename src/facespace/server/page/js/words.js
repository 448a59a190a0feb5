// Formatting of numbers, times and results.

const GROUPED = new Intl.NumberFormat("en");

export const count = (n, one, many = `${one}s`) => `${GROUPED.format(n)} ${n === 1 ? one : many}`;
export const grouped = (n) => GROUPED.format(n);

/** A squared distance. */
export const distance = (d) => d.toFixed(d < 1 ? 3 : 2);

/** A probability in per cent, never 0 or 100. A no-break space keeps the number and its sign together. */
export function percent(p) {
  if (p > 0.999) return "over 99.9\u00a0%";
  if (p < 0.001) return "under 0.1\u00a0%";
  return `${(100 * p).toFixed(p > 0.99 || p < 0.01 ? 1 : 0)}\u00a0%`;
}

/** Capitalise the first letter. */
export const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

const FIGURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A measured figure with at most four significant digits. */
export const figure = (value) => (Number.isInteger(value) ? GROUPED : FIGURE).format(value);

/** A false accept rate as odds. */
export const oneIn = (rate) => `1 in ${GROUPED.format(Math.round(1 / rate))}`;

// For older services, whose answers have no headline.
const HEADLINES = { same: "Same person", unclear: "Too close to call", different: "Different people" };

/** The outcome of a comparison: "same", "unclear" or "different", its headline, and a sentence about both error rates. */
export function outcome(found) {
  const kind = found.verdict in HEADLINES ? found.verdict : found.same ? "same" : "different";
  return { kind, headline: found.headline ?? HEADLINES[kind], words: found.explanation ?? byThreshold(found) };
}

function byThreshold(found) {
  return `The distance ${distance(found.distance)} is ${found.same ? "within" : "above"} the threshold ${distance(found.threshold)}. `
    + `Of pairs of different people, ${oneIn(found.far)} are within it.`;
}

/** Describe the quality of a face and its defects. */
export function quality(q) {
  if (!q) return "Quality unknown";
  const faults = [];
  if (q.eye_distance < 25) faults.push("small");
  if (q.sharpness < 0.05) faults.push("blurred");
  if (q.brightness < 0.2) faults.push("dark");
  if (q.brightness > 0.85) faults.push("overexposed");
  if (Math.abs(q.yaw) > 35) faults.push("turned away");
  const better = `Quality: better than ${Math.round(100 * q.value)}\u00a0% of ordinary photos`;
  return faults.length ? `${better}; ${faults.join(", ")}` : better;
}

/** A time in the format of the user's locale. */
export function when(iso) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** One or two letters, shown for a person without a picture. */
export function initials(name) {
  const words = name.trim().split(/\s+/u);
  if (/^\p{Script=Han}/u.test(name.trim())) return Array.from(name.trim())[0];
  const first = Array.from(words[0] ?? "?")[0];
  const last = words.length > 1 ? Array.from(words.at(-1))[0] : "";
  return (first + last).toLocaleUpperCase();
}

/** A size in bytes. */
export const megabytes = (bytes) => (bytes >= 1 << 30 ? `${(bytes / (1 << 30)).toFixed(1)} GB` : `${GROUPED.format(Math.ceil(bytes / (1 << 20)))} MB`);

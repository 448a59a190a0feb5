// Numbers, times and results in words.

const GROUPED = new Intl.NumberFormat("en");

export const count = (n, one, many = `${one}s`) => `${GROUPED.format(n)} ${n === 1 ? one : many}`;
export const grouped = (n) => GROUPED.format(n);

/** A squared distance. */
export const distance = (d) => d.toFixed(d < 1 ? 3 : 2);

/** A probability in per cent; never 0 and never 100. The number and its sign stay on one line. */
export function percent(p) {
  if (p > 0.999) return "over 99.9\u00a0%";
  if (p < 0.001) return "under 0.1\u00a0%";
  return `${(100 * p).toFixed(p > 0.99 || p < 0.01 ? 1 : 0)}\u00a0%`;
}

/** With a capital letter, for the beginning of a sentence. */
export const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

const FIGURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A measured figure with four significant digits at most. */
export const figure = (value) => (Number.isInteger(value) ? GROUPED : FIGURE).format(value);

/** A false accept rate as odds. */
export const oneIn = (rate) => `1 in ${GROUPED.format(Math.round(1 / rate))}`;

// For services that do not say the outcome in words.
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

/** The quality of a face in words, with its faults. */
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

// Numbers as people say them.

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

/** The same words at the beginning of a sentence. */
export const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

const FIGURE = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A figure that was measured, with no more digits than say something. */
export const figure = (value) => (Number.isInteger(value) ? GROUPED : FIGURE).format(value);

/** A false accept rate as odds. */
export const oneIn = (rate) => `1 in ${GROUPED.format(Math.round(1 / rate))}`;

/** What a probability of 'one person' says, and how it is coloured. */
export function verdict(p) {
  if (p >= 0.999) return ["Almost certainly the same person", "same"];
  if (p >= 0.95) return ["Very likely the same person", "same"];
  if (p >= 0.75) return ["Probably the same person", "same"];
  if (p > 0.25) return ["It cannot be told", "unsure"];
  if (p > 0.05) return ["Probably two people", "other"];
  if (p > 0.001) return ["Very likely two people", "other"];
  return ["Almost certainly two people", "other"];
}

/** A rough quality in words, with what is wrong where something is. */
export function quality(q) {
  if (!q) return "Quality not judged";
  const faults = [];
  if (q.eye_distance < 25) faults.push("small");
  if (q.sharpness < 0.05) faults.push("blurred");
  if (q.brightness < 0.2) faults.push("dark");
  if (q.brightness > 0.85) faults.push("overexposed");
  if (Math.abs(q.yaw) > 35) faults.push("turned away");
  const better = `Better than ${Math.round(100 * q.value)} % of ordinary photos`;
  return faults.length ? `${better}; ${faults.join(", ")}` : better;
}

/** A time as this browser's owner writes it. */
export function when(iso) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

/** One or two letters that stand for somebody without a picture. */
export function initials(name) {
  const words = name.trim().split(/\s+/u);
  if (/^\p{Script=Han}/u.test(name.trim())) return Array.from(name.trim())[0];
  const first = Array.from(words[0] ?? "?")[0];
  const last = words.length > 1 ? Array.from(words.at(-1))[0] : "";
  return (first + last).toLocaleUpperCase();
}

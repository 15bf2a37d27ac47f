// Numbers and times for people.

const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const DATE_TIME = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const TIME = new Intl.DateTimeFormat("en", { timeStyle: "medium", hour12: false });

export const NONE = "–";

export function count(number) {
  if (number === null || number === undefined) return NONE;
  return Math.abs(number) < 100_000 ? COUNT.format(number) : SHORT.format(number);
}

/** Records in a second. */
export function rate(number) {
  if (number === null || number === undefined) return NONE;
  if (number === 0) return "0/s";
  return number < 10 ? `${number.toFixed(1)}/s` : `${count(Math.round(number))}/s`;
}

/** A span of time in its two largest units: `3 h 5 min`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds < 0.0005) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  const parts = [];
  let left = Math.round(seconds);
  for (const [name, size] of units.slice(first, first + 2)) {
    const many = Math.floor(left / size);
    left -= many * size;
    if (many > 0) parts.push(`${many} ${name}`);
  }
  return parts.join(" ") || NONE;
}

export function dateTime(text) {
  const time = new Date(text);
  return text && !Number.isNaN(time.getTime()) ? DATE_TIME.format(time) : NONE;
}

export function time(text) {
  const at = new Date(text);
  return text && !Number.isNaN(at.getTime()) ? TIME.format(at) : NONE;
}

/** `1 record`, `2 records`. */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

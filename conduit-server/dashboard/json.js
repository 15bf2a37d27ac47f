// JSON whose numbers keep all their digits: a 64-bit integer or `1.0` is shown and sent back as it came.

const HAS_SOURCES = typeof JSON.rawJSON === "function";

/** Parses JSON; a number that a float would change becomes raw JSON, where the browser can. */
export function parse(text) {
  if (!HAS_SOURCES) return JSON.parse(text);
  return JSON.parse(text, (_key, value, context) => {
    const isChanged = typeof value === "number" && context?.source !== undefined && String(value) !== context.source;
    return isChanged ? JSON.rawJSON(context.source) : value;
  });
}

/** Writes JSON, on several lines unless told otherwise. */
export function write(value, indent = 2) {
  return JSON.stringify(value, null, indent);
}

/** Whether a value is a JSON object. */
export function isObject(value) {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(HAS_SOURCES && JSON.isRawJSON(value))
  );
}

/** Whether two values are written alike, whatever the order of their names. */
export function isSame(a, b) {
  return write(sorted(a), 0) === write(sorted(b), 0);
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}

/** The paths at which two values differ, such as `destinations[0].endpoint`. */
export function differences(a, b, path = "") {
  if (isSame(a, b)) return [];
  if (Array.isArray(a) && Array.isArray(b)) {
    const indexes = [...Array(Math.max(a.length, b.length)).keys()];
    return indexes.flatMap((index) => differences(a[index], b[index], `${path}[${index}]`));
  }
  if (isObject(a) && isObject(b)) {
    const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return names.flatMap((name) => differences(a[name], b[name], path ? `${path}.${name}` : name));
  }
  return [path];
}

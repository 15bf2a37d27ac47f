// What may stand in a form's fields: the rules of the server, told while one types. Each returns what is wrong, or null.

import { isObject, parse } from "./json.js";

const DURATION = /^(\d+)(ms|s|m|h)$/;
const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const MAX_NAME_BYTES = 190;
const MAX_FIELD_BYTES = 255;

const bytes = (text) => new TextEncoder().encode(text).length;

export function collectionName(text) {
  if (text === "") return "Give the collection a name.";
  if (bytes(text) > MAX_NAME_BYTES) return `A name has ${MAX_NAME_BYTES} bytes at most.`;
  if (/[$:\0]/.test(text)) return "A name cannot hold $, : or NUL.";
  if (text.startsWith("system.") || text.includes(".system.")) return "Names of system collections are MongoDB's own.";
  if (text === "config.collections") return "Conduit keeps its configuration there: choose another name.";
  if (text.startsWith(".") || text.endsWith(".") || text.includes(".."))
    return "A name cannot begin or end with a dot, nor hold two in a row.";
  return null;
}

export function fieldName(text) {
  if (text === "") return null;
  if (bytes(text) > MAX_FIELD_BYTES) return `A field's name has ${MAX_FIELD_BYTES} bytes at most.`;
  if (text.startsWith("$") || text.includes("\0")) return "A field's name cannot begin with $ or hold NUL.";
  if (text.includes(".")) return "This must be a top-level field: without a dot.";
  if (text === "_id") return "It cannot be _id.";
  return null;
}

export function destinationId(text) {
  if (text === "") return null;
  return /^[a-z0-9-]{1,64}$/.test(text) ? null : "An id is 1 to 64 of the characters a-z, 0-9 and -.";
}

export function url(text) {
  if (text === "") return null;
  if (text.trim() !== text) return "It cannot begin or end with a space.";
  if (!/^https?:\/\/[^/\\]/i.test(text) || !URL.canParse(text))
    return "It must be an http or https URL, such as https://example.com/hook.";
  const parsed = new URL(text);
  if (parsed.username || parsed.password) return "It cannot hold a user or password: use the bearer token.";
  if (text.includes("#")) return "It cannot hold a fragment (#).";
  if (parsed.port === "0") return "Port 0 is no port.";
  return null;
}

export function integer(least, most) {
  return (text) => {
    if (text === "") return null;
    const number = Number(text);
    return /^\d+$/.test(text) && number >= least && number <= most
      ? null
      : `It must be a whole number from ${least} to ${most}.`;
  };
}

/** A duration such as `30s`, from `least` to `most`, which are written alike. */
export function duration(least, most) {
  return (text) => {
    if (text === "") return null;
    const given = milliseconds(text);
    if (given === null) return "It must be a number and a unit: 500ms, 30s, 5m or 1h.";
    return given >= milliseconds(least) && given <= milliseconds(most) ? null : `It must be from ${least} to ${most}.`;
  };
}

function milliseconds(text) {
  const found = DURATION.exec(text);
  return found && Number(found[1]) * MILLISECONDS[found[2]];
}

export function jsonObject(text) {
  if (text.trim() === "") return null;
  try {
    return isObject(parse(text)) ? null : "It must be a JSON object: { … }.";
  } catch (error) {
    return `This is no JSON: ${error.message}.`;
  }
}

export function environmentName(text) {
  return /^CONDUIT_DEST_\w+$/.test(text) ? null : "The variable's name must begin with CONDUIT_DEST_.";
}

export function fileName(text) {
  if (text === "") return "Name a file of the server's secrets folder.";
  return /[/\\\0]/.test(text) || text === "." || text === ".."
    ? "It must be the name of a file, without a path."
    : null;
}

export const required =
  (rule, words = "This is required.") =>
  (text) =>
    text.trim() === "" ? words : rule(text);

// Follows what a collection delivers, and keeps the last records for the filter tester.

import * as api from "./api.js";
import { follow } from "./event_stream.js";
import { parse } from "./json.js";

const MAX_KEPT = 200;
const kept = new Map();

/** The last lines of a collection's tail, the newest first, as far as this page has seen them. */
export function captured(collection) {
  if (!kept.has(collection)) kept.set(collection, []);
  return kept.get(collection);
}

/**
 * A collection's tail while `signal` is not aborted. `onLine` gets `{key, time, destination, outcome, attempt, error, record}`,
 * `onMissed` how many were left out, `onState` is that of `follow`.
 */
export function tail(collection, { onLine, onMissed = () => {}, onState = () => {}, signal }) {
  const lines = captured(collection);
  const onEvent = (name, data) => {
    if (name === "missed") {
      onMissed(parse(data).count ?? 0);
    } else if (name === "record") {
      tail.last += 1;
      const line = { key: tail.last, ...parse(data) };
      lines.unshift(line);
      if (lines.length > MAX_KEPT) lines.pop();
      onLine(line);
    }
  };
  follow(api.tailPath(collection), { onEvent, onState, signal });
}
tail.last = 0;

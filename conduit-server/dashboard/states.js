// The states of a destination, and what a person should know about each: a word, a shape and a colour.

import { h, setText, svg } from "./dom.js";
import { plural, span } from "./format.js";

// Shapes differ as much as colours do. Each is drawn in a square of 16.
const SHAPES = {
  dot: [["circle", { cx: 8, cy: 8, r: 5, fill: "currentColor" }]],
  ring: [
    [
      "circle",
      { cx: 8, cy: 8, r: 5, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-dasharray": "3 2.2" },
    ],
  ],
  forward: [["path", { d: "M2 3l6 5-6 5zM8 3l6 5-6 5z", fill: "currentColor" }]],
  bars: [["path", { d: "M4 3h3v10H4zM9 3h3v10H9z", fill: "currentColor" }]],
  dash: [["path", { d: "M3 7h10v2H3z", fill: "currentColor" }]],
  square: [
    ["path", { d: "M3 3h10v10H3z", fill: "none", stroke: "currentColor", "stroke-width": 2 }],
    ["path", { d: "M6 6h4v4H6z", fill: "currentColor" }],
  ],
  triangle: [["path", { d: "M8 1.5l7 12.5H1z", fill: "currentColor" }]],
  cross: [["path", { d: "M3 3l10 10M13 3L3 13", fill: "none", stroke: "currentColor", "stroke-width": 3 }]],
};

const STATES = {
  starting: { word: "Starting", shape: "ring", tone: "info" },
  streaming: { word: "Streaming", shape: "dot", tone: "good" },
  catching_up: { word: "Catching up", shape: "forward", tone: "info" },
  holding: { word: "Held", shape: "square", tone: "bad" },
  paused: { word: "Paused", shape: "bars", tone: "warn" },
  disabled: { word: "Off", shape: "dash", tone: "" },
  waiting_for_lease: { word: "Waiting for a worker", shape: "ring", tone: "info" },
  halted: { word: "Halted", shape: "cross", tone: "bad" },
};

const HALTS = {
  history_lost:
    "MongoDB's history no longer reaches back to where this destination stood: changes since then cannot be delivered. Rewind it to a later time, or to now, to go on.",
  state_lost:
    "The state store lost where this destination stood, and no mark of it is left. Rewind it to a time, or to now, to go on.",
};

/** Draws one of the shapes; beside it stands a word, so it is hidden from who listens. */
export function shape(name) {
  const parts = SHAPES[name] ?? SHAPES.dot;
  return svg(
    "svg",
    { viewBox: "0 0 16 16", "aria-hidden": "true" },
    parts.map(([tag, attributes]) => svg(tag, attributes)),
  );
}

export const stateOf = (state) => STATES[state] ?? { word: state, shape: "ring", tone: "info" };

/** Whether a destination in this state delivers nothing although it should. */
export const standsOut = (destination) => destination.state === "holding" || destination.state === "halted";

/** A state as a word with a shape, which follows the state. */
export function stateBadge() {
  const word = h("span");
  const element = h("span", { class: "badge" }, word);
  let shown = null;
  return {
    element,
    update(state) {
      if (state === shown) return;
      shown = state;
      const { word: text, shape: name, tone } = stateOf(state);
      element.className = `badge${tone ? ` tone-${tone}` : ""}`;
      element.querySelector("svg")?.remove();
      element.prepend(shape(name));
      setText(word, text);
    },
  };
}

/** What is to be said about a destination that is not as it should be: `{tone, shape, text}`, the gravest first. */
export function concernsOf(destination) {
  const concerns = [];
  if (destination.state === "halted") {
    concerns.push({
      tone: "bad",
      shape: "cross",
      text: `Halted. ${HALTS[destination.reason] ?? destination.reason ?? ""}`,
    });
  }
  if (destination.state === "holding") {
    const why = destination.last_error ? ` The last error: ${destination.last_error}` : "";
    const text = `Held: the destination fails as a whole, so only probes are sent. Nothing is lost; everything follows when it answers again.${why}`;
    concerns.push({ tone: "bad", shape: "square", text });
  }
  for (const warning of destination.warnings ?? []) {
    concerns.push({ tone: "warn", shape: "triangle", text: warning.message ?? warning.code ?? "" });
  }
  if (destination.dlq_length > 0) {
    const text = `${plural(destination.dlq_length, "dead letter")}: records that were given up and wait for you.`;
    concerns.push({ tone: "warn", shape: "triangle", text, page: "dead-letters" });
  }
  return concerns;
}

/** How long until MongoDB has overwritten what a destination needs. */
export function historyLeft(destination) {
  const left = destination.history_seconds_left;
  return left === undefined || left === null ? null : span(left);
}

// Shows a record: in one line, and whole.

import { h } from "./dom.js";
import { write } from "./json.js";
import { shape } from "./states.js";

const TYPES = {
  INSERT: { shape: "dot", tone: "good" },
  MODIFY: { shape: "forward", tone: "info" },
  REMOVE: { shape: "dash", tone: "warn" },
};

const OUTCOMES = {
  delivered: { word: "delivered", tone: "good", shape: "dot" },
  filtered: { word: "filtered out", tone: "", shape: "dash" },
  retried: { word: "will be retried", tone: "warn", shape: "forward" },
  dead_lettered: { word: "dead letter", tone: "bad", shape: "cross" },
};

export function typeBadge(type) {
  const { shape: name, tone } = TYPES[type] ?? { shape: "ring", tone: "" };
  return h("span", { class: `badge tone-${tone}` }, shape(name), type ?? "?");
}

export function outcomeBadge(outcome) {
  const {
    word,
    tone,
    shape: name,
  } = OUTCOMES[outcome] ?? { word: String(outcome).replaceAll("_", " "), tone: "", shape: "ring" };
  return h("span", { class: `badge${tone ? ` tone-${tone}` : ""}` }, shape(name), word);
}

/** The keys of a record in one line. */
export function keysOf(record) {
  const keys = record?.keys;
  if (keys === null || keys === undefined) return "";
  const texts = Object.values(keys).map((value) => (typeof value === "string" ? value : write(value, 0)));
  return texts.join(" · ");
}

/** A record as JSON, with a button to copy it. */
export function recordJson(record) {
  const text = write(record);
  const copy = h("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Copying is not allowed here";
    }
  });
  return [
    h("pre", { tabindex: "0", role: "region", "aria-label": "Record as JSON" }, text),
    h("div", { class: "actions" }, copy),
  ];
}

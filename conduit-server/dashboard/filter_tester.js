// Tries a filter on records that came by.

import * as api from "./api.js";
import { freshId, h, setText } from "./dom.js";
import { time } from "./format.js";
import { isObject, parse, write } from "./json.js";
import { pathOf } from "./overview.js";
import { keysOf } from "./record_view.js";
import { shape } from "./states.js";
import { captured, tail } from "./tail.js";

const PAUSE = 250;
const SAMPLE = { newImage: { status: "paid", total: 250 } };

export function filterPanel({ config, query }, signal) {
  const name = config.collection_name;
  const lines = captured(name);
  const source =
    config.destinations.find(({ id }) => id === query.get("destination")) ??
    config.destinations.find(({ filter_criteria: filter }) => filter);
  const chosen = lines.find(({ key }) => String(key) === query.get("record")) ?? lines[0];

  const filter = editor("Filter", write(source?.filter_criteria ?? { new_image: { status: ["paid"] } }));
  const record = editor("Record", write(chosen?.record ?? SAMPLE));
  const pick = h("select", { id: freshId("pick") });
  const verdict = h("div", { role: "status" });
  const explained = h("tbody");
  const table = h(
    "table",
    { hidden: true },
    h("caption", { class: "visually-hidden" }, "Why"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ["Path", "Operator", "Record has", "Matches"].map((words) => h("th", { scope: "col" }, words)),
      ),
    ),
    explained,
  );

  const drawPick = () => {
    const options = captured(name).map((line) => {
      const words = `${time(line.time)} ${line.record?.recordType ?? ""} ${keysOf(line.record)}`.slice(0, 80);
      return h("option", { value: line.key }, words);
    });
    const kept = pick.value;
    pick.replaceChildren(
      h("option", { value: "" }, options.length > 0 ? "one of your own" : "none came by yet"),
      ...options,
    );
    pick.value = options.some((option) => option.value === kept) ? kept : "";
  };
  drawPick();
  if (chosen) pick.value = String(chosen.key);
  pick.addEventListener("change", () => {
    const line = captured(name).find(({ key }) => String(key) === pick.value);
    if (!line) return;
    record.input.value = write(line.record);
    run();
  });
  tail(name, { signal, onLine: drawPick });

  let running = new AbortController();
  let timer = null;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(run, PAUSE);
  };
  const run = async () => {
    running.abort();
    running = new AbortController();
    const [pattern, tried] = [filter.read(), record.read()];
    if (pattern === undefined || tried === undefined) return say(null);
    try {
      const answer = await api.testFilter(pattern, tried, running.signal);
      say(answer);
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      const ofFilter = error.errors?.filter(({ field }) => field.startsWith("filter_criteria")) ?? [];
      const ofRecord = error.errors?.filter(({ field }) => field.startsWith("record")) ?? [];
      const words = (faults) =>
        faults
          .map(({ field, message }) => `${field.replace(/^(filter_criteria|record)\.?/, "")} ${message}`.trim())
          .join("; ");
      filter.complain(words(ofFilter) || (ofRecord.length === 0 ? (error.words ?? error.message) : ""));
      record.complain(words(ofRecord));
      say(null);
    }
    return undefined;
  };
  const say = (answer) => {
    table.hidden = !answer || answer.explain.length === 0;
    if (!answer) {
      verdict.replaceChildren();
      return;
    }
    const [tone, shapeName, words] = answer.matches
      ? ["good", "dot", "Matches: the record is delivered"]
      : ["warn", "dash", "Does not match: the record is filtered out"];
    const badge = h("span", { class: `badge tone-${tone}` }, shape(shapeName), words);
    if (verdict.textContent !== words) verdict.replaceChildren(badge);
    explained.replaceChildren(
      ...answer.explain.map(({ path, operator, matched, found }) =>
        h(
          "tr",
          {},
          h("td", { class: "mono" }, path),
          h("td", {}, operator),
          h("td", { class: "mono" }, write(found, 0)),
          h("td", {}, matched ? "✓ yes" : "✗ no"),
        ),
      ),
    );
  };
  filter.input.addEventListener("input", soon);
  record.input.addEventListener("input", () => {
    pick.value = "";
    soon();
  });
  run();
  const help = h(
    "p",
    { class: "hint" },
    "Nothing is saved here. Put the filter into a destination in ",
    h("a", { href: pathOf(name, "edit") }, "Edit"),
    ".",
  );
  return h(
    "section",
    { "aria-labelledby": "filter" },
    h("h2", { id: "filter", "data-heading": "" }, "Try a filter"),
    h(
      "div",
      { class: "split" },
      h("div", {}, filter.element, help),
      h("div", {}, h("div", {}, h("label", { for: pick.id }, "A record that came by"), pick), record.element),
    ),
    h("div", { class: "panel padded" }, verdict, table),
  );
}

/** A text area for a JSON object, which says when it is none. */
function editor(words, text) {
  const id = freshId("json");
  const fault = h("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const input = h("textarea", {
    id,
    rows: 14,
    spellcheck: "false",
    autocapitalize: "off",
    "aria-describedby": fault.id,
  });
  input.value = text;
  const complain = (message) => {
    setText(fault, message);
    fault.hidden = !message;
    input.setAttribute("aria-invalid", String(Boolean(message)));
  };
  return {
    input,
    complain,
    element: h("div", {}, h("label", { for: id }, words), input, fault),
    read() {
      try {
        const value = parse(input.value);
        if (!isObject(value)) throw new Error("it must be a JSON object");
        complain("");
        return value;
      } catch (error) {
        complain(`This is no JSON object: ${error.message}`);
        return undefined;
      }
    },
  };
}

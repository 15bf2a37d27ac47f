// All collections and destinations at a glance.

import { KeyedList, h, setAttribute, setText } from "./dom.js";
import { NONE, count, dateTime, plural, rate, span } from "./format.js";
import { sparkline } from "./sparkline.js";
import { concernsOf, historyLeft, shape, standsOut, stateBadge } from "./states.js";
import { feed } from "./status_feed.js";

const FEW = 8;
export const pathOf = (name, page = "") => `#/collections/${encodeURIComponent(name)}${page && `/${page}`}`;

const COLUMNS = [
  ["Destination"],
  ["State"],
  ["Rate", "right"],
  ["Lag", "right"],
  ["Waiting", "right"],
  ["Dead", "right"],
  ["History left", "right"],
  ["Last error"],
];

export function overview(_parameters, signal) {
  const figures = figureList(["Collections", "Destinations", "Rate", "Waiting for a retry", "Dead letters"]);
  const concerns = h("ul", { class: "concerns" });
  const attention = h(
    "section",
    { "aria-labelledby": "attention", hidden: true },
    h("h2", { id: "attention" }, "Needs attention"),
    concerns,
  );
  const concernList = new KeyedList(concerns, ({ key }) => key, makeConcern);
  const search = h("input", { type: "search", id: "find", autocomplete: "off" });
  const finder = h("div", { hidden: true }, h("label", { for: "find" }, "Find a collection or destination"), search);
  const table = h(
    "table",
    { class: "stacks", role: "table", "aria-label": "Destinations by collection" },
    h(
      "thead",
      { role: "rowgroup" },
      h(
        "tr",
        { role: "row" },
        COLUMNS.map(([name, side]) => h("th", { scope: "col", role: "columnheader", class: side }, name)),
      ),
    ),
  );
  const groups = new KeyedList(table, (item) => item.key, makeGroup);
  // The head of the table is no group: groups come after it.
  const empty = h("p", { class: "empty", hidden: true });
  const list = h(
    "section",
    { "aria-labelledby": "all" },
    h("h2", { id: "all", class: "visually-hidden" }, "All collections"),
    finder,
    h("div", { class: "panel" }, table, empty),
  );

  const draw = () => {
    const all = feed.collections;
    if (!all) return;
    const destinations = all.flatMap(({ destinations }) => destinations);
    const sum = (field) => destinations.reduce((total, destination) => total + (destination[field] ?? 0), 0);
    figures.update([
      count(all.length),
      count(destinations.length),
      rate(sum("rate")),
      count(sum("retry_length")),
      count(sum("dlq_length")),
    ]);
    const found = all.flatMap((collection) =>
      collection.destinations.flatMap((destination) =>
        concernsOf(destination).map((concern, index) => ({
          ...concern,
          collection,
          destination,
          key: `${collection.collection_name}\n${destination.id}\n${concern.shape}${index}`,
        })),
      ),
    );
    const rank = (concern) => (concern.tone === "bad" ? 0 : 1);
    concernList.update(found.sort((a, b) => rank(a) - rank(b)));
    attention.hidden = found.length === 0;
    finder.hidden = all.length <= FEW;
    const wanted = search.value.trim().toLowerCase();
    const isWanted = ({ collection_name: name, destinations: own }) =>
      name.toLowerCase().includes(wanted) || own.some(({ id }) => id.includes(wanted));
    const shown = all.filter(isWanted);
    groups.update([HEAD, ...shown.map((collection) => ({ key: `c:${collection.collection_name}`, collection }))]);
    table.hidden = shown.length === 0;
    empty.hidden = shown.length > 0;
    empty.replaceChildren(
      ...(all.length === 0
        ? ["No collection is configured yet. ", h("a", { href: "#/new" }, "Create the first one")]
        : ["Nothing is called so."]),
    );
  };
  const HEAD = { key: "head" };
  function makeGroup(item) {
    return item === HEAD ? { element: table.tHead } : collectionGroup(item);
  }
  search.addEventListener("input", draw);
  feed.subscribe(draw, signal);

  const head = h(
    "div",
    { class: "page-head" },
    h("h1", {}, "Overview"),
    h("a", { class: "button primary", href: "#/new" }, "New collection"),
  );
  return { title: "Overview", route: "overview", element: h("div", {}, head, figures.element, attention, list) };
}

/** A row of figures with their names; `update` takes their texts in order. */
export function figureList(names) {
  const values = names.map(() => h("dd", {}, NONE));
  const element = h(
    "dl",
    { class: "figures" },
    names.map((name, index) => h("div", {}, h("dt", {}, name), values[index])),
  );
  return { element, update: (texts) => texts.forEach((text, index) => setText(values[index], text)) };
}

/** One line of what needs attention. */
export function makeConcern({ collection, destination, tone, shape: name, page }) {
  const text = h("span");
  const where = collection
    ? h("a", { href: pathOf(collection.collection_name, page) }, `${collection.collection_name} → ${destination.id}`)
    : null;
  const element = h("li", { class: `tone-${tone}` }, shape(name), h("div", {}, where, where && " ", text));
  return { element, update: (concern) => setText(text, concern.text) };
}

function collectionGroup({ collection }) {
  const name = collection.collection_name;
  const note = h("span", { class: "muted small" });
  const heading = h(
    "tr",
    { class: "group", role: "row" },
    h(
      "th",
      { scope: "rowgroup", role: "rowheader", colspan: COLUMNS.length },
      h("a", { href: pathOf(name) }, name),
      note,
    ),
  );
  const element = h("tbody", { role: "rowgroup" });
  const rows = new KeyedList(
    element,
    (item) => item.key,
    (item) => (item.key === "heading" ? { element: heading } : destinationRow(name, item.destination)),
  );
  return {
    element,
    update({ collection: latest }) {
      const own = latest.destinations;
      const words = [latest.stream_enabled ? null : "streaming is off", own.length === 0 ? "no destinations" : null];
      setText(note, words.filter(Boolean).join(" · "));
      rows.update([{ key: "heading" }, ...own.map((destination) => ({ key: `d:${destination.id}`, destination }))]);
    },
  };
}

function destinationRow(collection, { id, type }) {
  const state = stateBadge();
  const curve = sparkline();
  const cell = (label, side, ...children) => h("td", { role: "cell", "data-label": label, class: side }, ...children);
  const texts = Object.fromEntries(
    ["rate", "lag", "waiting", "dead", "history", "error"].map((key) => [key, h("span", { class: "number" })]),
  );
  texts.error.className = "error-text clamped small";
  const dead = h("a", { href: pathOf(collection, "dead-letters") });
  const errorCell = cell("Last error", "", texts.error);
  const historyCell = cell("History left", "right", texts.history);
  const element = h(
    "tr",
    { role: "row" },
    cell("", "lead", h("span", {}, id, " ", h("span", { class: "muted small" }, type))),
    cell("State", "", state.element),
    cell("Rate", "right", h("span", { class: "rate" }, curve.element, texts.rate)),
    cell("Lag", "right", texts.lag),
    cell("Waiting", "right", texts.waiting),
    cell("Dead", "right", dead),
    historyCell,
    errorCell,
  );
  return {
    element,
    update({ destination }) {
      state.update(destination.state);
      curve.update(feed.rates(collection, id));
      setText(texts.rate, rate(destination.rate));
      setText(texts.lag, span(destination.lag_seconds));
      setText(texts.waiting, count(destination.retry_length));
      setText(dead, count(destination.dlq_length));
      setAttribute(dead, "aria-label", plural(destination.dlq_length, "dead letter"));
      setText(texts.history, historyLeft(destination) ?? NONE);
      historyCell.classList.toggle("blank", historyLeft(destination) === null);
      setText(texts.error, destination.last_error ?? "");
      setAttribute(
        texts.error,
        "title",
        destination.last_error && `${dateTime(destination.last_error_time)}: ${destination.last_error}`,
      );
      errorCell.classList.toggle("blank", !destination.last_error);
      element.classList.toggle("stands-out", standsOut(destination));
    },
  };
}

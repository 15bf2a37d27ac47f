// How the destinations of a collection do, and what can be done to each.

import { pauseOrResume, rewind, testDelivery } from "./actions.js";
import { KeyedList, h, setText } from "./dom.js";
import { NONE, count, dateTime, rate, span } from "./format.js";
import { makeConcern, pathOf } from "./overview.js";
import { sparkline } from "./sparkline.js";
import { concernsOf, historyLeft, standsOut, stateBadge } from "./states.js";
import { feed } from "./status_feed.js";

const FACTS = {
  rate: "Rate",
  lag: "Lag",
  delivered: "Delivered",
  filtered: "Filtered out",
  retried: "Retried",
  waiting: "Waiting for a retry",
  dead: "Dead letters",
  history: "History left",
  position: "Position",
  since: "In this state since",
  error: "Last error",
};

const WIDTHS = { position: "half", since: "half", error: "wide" };

export function destinationsPanel({ config }, signal) {
  const name = config.collection_name;
  const cards = h("div", { class: "cards" });
  const list = new KeyedList(
    cards,
    ({ id }) => id,
    (destination) => card(config, destination),
  );
  const empty = h(
    "p",
    { class: "empty panel", hidden: true },
    "There are no destinations yet. ",
    h("a", { href: pathOf(name, "edit") }, "Add one"),
  );
  feed.subscribe(() => {
    const destinations = feed.find(name)?.destinations;
    if (!destinations) return;
    list.update(destinations);
    empty.hidden = destinations.length > 0;
  }, signal);
  return h(
    "section",
    { "aria-labelledby": "destinations" },
    h("h2", { id: "destinations", "data-heading": "" }, "Destinations"),
    cards,
    empty,
  );
}

function card(config, { id, type }) {
  const name = config.collection_name;
  const own = config.destinations.find((destination) => destination.id === id) ?? {};
  const state = stateBadge();
  const curve = sparkline();
  const reason = h("p", { class: "muted small" });
  const concerns = h("ul", { class: "concerns" });
  const concernList = new KeyedList(concerns, ({ key }) => key, makeConcern);
  const values = Object.fromEntries(Object.keys(FACTS).map((key) => [key, h("dd", {}, NONE)]));
  values.error.className = "error-text";
  const facts = Object.entries(FACTS).map(([key, words]) =>
    h("div", { class: WIDTHS[key] }, h("dt", {}, words), values[key]),
  );
  const errorFact = facts.at(-1);
  const pause = h("button", { type: "button" }, "Pause");
  pause.addEventListener("click", () => pauseOrResume(name, id, pause.dataset.does));
  const button = (words, act) =>
    h("button", { type: "button", on: { click: act }, "aria-label": `${words} ${id}` }, words);
  const actions = h(
    "div",
    { class: "actions" },
    pause,
    button("Rewind…", () => rewind(name, id)),
    button("Test", () => testDelivery(name, id)),
    h("a", { class: "button", href: pathOf(name, `filter?destination=${encodeURIComponent(id)}`) }, "Try its filter"),
  );
  const target = own.endpoint ?? own.event_bus_name ?? own.path ?? "";
  const element = h(
    "article",
    { class: "card", "aria-label": `Destination ${id}` },
    h("header", {}, h("h3", {}, id), state.element),
    h("p", { class: "muted small" }, [type, target, wanted(own)].filter(Boolean).join(" · ")),
    reason,
    concerns,
    curve.element,
    h("dl", { class: "facts" }, facts),
    actions,
  );
  return {
    element,
    update(destination) {
      state.update(destination.state);
      element.classList.toggle("stands-out", standsOut(destination));
      curve.update(feed.rates(name, id));
      const explained = standsOut(destination) ? null : destination.reason;
      setText(reason, explained);
      reason.hidden = !explained;
      concernList.update(
        concernsOf(destination).map((concern, index) => ({ ...concern, key: `${concern.shape}${index}` })),
      );
      setText(values.rate, rate(destination.rate));
      setText(values.lag, span(destination.lag_seconds));
      setText(values.delivered, count(destination.delivered));
      setText(values.filtered, count(destination.filtered));
      setText(values.retried, count(destination.retried));
      setText(values.waiting, count(destination.retry_length));
      setText(values.dead, count(destination.dlq_length));
      setText(values.history, historyLeft(destination));
      setText(values.position, dateTime(destination.position_time));
      setText(values.since, dateTime(destination.since));
      setText(
        values.error,
        destination.last_error && `${destination.last_error} (${dateTime(destination.last_error_time)})`,
      );
      errorFact.hidden = !destination.last_error;
      values.history.parentElement.hidden = historyLeft(destination) === null;
      const isPaused = destination.state === "paused";
      setText(pause, isPaused ? "Resume" : "Pause");
      pause.setAttribute("aria-label", `${isPaused ? "Resume" : "Pause"} ${id}`);
      pause.dataset.does = isPaused ? "resume" : "pause";
      actions.hidden = destination.state === "disabled";
    },
  };
}

/** Which records a destination asks for, in words. */
function wanted({ event_types: types, filter_criteria: filter }) {
  const words = [];
  if (types && types.length < 3) words.push(types.join(", "));
  if (filter) words.push("has a filter");
  return words.join(" · ");
}

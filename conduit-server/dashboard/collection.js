// The pages of one collection: what they have in common, and which there are.

import { deadLettersPanel } from "./dead_letters.js";
import { deleteCollection, pauseOrResume, rewind, testDelivery } from "./actions.js";
import { destinationsPanel } from "./destinations.js";
import { h, setAttribute, setText } from "./dom.js";
import { filterPanel } from "./filter_tester.js";
import { count } from "./format.js";
import { pathOf } from "./overview.js";
import { feed } from "./status_feed.js";
import { tailPanel } from "./tail_panel.js";
import * as api from "./api.js";

const PANELS = {
  destinations: { words: "Destinations", page: "", panel: destinationsPanel },
  tail: { words: "Live tail", page: "tail", panel: tailPanel },
  "dead-letters": { words: "Dead letters", page: "dead-letters", panel: deadLettersPanel },
  filter: { words: "Try a filter", page: "filter", panel: filterPanel },
};

export async function collectionPage(which, { name, query }, signal) {
  const { config } = await api.collection(name, signal);
  const { words, panel } = PANELS[which];
  const element = h(
    "div",
    {},
    collectionHead(config, signal),
    collectionTabs(config.collection_name, which, signal),
    await panel({ config, query }, signal),
  );
  return { title: `${config.collection_name}: ${words}`, route: "collection", element };
}

/** The links between the pages of a collection. */
export function collectionTabs(name, current, signal) {
  const dead = h("span");
  const links = Object.entries(PANELS).map(([key, { words, page }]) =>
    h(
      "a",
      { href: pathOf(name, page), "aria-current": key === current ? "page" : null },
      words,
      key === "dead-letters" ? dead : null,
    ),
  );
  links.push(h("a", { href: pathOf(name, "edit"), "aria-current": current === "edit" ? "page" : null }, "Edit"));
  const draw = () => {
    const total = feed.find(name)?.destinations.reduce((sum, { dlq_length: length }) => sum + (length ?? 0), 0) ?? 0;
    setText(dead, total > 0 ? ` (${count(total)})` : "");
  };
  feed.subscribe(draw, signal);
  return h("nav", { class: "tabs", "aria-label": `Pages of ${name}` }, links);
}

function collectionHead(config, signal) {
  const name = config.collection_name;
  const note = h("p", { class: "muted small" });
  const pause = h("button", { type: "button" }, "Pause all");
  pause.addEventListener("click", () => pauseOrResume(name, undefined, pause.dataset.does));
  const button = (words, act, kind) => h("button", { type: "button", class: kind, on: { click: act } }, words);
  const steering = [pause, button("Rewind all…", () => rewind(name)), button("Test all", () => testDelivery(name))];
  const draw = () => {
    const status = feed.find(name);
    if (!status) return;
    const worker = status.worker ? `worked on by ${status.worker}` : "no worker has it";
    setText(note, status.stream_enabled ? `Streaming, ${worker}` : "Streaming is off: turn it on in Edit");
    const isPaused = status.destinations.length > 0 && status.destinations.every(({ state }) => state === "paused");
    setText(pause, isPaused ? "Resume all" : "Pause all");
    pause.dataset.does = isPaused ? "resume" : "pause";
    for (const one of steering)
      setAttribute(one, "hidden", status.stream_enabled && status.destinations.length > 0 ? null : "");
  };
  feed.subscribe(draw, signal);
  return h(
    "div",
    { class: "page-head" },
    h("div", { class: "title" }, h("h1", {}, name), note),
    h(
      "div",
      { class: "actions" },
      steering,
      button("Delete…", () => deleteCollection(config), "danger"),
    ),
  );
}

// The live tail: records as they come, and what became of each.

import { h, setText } from "./dom.js";
import { plural, time } from "./format.js";
import { announce } from "./notices.js";
import { pathOf } from "./overview.js";
import { keysOf, outcomeBadge, recordJson, typeBadge } from "./record_view.js";
import { captured, tail } from "./tail.js";

const TYPES = ["INSERT", "MODIFY", "REMOVE"];
const MAX_SHOWN = 200;

export function tailPanel({ config }, signal) {
  const name = config.collection_name;
  const list = h("ol", { class: "records", "aria-label": "Records, the newest first" });
  const empty = h(
    "p",
    { class: "empty" },
    "Waiting for records. Each shows here when it is delivered, filtered out or refused.",
  );
  const state = h("span", { class: "muted small", role: "status" });
  const missed = h("span", { class: "muted small" });
  const pause = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  const clear = h("button", { type: "button" }, "Clear");
  const types = TYPES.map((type) => {
    const box = h("input", { type: "checkbox", id: `type-${type}`, value: type, checked: true });
    return { box, element: h("div", { class: "check" }, box, h("label", { for: box.id }, type)) };
  });
  const destinations = h(
    "select",
    { id: "tail-destination" },
    h("option", { value: "" }, "all"),
    config.destinations.map(({ id }) => h("option", { value: id }, id)),
  );

  // While it is paused, or a record is open, nothing that is read moves away; what comes meanwhile waits.
  const waiting = [];
  let isPaused = false;
  let missedCount = 0;
  const isWanted = ({ record, destination }) =>
    types.some(({ box }) => box.checked && box.value === record?.recordType) &&
    (destinations.value === "" || destinations.value === destination);
  const drawCount = () => {
    empty.hidden = list.children.length > 0;
    setText(pause, isPaused ? `Go on${waiting.length > 0 ? ` (${waiting.length} new)` : ""}` : "Pause");
  };
  const add = (line) => {
    if (!isWanted(line)) return;
    list.prepend(recordLine(name, line));
    while (list.children.length > MAX_SHOWN) list.lastElementChild.remove();
  };
  const drawAll = () => {
    list.replaceChildren(
      ...captured(name)
        .filter(isWanted)
        .slice(0, MAX_SHOWN)
        .map((line) => recordLine(name, line)),
    );
    waiting.length = 0;
    drawCount();
  };
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    if (!isPaused) waiting.splice(0).forEach(add);
    announce(isPaused ? "The tail is paused" : "The tail goes on");
    drawCount();
  });
  clear.addEventListener("click", () => {
    captured(name).length = 0;
    drawAll();
  });
  for (const control of [destinations, ...types.map(({ box }) => box)]) control.addEventListener("change", drawAll);
  drawAll();
  tail(name, {
    signal,
    onLine: (line) => {
      if (isPaused) {
        waiting.push(line);
        if (waiting.length > MAX_SHOWN) waiting.shift();
      } else {
        add(line);
      }
      drawCount();
    },
    onMissed: (many) => {
      missedCount += many;
      setText(missed, `${plural(missedCount, "record")} came too fast to be shown`);
    },
    onState: (now, problem) => {
      const words = { connecting: "connecting…", open: "live", failed: "not available" };
      setText(state, words[now]);
      state.className = `badge${now === "open" ? " tone-good" : ""}`;
      if (now === "failed") {
        const why = problem.isMissing ? "This server does not have the live tail." : problem.words;
        empty.textContent = why;
      }
    },
  });
  return h(
    "section",
    { "aria-labelledby": "tail" },
    h("h2", { id: "tail", "data-heading": "" }, "Live tail"),
    h(
      "div",
      { class: "toolbar" },
      pause,
      clear,
      h(
        "fieldset",
        {},
        h("legend", {}, "Types"),
        types.map(({ element }) => element),
      ),
      h("div", { class: "inline" }, h("label", { for: destinations.id }, "Destination"), destinations),
      state,
      missed,
    ),
    h("div", { class: "panel" }, list, empty),
  );
}

function recordLine(collection, line) {
  const { time: at, destination, outcome, attempt, error, record } = line;
  const body = h("div", { class: "record-body" });
  const details = h(
    "details",
    {},
    h(
      "summary",
      {},
      h("span", { class: "number muted" }, time(at)),
      typeBadge(record?.recordType),
      h("span", { class: "keys mono" }, keysOf(record)),
      h("span", { class: "muted" }, destination),
      outcomeBadge(outcome),
    ),
    body,
  );
  // Most are never opened, so they are written out only then.
  details.addEventListener("toggle", () => {
    if (!details.open || body.hasChildNodes()) return;
    const facts = [attempt ? `attempt ${attempt}` : null, error].filter(Boolean).join(" · ");
    const filter = h(
      "a",
      { class: "button", href: pathOf(collection, `filter?record=${line.key}`) },
      "Try a filter on it",
    );
    const [json, actions] = recordJson(record);
    actions.append(filter);
    body.append(...(facts ? [h("p", { class: error ? "error-text" : "muted" }, facts)] : []), json, actions);
  });
  return h("li", {}, details);
}

// What is done to a collection or one of its destinations: pause, resume, rewind, test, delete.

import * as api from "./api.js";
import { askFirst, showDialog } from "./dialog.js";
import { freshId, h } from "./dom.js";
import { plural, span } from "./format.js";
import { complain, tell } from "./notices.js";
import { pathOf } from "./overview.js";
import { shape } from "./states.js";
import { feed } from "./status_feed.js";

const whatOf = (name, destination) => (destination ? `${name} → ${destination}` : `all destinations of ${name}`);

/** `does` is `pause` or `resume`. */
export async function pauseOrResume(name, destination, does) {
  try {
    await (does === "resume" ? api.resume : api.pause)(name, destination);
    const words = does === "resume" ? "Resumed" : "Paused";
    tell(`${words}: ${whatOf(name, destination)}.`);
  } catch (error) {
    complain(error);
  }
  feed.refresh();
}

export async function rewind(name, destination) {
  const now = freshId("rewind");
  const at = freshId("rewind");
  const when = h("input", {
    type: "datetime-local",
    step: 1,
    id: freshId("when"),
    value: localTime(new Date(Date.now() - 3_600_000)),
  });
  const toNow = h("input", { type: "radio", name: "to", id: now, value: "now" });
  const toTime = h("input", { type: "radio", name: "to", id: at, value: "time", checked: true });
  const consequence = h("p", { class: "consequence", "aria-live": "polite" });
  const explain = () => {
    when.disabled = toNow.checked;
    consequence.textContent = toNow.checked
      ? "Everything that has not been delivered yet, waiting retries too, is skipped for good. Delivery goes on with what changes from now on."
      : "Every change since then is delivered again, also what was delivered before: receivers see these records once more. Retries that wait for later records are dropped, since those come again.";
  };
  toNow.addEventListener("change", explain);
  toTime.addEventListener("change", explain);
  explain();
  const body = [
    h("p", {}, "Moves the position of ", h("strong", {}, whatOf(name, destination)), "."),
    h(
      "fieldset",
      { class: "plain" },
      h("legend", {}, "Where to"),
      h("div", { class: "check" }, toTime, h("label", { for: at }, "To a time")),
      h("div", {}, h("label", { for: when.id, class: "visually-hidden" }, "Time, in your own time zone"), when),
      h("div", { class: "check" }, toNow, h("label", { for: now }, "To now")),
    ),
    consequence,
  ];
  const submit = () => {
    const time = new Date(when.value);
    if (toTime.checked && Number.isNaN(time.getTime())) throw new Error("give a date and a time");
    return api.rewind(name, toNow.checked ? "now" : time.toISOString(), destination);
  };
  const answer = await askFirst({ title: "Rewind", body, confirm: "Rewind", isGrave: true, submit });
  if (answer) {
    tell(`Rewound ${plural(answer.destinations?.length ?? 1, "destination")} of ${name}.`);
    feed.refresh();
  }
}

/** A time as the control for times takes it, in the time zone of who sits here. */
function localTime(time) {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

export async function testDelivery(name, destination) {
  try {
    const { destinations } = await api.testDelivery(name, destination);
    const lines = destinations.map(({ id, delivered, status, latency_ms: latency, error }) => {
      const parts = [
        status === null || status === undefined ? null : `status ${status}`,
        latency === null || latency === undefined ? null : span(latency / 1000),
        error,
      ];
      return h(
        "li",
        {},
        h(
          "span",
          { class: `badge tone-${delivered ? "good" : "bad"}` },
          shape(delivered ? "dot" : "cross"),
          delivered ? "Accepted" : "Not accepted",
        ),
        " ",
        h("strong", {}, id),
        " ",
        h("span", { class: "muted" }, parts.filter(Boolean).join(" · ")),
      );
    });
    const body = [
      h("p", {}, "A sample record was sent now. It moves no position and is not counted."),
      h("ul", { class: "results" }, lines),
    ];
    await showDialog({ title: "Test delivery", body });
  } catch (error) {
    if (error.isMissing) complain(new api.Problem(501, { detail: "this server does not have test deliveries yet" }));
    else complain(error);
  }
}

export async function deleteCollection(config) {
  const name = config.collection_name;
  if (config.deletion_protection) {
    const edit = h("a", { href: pathOf(name, "edit") }, "Edit the collection");
    await showDialog({
      title: `${name} is protected`,
      body: [h("p", {}, "Deletion protection is on. ", edit, " and turn it off first.")],
    });
    return;
  }
  const keep = h("input", { type: "checkbox", id: freshId("keep"), checked: true });
  const consequence = h("p", { class: "consequence grave", "aria-live": "polite" });
  const explain = () => {
    const always = "Its configuration, positions, waiting retries and dead letters are deleted.";
    consequence.textContent = keep.checked
      ? `${always} The documents in MongoDB stay.`
      : `${always} The MongoDB collection is dropped with all its documents.`;
  };
  keep.addEventListener("change", explain);
  explain();
  const body = [
    consequence,
    h("div", { class: "check" }, keep, h("label", { for: keep.id }, "Keep the documents in MongoDB")),
  ];
  const submit = () => api.remove(name, { keepData: keep.checked });
  if (await askFirst({ title: `Delete ${name}`, body, confirm: "Delete", isGrave: true, typed: name, submit })) {
    tell(`${name} is deleted.`);
    feed.refresh();
    location.hash = "#/";
  }
}

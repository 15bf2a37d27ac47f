// The dead letters of a collection: records that were given up, to be sent again or dropped.

import * as api from "./api.js";
import { askFirst } from "./dialog.js";
import { freshId, h, setText } from "./dom.js";
import { count, dateTime, plural } from "./format.js";
import { complain, tell } from "./notices.js";
import { keysOf, recordJson, typeBadge } from "./record_view.js";
import { feed } from "./status_feed.js";

const PAGE = 50;

export async function deadLettersPanel({ config }, signal) {
  const panel = new DeadLetters(config.collection_name, signal);
  await panel.load();
  return panel.element;
}

class DeadLetters {
  #name;
  #signal;
  // The cursors of the pages before this one, the first of which is none.
  #before = [];
  #cursor = undefined;
  #next = null;
  #items = [];
  #selected = new Set();
  #list = h("ol", { class: "records", "aria-label": "Dead letters, the oldest first" });
  #empty = h("p", { class: "empty" }, "There are no dead letters: nothing was given up.");
  #summary = h("p", { class: "muted", role: "status" });
  #all = h("input", { type: "checkbox", id: freshId("all") });
  #redriveSelected = h("button", { type: "button", class: "primary" }, "Redrive selected");
  #purgeSelected = h("button", { type: "button", class: "danger" }, "Purge selected…");
  #redriveAll = h("button", { type: "button" }, "Redrive all…");
  #purgeAll = h("button", { type: "button", class: "danger" }, "Purge all…");
  #previous = h("button", { type: "button" }, "Older page");
  #following = h("button", { type: "button" }, "Newer page");
  #toolbar;

  constructor(name, signal) {
    this.#name = name;
    this.#signal = signal;
    const on = (button, act) => button.addEventListener("click", () => act().catch(complain));
    on(this.#redriveSelected, () => this.#redrive([...this.#selected]));
    on(this.#redriveAll, () => this.#redrive(null));
    on(this.#purgeSelected, () => this.#purge([...this.#selected]));
    on(this.#purgeAll, () => this.#purge(null));
    on(this.#previous, () => this.#turn(this.#before.pop(), false));
    on(this.#following, () => this.#turn(this.#next, true));
    this.#all.addEventListener("change", () => {
      this.#selected = new Set(this.#all.checked ? this.#items.map(({ id }) => id) : []);
      this.#draw();
    });
    const refresh = h("button", { type: "button" }, "Refresh");
    on(refresh, () => this.load());
    this.#toolbar = h(
      "div",
      { class: "toolbar" },
      h("div", { class: "check" }, this.#all, h("label", { for: this.#all.id }, "Select the page")),
      this.#redriveSelected,
      this.#purgeSelected,
      this.#redriveAll,
      this.#purgeAll,
    );
    this.element = h(
      "section",
      { "aria-labelledby": "dead-letters" },
      h("h2", { id: "dead-letters", "data-heading": "" }, "Dead letters"),
      h("div", { class: "toolbar" }, this.#summary, refresh),
      this.#toolbar,
      h("div", { class: "panel" }, this.#list, this.#empty),
      h("nav", { class: "actions", "aria-label": "Pages of dead letters" }, this.#previous, this.#following),
    );
  }

  async load() {
    const answer = await api.deadLetters(this.#name, { limit: PAGE, cursor: this.#cursor, signal: this.#signal });
    this.#items = answer.items;
    this.#next = answer.next_cursor;
    if (this.#items.length === 0 && this.#before.length > 0) {
      this.#cursor = this.#before.pop();
      return this.load();
    }
    this.#selected.clear();
    this.#list.replaceChildren(...this.#items.map((item) => this.#line(item)));
    this.#draw();
    return undefined;
  }

  async #turn(cursor, isForward) {
    if (isForward) this.#before.push(this.#cursor);
    this.#cursor = cursor;
    await this.load();
    this.#focusHeading();
  }

  // What had the focus may be gone with its record.
  #focusHeading() {
    const heading = this.element.querySelector("h2");
    heading.setAttribute("tabindex", "-1");
    heading.focus();
  }

  #draw() {
    const many = this.#selected.size;
    const isAny = this.#items.length > 0;
    this.#empty.hidden = isAny;
    this.#toolbar.hidden = !isAny;
    this.#previous.hidden = this.#before.length === 0;
    this.#following.hidden = this.#next === null;
    this.#redriveSelected.disabled = many === 0;
    this.#purgeSelected.disabled = many === 0;
    this.#all.checked = isAny && many === this.#items.length;
    this.#all.indeterminate = many > 0 && many < this.#items.length;
    for (const box of this.#list.querySelectorAll("input")) box.checked = this.#selected.has(Number(box.value));
    const first = this.#items[0]?.id;
    const last = this.#items.at(-1)?.id;
    const range = isAny ? `Numbers ${first} to ${last}, the oldest first` : "";
    setText(this.#summary, many > 0 ? `${range}; ${count(many)} selected` : range);
  }

  #line(letter) {
    const { id, destination, record, attempts, last_error: error, last_attempt: at, stale } = letter;
    const box = h("input", { type: "checkbox", value: id, "aria-label": `Select dead letter ${id}` });
    box.addEventListener("change", () => {
      if (box.checked) this.#selected.add(id);
      else this.#selected.delete(id);
      this.#draw();
    });
    const body = h("div", { class: "record-body" });
    const details = h(
      "details",
      {},
      h(
        "summary",
        {},
        h("span", { class: "number muted" }, `#${id}`),
        typeBadge(record?.recordType),
        h("span", { class: "keys mono" }, keysOf(record)),
        h("span", { class: "muted" }, destination),
        stale
          ? h(
              "span",
              { class: "badge tone-warn", title: "The document has had a newer record acknowledged since" },
              "stale",
            )
          : null,
        h("span", { class: "error-text clamped small" }, error),
      ),
      body,
    );
    details.addEventListener("toggle", () => {
      if (details.open && !body.hasChildNodes()) body.append(...this.#whole(letter));
    });
    return h("li", { class: "selectable" }, box, details);
  }

  #whole({ id, record, attempts, first_attempt: first, last_attempt: last, last_error: error, stale }) {
    const [json, actions] = recordJson(record);
    const act = (words, does, kind) =>
      h("button", { type: "button", class: kind, on: { click: () => does().catch(complain) } }, words);
    actions.prepend(
      act("Redrive", () => this.#redrive([id], stale), "primary"),
      act("Purge…", () => this.#purge([id]), "danger"),
    );
    return [
      h("p", { class: "error-text" }, error),
      h(
        "p",
        { class: "muted small" },
        `${plural(attempts, "attempt")}, the first ${dateTime(first)}, the last ${dateTime(last)}`,
      ),
      stale
        ? h(
            "p",
            { class: "consequence" },
            "Stale: the document has had a newer record acknowledged since. Sent again, this one would overwrite what is newer.",
          )
        : null,
      json,
      actions,
    ].filter(Boolean);
  }

  async #redrive(ids, isStale = this.#items.some(({ id, stale }) => stale && (ids === null || ids.includes(id)))) {
    const selection = ids === null ? {} : { ids };
    let answer;
    if (ids === null || isStale) {
      const include = h("input", { type: "checkbox", id: freshId("stale") });
      const body = [
        h(
          "p",
          {},
          ids === null
            ? "All dead letters of this collection are sent again, also those on other pages."
            : `${plural(ids.length, "dead letter")} will be sent again.`,
        ),
        h(
          "div",
          { class: "check" },
          include,
          h(
            "label",
            { for: include.id },
            "Send stale ones too",
            h(
              "span",
              { class: "hint" },
              "Their documents have had newer records acknowledged since; these would arrive after them.",
            ),
          ),
        ),
      ];
      const submit = () => api.redrive(this.#name, { ...selection, include_stale: include.checked });
      answer = await askFirst({ title: "Redrive", body, confirm: "Redrive", submit });
      if (!answer) return;
    } else {
      answer = await api.redrive(this.#name, selection);
    }
    const left = answer.stale > 0 ? ` ${plural(answer.stale, "stale one")} stayed.` : "";
    tell(`${plural(answer.redriven, "dead letter")} sent again.${left}`);
    await this.#changed();
  }

  async #purge(ids) {
    const what = ids === null ? "all dead letters of this collection" : plural(ids.length, "dead letter");
    const body = [
      h(
        "p",
        { class: "consequence grave" },
        `This deletes ${what} for good. These records will not reach their destination.`,
      ),
    ];
    const submit = () => api.purge(this.#name, ids === null ? {} : { ids });
    const answer = await askFirst({
      title: "Purge",
      body,
      confirm: "Purge",
      isGrave: true,
      typed: ids === null ? this.#name : undefined,
      submit,
    });
    if (!answer) return;
    tell(`${plural(answer.purged, "dead letter")} purged.`);
    await this.#changed();
  }

  async #changed() {
    feed.refresh();
    await this.load();
    this.#focusHeading();
  }
}

// The part of a form that edits one destination.

import * as api from "./api.js";
import { TYPE_CHOICES, typeOf } from "./destination_types.js";
import { h, setText } from "./dom.js";
import { choiceField, edited, integerField, jsonField, severalField, textField } from "./fields.js";
import { isObject } from "./json.js";
import * as rules from "./rules.js";

const EVENT_TYPES = ["INSERT", "MODIFY", "REMOVE"];
const FILTER_PAUSE = 400;

/** Edits a destination; `onRemove` is called when a person takes it away. What it does not know of is kept as it is. */
export class DestinationForm {
  #form;
  #type;
  #common;
  #own = [];
  #extras;
  #known = new Set();
  #legend = h("legend");
  #place = h("div", { class: "fields" });
  #more = h("div", { class: "fields" });
  #filterTimer = null;
  // What the server said of a filter, which holds while its text is the same.
  #filterVerdict = { text: "", words: null };

  constructor(form, value, onRemove) {
    this.#form = form;
    const choices = [...TYPE_CHOICES];
    const type = value.type ?? "http";
    if (typeOf(type).isUnknown) choices.push([type, type]);
    this.#type = choiceField({ name: "type", label: "Type", choices });
    this.#type.write(type);
    this.#type.input.addEventListener("change", () => this.#changeType());
    this.#common = {
      id: textField({
        name: "id",
        label: "Id",
        placeholder: "made from the type and target",
        rule: rules.destinationId,
        isFixed: value.id !== undefined,
        hint: "Names it in links, metrics and logs.",
      }),
      event_types: severalField({ name: "event_types", label: "Which changes", values: EVENT_TYPES }),
      filter_criteria: jsonField({
        name: "filter_criteria",
        label: "Filter (JSON)",
        hint: 'An event pattern, such as {"new_image": {"status": ["paid"]}}. Without it every record is sent.',
        rule: (text) => this.#filterFault(text),
      }),
      max_retries: integerField({
        name: "max_retries",
        label: "Retries, at most",
        placeholder: "5",
        least: 0,
        most: 20,
      }),
      format: choiceField({
        name: "format",
        label: "Format",
        choices: [
          ["conduit", "Conduit's records"],
          ["cloudevents", "CloudEvents"],
        ],
      }),
    };
    this.#common.filter_criteria.input.addEventListener("input", () => this.#askAboutFilter());
    this.#extras = jsonField({
      name: "",
      label: "Further fields (JSON)",
      hint: "Fields of this destination that the form does not know.",
      rows: 4,
    });
    const remove = h("button", { type: "button", class: "danger", on: { click: onRemove } }, "Remove this destination");
    const { id, event_types: types, filter_criteria: filter, max_retries: retries, format } = this.#common;
    this.element = h(
      "fieldset",
      {},
      this.#legend,
      h("div", { class: "fields" }, this.#type.element, id.element),
      this.#place,
      types.element,
      filter.element,
      h(
        "details",
        { class: "more" },
        h("summary", {}, "More settings"),
        this.#more,
        h("div", { class: "fields" }, retries.element, format.element),
        this.#extras.element,
      ),
      h("div", { class: "fieldset-foot" }, remove),
    );
    this.element.addEventListener("edited", () => this.#drawLegend());
    this.write(value);
  }

  /** The place in the list, from 0 on. */
  set index(index) {
    this.#index = index;
    this.#drawLegend();
  }
  #index = 0;

  /** All controls with their paths within the destination. */
  get controls() {
    const flat = (control, prefix) => [
      [`${prefix}${control.name}`, control],
      ...(control.parts ?? []).flatMap((part) => flat(part, `${prefix}${control.name}.`)),
    ];
    return [this.#type, ...Object.values(this.#common), ...this.#own].flatMap((control) => flat(control, ""));
  }

  get id() {
    return this.#common.id.read();
  }

  read() {
    const extras = this.#extras.read();
    const value = { type: this.#type.read() };
    for (const control of [...Object.values(this.#common), ...this.#own]) {
      const part = control.read();
      if (part !== undefined && !(control.name === "format" && part === "conduit")) value[control.name] = part;
    }
    return { ...value, ...(isObject(extras) ? extras : {}) };
  }

  write(value) {
    const type = typeOf(value.type ?? "http");
    const [main, more] = [type.fields(), type.more()];
    this.#own = [...main, ...more];
    this.#known = new Set(["type", ...Object.keys(this.#common), ...this.#own.map(({ name }) => name)]);
    this.#place.replaceChildren(...main.map(({ element }) => element));
    this.#place.hidden = main.length === 0;
    this.#more.replaceChildren(...more.map(({ element }) => element));
    for (const control of [...Object.values(this.#common), ...this.#own]) control.write(value[control.name]);
    this.#common.format.element.hidden = type.takesNoFormat === true;
    if (type.takesNoFormat) this.#common.format.write(undefined);
    const extras = Object.fromEntries(Object.entries(value).filter(([name]) => !this.#known.has(name)));
    this.#extras.write(extras);
    this.#extras.element.hidden = Object.keys(extras).length === 0 && !type.isUnknown;
    this.#drawLegend();
  }

  // What only the type before had does not become a further field of the new one.
  #changeType() {
    const value = this.read();
    const type = typeOf(value.type);
    const next = new Set([...type.fields(), ...type.more()].map(({ name }) => name));
    for (const { name } of this.#own) if (!next.has(name)) delete value[name];
    this.write(value);
  }

  /** Everything that is wrong, as far as this page knows. */
  check() {
    return [this.#type, ...Object.values(this.#common), ...this.#own, this.#extras].flatMap((control) =>
      control.check(),
    );
  }

  /** Opens what is folded around a control, so that it can be seen. */
  reveal(control) {
    const fold = control.element.closest("details");
    if (fold) fold.open = true;
  }

  focus() {
    this.#type.focus();
  }

  #drawLegend() {
    const words = [typeOf(this.#type.read()).words, this.id].filter(Boolean).join(", ");
    setText(this.#legend, `Destination ${this.#index + 1}: ${words}`);
  }

  #filterFault(text) {
    if (text.trim() === "") return null;
    if (text === this.#filterVerdict.text && this.#filterVerdict.words) return this.#filterVerdict.words;
    if (this.#form.hasOldImages()) return null;
    return /"(old_image|oldImage)"\s*:/.test(text)
      ? 'It looks at old_image, which records have only with "Old images" on.'
      : null;
  }

  // The server knows the whole language of patterns.
  #askAboutFilter() {
    const control = this.#common.filter_criteria;
    clearTimeout(this.#filterTimer);
    this.#filterTimer = setTimeout(async () => {
      const pattern = control.read();
      const asked = control.input.value;
      if (!isObject(pattern) || control.check().length > 0) return;
      try {
        await api.testFilter(pattern, { newImage: {} });
      } catch (error) {
        const words = error.errors
          ?.map(({ field, message }) => `${field.replace(/^filter_criteria\.?/, "")} ${message}`.trim())
          .join("; ");
        this.#filterVerdict = { text: asked, words };
        control.check();
        edited(control.input);
      }
    }, FILTER_PAUSE);
  }
}

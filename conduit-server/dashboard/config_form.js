// The form of a collection's configuration.

import { DestinationForm } from "./destination_form.js";
import { h, setText } from "./dom.js";
import { EDITED, checkField, choiceField, edited, textField } from "./fields.js";
import * as rules from "./rules.js";

/** Edits a configuration. `read` returns what would be saved, with what the form does not know kept as it was. */
export class ConfigForm {
  #stored;
  #fields;
  #destinations = [];
  #list = h("div", { class: "destination-list" });
  #summary = h("div", { class: "summary-of-faults", tabindex: "-1", hidden: true });

  constructor(config, { isNew }) {
    const keyHint = isNew ? "Optional. A unique index is made; it cannot be changed later." : "It cannot be changed.";
    this.#fields = {
      collection_name: textField({
        name: "collection_name",
        label: "Name",
        isRequired: true,
        isFixed: !isNew,
        rule: rules.collectionName,
        missing: "Give the collection a name.",
        hint: isNew ? "Of the MongoDB collection. One that exists is adopted." : null,
      }),
      stream_enabled: checkField({
        name: "stream_enabled",
        label: "Streaming",
        hint: "Deliver changes to the destinations, from the moment on at which this is saved.",
      }),
      old_image: checkField({
        name: "old_image",
        label: "Old images",
        hint: "Records tell how a document was before. MongoDB 6.0 or newer keeps these images.",
      }),
      deletion_protection: checkField({
        name: "deletion_protection",
        label: "Deletion protection",
        byDefault: true,
        hint: "The collection cannot be deleted while this is on.",
      }),
      primary_key: textField({
        name: "primary_key",
        label: "Primary key",
        isFixed: !isNew,
        rule: rules.fieldName,
        hint: keyHint,
      }),
      sort_key: textField({
        name: "sort_key",
        label: "Sort key",
        isFixed: !isNew,
        rule: (text) => this.#sortKeyFault(text),
        hint: keyHint,
      }),
      ttl_attribute: textField({
        name: "ttl_attribute",
        label: "Expiry field",
        rule: rules.fieldName,
        hint: "Optional. A date field; MongoDB deletes a document when it has passed.",
      }),
      image_format: choiceField({
        name: "image_format",
        label: "Image format",
        choices: [
          ["json", "Plain JSON"],
          ["extjson", "Extended JSON, nothing lost"],
        ],
      }),
    };
    const fields = this.#fields;
    const add = h("button", { type: "button" }, "Add a destination");
    add.addEventListener("click", () => {
      this.#add({}).focus();
      edited(this.#list);
    });
    this.element = h(
      "div",
      {},
      this.#summary,
      h(
        "fieldset",
        {},
        h("legend", {}, "Collection"),
        h("div", { class: "fields" }, fields.collection_name.element),
        h(
          "div",
          { class: "fields" },
          fields.stream_enabled.element,
          fields.old_image.element,
          fields.deletion_protection.element,
        ),
        h(
          "details",
          { class: "more" },
          h("summary", {}, "Key schema, expiry, format"),
          h(
            "div",
            { class: "fields" },
            fields.primary_key.element,
            fields.sort_key.element,
            fields.ttl_attribute.element,
            fields.image_format.element,
          ),
        ),
      ),
      this.#list,
      h("div", { class: "fieldset-foot" }, add),
    );
    this.element.classList.add("destination-list");
    this.element.addEventListener(EDITED, () => this.#drawSummary());
    // What a filter may ask for depends on this.
    fields.old_image.input.addEventListener("change", () => this.#recheck("filter_criteria"));
    fields.primary_key.input.addEventListener(
      "input",
      () => fields.sort_key.read() !== undefined && fields.sort_key.check(),
    );
    this.write(config);
  }

  hasOldImages() {
    return this.#fields.old_image.read();
  }

  read() {
    const config = { ...this.#stored };
    for (const [name, field] of Object.entries(this.#fields)) {
      const value = field.read();
      if (value === undefined) delete config[name];
      else config[name] = value;
    }
    config.destinations = this.#destinations.map((destination) => destination.read());
    return config;
  }

  write(config) {
    this.#stored = config;
    for (const [name, field] of Object.entries(this.#fields)) field.write(config[name]);
    this.#destinations = [];
    this.#list.replaceChildren();
    for (const destination of config.destinations ?? []) this.#add(destination);
    this.#faults = [];
    this.#drawSummary();
  }

  /** Checks all; shows what is wrong, and returns whether nothing is. */
  check() {
    this.#faults = [
      ...Object.values(this.#fields).flatMap((field) => field.check()),
      ...this.#destinations.flatMap((destination) => destination.check()),
      ...this.#doubleIds(),
    ];
    this.#show();
    return this.#faults.length === 0;
  }

  /** Shows the faults that the server found, each at its field. */
  complain(errors) {
    const controls = this.#paths();
    this.#faults = errors.map(({ field, message }) => {
      const isWithin = (path) => field === path || field.startsWith(`${path}.`) || field.startsWith(`${path}[`);
      const [path, control] =
        controls.filter(([known]) => isWithin(known)).sort(([a], [b]) => b.length - a.length)[0] ?? [];
      const rest = path ? field.slice(path.length).replace(/^\./, "") : field;
      const words = `${rest} ${message}`.trim();
      control?.complain(words);
      return { control, message: words };
    });
    this.#show();
  }

  #faults = [];

  #paths() {
    const own = Object.entries(this.#fields);
    const inner = this.#destinations.flatMap((destination, index) =>
      destination.controls.map(([path, control]) => [`destinations[${index}].${path}`, control]),
    );
    const whole = this.#destinations.map((destination, index) => [
      `destinations[${index}]`,
      destination.controls[0][1],
    ]);
    return [...own, ...inner, ...whole];
  }

  #doubleIds() {
    const seen = new Set();
    return this.#destinations.flatMap((destination) => {
      const isDouble = destination.id !== undefined && seen.has(destination.id);
      seen.add(destination.id);
      if (!isDouble) return [];
      const [, control] = destination.controls.find(([path]) => path === "id");
      const message = "Another destination has this id.";
      control.complain(message);
      return [{ control, message }];
    });
  }

  #sortKeyFault(text) {
    const primary = this.#fields.primary_key.read();
    if (text !== "" && primary === undefined) return "It needs a primary key.";
    if (text !== "" && text === primary) return "It must be another field than the primary key.";
    return rules.fieldName(text);
  }

  #recheck(name) {
    for (const [path, control] of this.#paths()) if (path.endsWith(`.${name}`)) control.check();
    this.#drawSummary();
  }

  #add(value) {
    const part = new DestinationForm(this, value, () => {
      this.#destinations = this.#destinations.filter((other) => other !== part);
      part.element.remove();
      this.#number();
      this.#list.parentElement.querySelector(":scope > .fieldset-foot button").focus();
      edited(this.element);
    });
    this.#destinations.push(part);
    this.#list.append(part.element);
    this.#number();
    return part;
  }

  #number() {
    this.#destinations.forEach((destination, index) => {
      destination.index = index;
    });
  }

  #show() {
    const place = ({ control }) => control?.element ?? this.element.lastElementChild;
    this.#faults.sort((a, b) =>
      place(a).compareDocumentPosition(place(b)) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1,
    );
    for (const { control } of this.#faults) {
      const fold = control?.element.closest("details");
      if (fold) fold.open = true;
    }
    this.#drawSummary();
    if (this.#faults.length > 0) this.#summary.focus();
  }

  // A fault that was mended since goes from the list.
  #drawSummary() {
    const isLeft = ({ control }) =>
      !control || [...control.element.querySelectorAll(".fault")].some((fault) => !fault.hidden);
    const left = this.#faults.filter(isLeft);
    this.#summary.hidden = left.length === 0;
    const words = left.length === 1 ? "One thing is to be put right" : `${left.length} things are to be put right`;
    if (this.#summary.dataset.shown === JSON.stringify(left.map(({ message }) => message))) return;
    this.#summary.dataset.shown = JSON.stringify(left.map(({ message }) => message));
    const items = left.map(({ control, message }) => {
      if (!control) return h("li", {}, message);
      const link = h("a", { href: "#" }, `${control.label}: ${message}`);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        control.focus();
      });
      return h("li", {}, link);
    });
    const heading = h("h2", {});
    setText(heading, words);
    this.#summary.replaceChildren(heading, h("ul", {}, items));
  }
}

// The controls of forms. Each has a name, as in the configuration, and reads and writes its value there:
// `{name, element, read(), write(value), check(), complain(message), focus()}`. `read` returns undefined for what is left out.

import { freshId, h, setText } from "./dom.js";
import { isObject, parse, write as toJson } from "./json.js";
import * as rules from "./rules.js";

/** Told, bubbling, whenever a person changes something. */
export const EDITED = "edited";

export function edited(element) {
  element.dispatchEvent(new CustomEvent(EDITED, { bubbles: true }));
}

/** A control with its label, hint and fault. It complains when it is left, and from then on as one types. */
function labelled({ name, label, hint, wide }, input, { read, write, rule = () => null }) {
  input.id ||= freshId("field");
  const fault = h("p", { class: "fault", id: `${input.id}-fault`, hidden: true });
  const about = hint ? h("p", { class: "hint", id: `${input.id}-hint` }, hint) : null;
  input.setAttribute("aria-describedby", [fault.id, about?.id].filter(Boolean).join(" "));
  const element = h("div", { class: wide ? "wide" : null }, h("label", { for: input.id }, label), about, input, fault);
  let isWatched = false;
  const control = {
    name,
    label,
    element,
    input,
    read,
    write: (value) => {
      write(value);
      control.complain(null);
    },
    complain(message) {
      setText(fault, message);
      fault.hidden = !message;
      if (message) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      if (message) isWatched = true;
    },
    check() {
      const message = rule(input.value);
      control.complain(message);
      return message ? [{ control, message }] : [];
    },
    focus: () => input.focus(),
  };
  input.addEventListener("input", () => {
    if (isWatched) control.check();
    edited(input);
  });
  input.addEventListener("change", () => {
    isWatched = true;
    control.check();
  });
  return control;
}

/** Text on one line. */
export function textField(options) {
  const { rule = () => null, isRequired = false, placeholder, isFixed = false, type = "text", inputmode } = options;
  const input = h("input", {
    type,
    inputmode,
    placeholder,
    readonly: isFixed,
    required: isRequired,
    "aria-required": isRequired ? "true" : null,
    autocomplete: "off",
    spellcheck: "false",
    autocapitalize: "off",
  });
  return labelled(options, input, {
    rule: isRequired ? rules.required(rule, options.missing) : rule,
    read: () => (input.value === "" ? undefined : input.value),
    write: (value) => {
      input.value = value === null || value === undefined ? "" : String(value);
    },
  });
}

export function integerField({ least, most, ...options }) {
  const field = textField({ ...options, inputmode: "numeric", rule: rules.integer(least, most) });
  const { read } = field;
  field.read = () => {
    const text = read();
    // What is no number goes as it is, and the server says so.
    return text === undefined || !/^\d+$/.test(text) ? text : Number(text);
  };
  return field;
}

export function durationField({ least, most, ...options }) {
  return textField({ ...options, rule: rules.duration(least, most) });
}

/** A JSON object in a text area. */
export function jsonField(options) {
  const input = h("textarea", {
    rows: options.rows ?? 5,
    spellcheck: "false",
    autocapitalize: "off",
    placeholder: options.placeholder,
  });
  return labelled({ ...options, wide: true }, input, {
    rule: (text) => rules.jsonObject(text) ?? options.rule?.(text) ?? null,
    read: () => {
      if (input.value.trim() === "") return undefined;
      try {
        return parse(input.value);
      } catch {
        return input.value;
      }
    },
    write: (value) => {
      const isNothing = value === null || value === undefined || (isObject(value) && Object.keys(value).length === 0);
      input.value = isNothing ? "" : toJson(value);
    },
  });
}

/** One of several values. The first is the default. */
export function choiceField({ choices, ...options }) {
  const input = h(
    "select",
    {},
    choices.map(([value, words]) => h("option", { value }, words)),
  );
  return labelled(options, input, {
    read: () => input.value,
    write: (value) => {
      input.value = value ?? choices[0][0];
    },
  });
}

/** Yes or no. */
export function checkField({ name, label, hint, byDefault = false }) {
  const id = freshId("field");
  const about = hint ? h("span", { class: "hint", id: `${id}-hint` }, hint) : null;
  const input = h("input", { type: "checkbox", id, "aria-describedby": about?.id });
  const fault = h("p", { class: "fault", id: `${id}-fault`, hidden: true });
  input.checked = byDefault;
  input.addEventListener("change", () => edited(input));
  return {
    name,
    label,
    input,
    element: h(
      "div",
      {},
      h("div", { class: "check" }, input, h("div", {}, h("label", { for: id }, label), about)),
      fault,
    ),
    read: () => input.checked,
    write: (value) => {
      input.checked = value ?? byDefault;
    },
    check: () => [],
    complain: (message) => {
      setText(fault, message);
      fault.hidden = !message;
    },
    focus: () => input.focus(),
  };
}

/** Some of several values; all of them when it is left out. */
export function severalField({ name, label, values }) {
  const fault = h("p", { class: "fault", id: freshId("fault"), hidden: true });
  const boxes = values.map((value) => h("input", { type: "checkbox", id: freshId("field"), value }));
  const options = boxes.map((box) => h("div", { class: "check" }, box, h("label", { for: box.id }, box.value)));
  const element = h(
    "fieldset",
    { class: "plain", "aria-describedby": fault.id },
    h("legend", {}, label),
    h("div", { class: "options" }, options),
    fault,
  );
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
  const control = {
    name,
    label,
    element,
    read: () => (chosen().length === values.length ? undefined : chosen()),
    write: (value) => {
      for (const box of boxes) box.checked = value === null || value === undefined || value.includes(box.value);
      control.complain(null);
    },
    check() {
      const message = chosen().length === 0 ? "Choose one at least." : null;
      control.complain(message);
      return message ? [{ control, message }] : [];
    },
    complain(message) {
      setText(fault, message);
      fault.hidden = !message;
    },
    focus: () => boxes[0].focus(),
  };
  element.addEventListener("change", () => {
    control.check();
    edited(element);
  });
  control.write(undefined);
  return control;
}

// Controls for secrets, which are never shown again: kept, replaced, taken away, or taken from where the server runs.

import { freshId, h, setText } from "./dom.js";
import { edited } from "./fields.js";
import { isObject } from "./json.js";
import * as rules from "./rules.js";

const MASK = "********";
const SOURCES = {
  none: { words: "none" },
  kept: { words: "keep the stored one" },
  text: { words: "write it here", input: "password", rule: rules.required(() => null, "Write the secret.") },
  env: { words: "environment variable", input: "text", placeholder: "CONDUIT_DEST_…", rule: rules.environmentName },
  file: { words: "file", input: "text", placeholder: "name in the secrets folder", rule: rules.fileName },
};

/** One secret. */
export function secretField({ name, label, hint, isRequired = false }) {
  const id = freshId("secret");
  const fault = h("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const source = h("select", { id, "aria-describedby": fault.id });
  const input = h("input", {
    "aria-label": `${label}: value`,
    autocomplete: "new-password",
    spellcheck: "false",
    autocapitalize: "off",
    "aria-describedby": fault.id,
  });
  const element = h(
    "div",
    {},
    h("label", { for: id }, label),
    hint ? h("p", { class: "hint" }, hint) : null,
    h("div", { class: "secret" }, source, input),
    fault,
  );

  const offer = (names, chosen) => {
    source.replaceChildren(...names.map((value) => h("option", { value }, SOURCES[value].words)));
    source.value = chosen;
    draw();
  };
  const draw = () => {
    const { input: type, placeholder = "" } = SOURCES[source.value];
    input.hidden = type === undefined;
    if (type) input.type = type;
    input.placeholder = placeholder;
  };
  const control = {
    name,
    label,
    element,
    read() {
      switch (source.value) {
        case "kept":
          return MASK;
        case "text":
          return input.value;
        case "env":
          return { env: input.value };
        case "file":
          return { file: input.value };
        default:
          return undefined;
      }
    },
    write(value) {
      const always = [...(isRequired ? [] : ["none"]), "text", "env", "file"];
      input.value = "";
      if (value === MASK) offer(["kept", ...always], "kept");
      else if (isObject(value)) {
        const kind = "env" in value ? "env" : "file";
        input.value = value[kind] ?? "";
        offer(always, kind);
      } else if (typeof value === "string") {
        input.value = value;
        offer(always, "text");
      } else offer(always, isRequired ? "text" : "none");
      control.complain(null);
    },
    check() {
      const message = SOURCES[source.value].rule?.(input.value) ?? null;
      control.complain(message);
      return message ? [{ control, message }] : [];
    },
    complain(message) {
      setText(fault, message);
      fault.hidden = !message;
      for (const one of [source, input]) {
        if (message) one.setAttribute("aria-invalid", "true");
        else one.removeAttribute("aria-invalid");
      }
    },
    focus: () => (input.hidden ? source : input).focus(),
  };
  source.addEventListener("change", () => {
    draw();
    control.complain(null);
    edited(element);
  });
  input.addEventListener("input", () => {
    if (!fault.hidden) control.check();
    edited(element);
  });
  input.addEventListener("change", () => control.check());
  control.write(undefined);
  return control;
}

/** One secret, or two of which the second is still taken while it is rotated. */
export function rotatedSecretField({ name, label, hint }) {
  const first = secretField({ name, label, hint });
  const second = secretField({
    name,
    label: `${label}, the one before`,
    hint: "While receivers change over: both sign.",
  });
  const element = h("div", { class: "fields wide" }, first.element, second.element);
  const draw = () => {
    second.element.hidden = first.read() === undefined && second.read() === undefined;
  };
  element.addEventListener("change", draw);
  return {
    name,
    label,
    element,
    read() {
      const secrets = [first.read(), second.read()].filter((secret) => secret !== undefined);
      return secrets.length === 0 ? undefined : secrets;
    },
    write(value) {
      const [one, two] = value === null || value === undefined ? [] : [value].flat();
      first.write(one);
      second.write(two);
      draw();
    },
    check: () => [...first.check(), ...second.check()],
    complain: first.complain,
    focus: first.focus,
  };
}

/** Names, each with a secret: the headers of a request. */
export function secretMapField({ name, label, hint }) {
  const fault = h("p", { class: "fault", hidden: true });
  const list = h("div");
  const add = h("button", { type: "button" }, "Add a header");
  const element = h(
    "fieldset",
    { class: "plain wide" },
    h("legend", {}, label),
    hint ? h("p", { class: "hint" }, hint) : null,
    list,
    fault,
    h("div", { class: "fieldset-foot" }, add),
  );
  let rows = [];
  const addRow = (key, value) => {
    const id = freshId("header");
    const input = h("input", { id, value: key, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
    const secret = secretField({ name, label: "Value", isRequired: true });
    secret.write(value);
    const remove = h("button", { type: "button", "aria-label": "Remove this header" }, "Remove");
    const row = {
      input,
      secret,
      element: h(
        "div",
        { class: "header-row" },
        h("div", {}, h("label", { for: id }, "Name"), input),
        secret.element,
        remove,
      ),
    };
    remove.addEventListener("click", () => {
      rows = rows.filter((other) => other !== row);
      row.element.remove();
      add.focus();
      edited(element);
    });
    input.addEventListener("input", () => edited(element));
    rows.push(row);
    list.append(row.element);
    return row;
  };
  add.addEventListener("click", () => {
    addRow("", undefined).input.focus();
    edited(element);
  });
  const control = {
    name,
    label,
    element,
    read: () =>
      rows.length === 0 ? undefined : Object.fromEntries(rows.map(({ input, secret }) => [input.value, secret.read()])),
    write(value) {
      rows = [];
      list.replaceChildren();
      for (const [key, secret] of Object.entries(value ?? {})) addRow(key, secret);
      control.complain(null);
    },
    check() {
      const names = rows.map(({ input }) => input.value.toLowerCase());
      const message = names.some((one) => !/^[\w!#$%&'*+.^`|~-]+$/.test(one))
        ? "Each header needs a name of letters, digits and hyphens."
        : new Set(names).size < names.length
          ? "Two headers have the same name."
          : null;
      control.complain(message);
      return [...(message ? [{ control, message }] : []), ...rows.flatMap(({ secret }) => secret.check())];
    },
    complain(message) {
      setText(fault, message);
      fault.hidden = !message;
    },
    focus: () => (rows[0]?.input ?? add).focus(),
  };
  return control;
}

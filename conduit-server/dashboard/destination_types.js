// The fields of each type of destination. A type that is not here is edited as JSON.

import { checkField, durationField, integerField, jsonField, textField } from "./fields.js";
import { freshId, h } from "./dom.js";
import { rotatedSecretField, secretField, secretMapField } from "./secret_fields.js";
import * as rules from "./rules.js";

const endpoint = (options = {}) =>
  textField({
    name: "endpoint",
    label: "Endpoint",
    type: "url",
    isRequired: true,
    rule: rules.url,
    placeholder: "https://example.com/hook",
    missing: "Give the URL that records are sent to.",
    ...options,
  });
const bearer = () => secretField({ name: "bearer_token", label: "Bearer token" });

const TYPES = {
  http: {
    words: "HTTP endpoint",
    fields: () => [endpoint(), bearer()],
    more: () => [
      rotatedSecretField({
        name: "signing_secret",
        label: "Signing secret",
        hint: "Signs each request as Standard Webhooks say.",
      }),
      secretMapField({ name: "headers", label: "Headers", hint: "Sent with each request. Their values are secrets." }),
      durationField({ name: "timeout", label: "Timeout", placeholder: "30s", least: "1ms", most: "300s" }),
      group("batch", "Send several records in one request", [
        integerField({ name: "max_records", label: "Records in a request, at most", least: 1, most: 1000 }),
        integerField({ name: "max_bytes", label: "Bytes in a request, at most", least: 1_024, most: 67_108_864 }),
        durationField({ name: "max_wait", label: "Wait for more, at most", least: "0ms", most: "60s" }),
      ]),
    ],
  },
  eventbridge: {
    words: "Amazon EventBridge",
    fields: () => [
      textField({
        name: "event_bus_name",
        label: "Event bus",
        isRequired: true,
        missing: "Name the bus, or give its ARN.",
      }),
      textField({ name: "region", label: "Region", placeholder: "that of the server's environment" }),
    ],
    more: () => [
      textField({ name: "source", label: "Source", placeholder: "conduit-mongodb" }),
      textField({ name: "detail_type", label: "Detail type", placeholder: "the record's type" }),
      textField({ name: "role_arn", label: "Role to assume (ARN)" }),
      integerField({
        name: "max_request_bytes",
        label: "Bytes in a request, at most",
        placeholder: "262144",
        least: 1024,
        most: 1_048_576,
      }),
      endpoint({
        isRequired: false,
        label: "Endpoint",
        hint: "Of an emulator; AWS's own without it.",
        placeholder: "",
      }),
    ],
  },
  meilisearch: {
    words: "Meilisearch",
    takesNoFormat: true,
    fields: () => [
      endpoint({ placeholder: "https://search.example.com" }),
      bearer(),
      textField({ name: "index_name", label: "Index", placeholder: "the collection's name" }),
    ],
    more: () => [
      jsonField({ name: "settings", label: "Index settings (JSON)", hint: "Passed to the index as they are." }),
    ],
  },
  stdout: { words: "Standard output", fields: () => [], more: () => [] },
  file: {
    words: "File",
    fields: () => [
      textField({
        name: "path",
        label: "Path",
        isRequired: true,
        missing: "Name the file.",
        hint: "Inside the folder that the server may write to.",
      }),
    ],
    more: () => [],
  },
};

export const TYPE_CHOICES = Object.entries(TYPES).map(([type, { words }]) => [type, words]);

/** What is known of a type; one without fields if nothing is. */
export function typeOf(type) {
  return TYPES[type] ?? { words: type, fields: () => [], more: () => [], isUnknown: true };
}

/** Fields that are there together or not at all: an object of the configuration. */
function group(name, label, fields) {
  const id = freshId("group");
  const turn = checkField({ name, label });
  const inner = h(
    "div",
    { class: "fields", id },
    fields.map(({ element }) => element),
  );
  const fieldset = h(
    "fieldset",
    { class: "group wide" },
    h("legend", { class: "visually-hidden" }, label),
    turn.element,
    inner,
  );
  let stored = {};
  const draw = () => {
    inner.hidden = !turn.read();
  };
  turn.input.setAttribute("aria-controls", id);
  turn.input.addEventListener("change", draw);
  return {
    name,
    label,
    element: fieldset,
    parts: fields,
    read() {
      if (!turn.read()) return undefined;
      const values = { ...stored };
      for (const field of fields) {
        const value = field.read();
        if (value === undefined) delete values[field.name];
        else values[field.name] = value;
      }
      return values;
    },
    write(value) {
      stored = value ?? {};
      turn.write(value !== null && value !== undefined);
      for (const field of fields) field.write(stored[field.name]);
      draw();
    },
    check: () => (turn.read() ? fields.flatMap((field) => field.check()) : []),
    complain: turn.complain,
    focus: turn.focus,
  };
}

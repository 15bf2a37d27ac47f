// Talks to the server: the one place where requests are made and errors become what people read.

import { parse, write } from "./json.js";

const STATUS_PATIENCE = 10_000;
const RETURN_TO = "conduit-return-to";

/** An error answer (RFC 9457), or that there was none. */
export class Problem extends Error {
  constructor(status, { code = "", title = "", detail = "", errors = [] } = {}) {
    super(detail || title || `the server answered ${status}`);
    this.status = status;
    this.code = code;
    this.errors = Array.isArray(errors) ? errors : [];
  }

  /** Whether this server does not have the operation (yet), rather than that it failed. */
  get isMissing() {
    return this.status === 501 || this.status === 405 || (this.status === 404 && this.code === "not_found");
  }

  /** What to tell a person. */
  get words() {
    if (this.code === "read_only_token") {
      return "You are signed in with the read-only token, which can look but not change anything. Sign out, and in again with the admin token.";
    }
    return sentence(this.message);
  }
}

/** Makes a sentence of a detail: a capital, and a period at the end. */
export function sentence(text) {
  const trimmed = String(text).trim();
  const begun = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

/** Goes back to where somebody had to sign in. */
export function returnAfterSignIn() {
  const hash = sessionStorage.getItem(RETURN_TO);
  sessionStorage.removeItem(RETURN_TO);
  if (hash && location.hash === "") history.replaceState(null, "", hash);
}

/** Sends a request, and returns the response if it is a good one. */
export async function request(method, path, { body, headers = {}, signal, accept } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: {
        Accept: accept ?? "application/json, application/problem+json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : write(body, 0),
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "the server cannot be reached" });
  }
  if (response.status === 401) {
    // The server's own sign-in page stands at the same address while nobody is signed in; it does not know of the hash.
    sessionStorage.setItem(RETURN_TO, location.hash);
    location.reload();
    throw new Problem(401, { code: "unauthorized", detail: "you are signed out" });
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  const text = await response.text().catch(() => "");
  try {
    return new Problem(response.status, JSON.parse(text));
  } catch {
    return new Problem(response.status, { title: response.statusText });
  }
}

/** Sends a request, and returns the JSON of the answer; null if it has none. `read` parses it: `parse` where it holds records. */
export async function ask(method, path, { read = JSON.parse, ...options } = {}) {
  const response = await request(method, path, options);
  const text = await response.text();
  return text === "" ? null : read(text);
}

const collectionPath = (name) => `/api/collections/${encodeURIComponent(name)}`;

function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

async function configuration(method, path, options) {
  const response = await request(method, path, options);
  return { config: parse(await response.text()), version: response.headers.get("ETag") };
}

export const status = (signal) =>
  ask("GET", "/api/status", { signal: AbortSignal.any([signal, AbortSignal.timeout(STATUS_PATIENCE)]) });

/** A collection's configuration with its version, which `replace` compares. */
export const collection = (name, signal) => configuration("GET", collectionPath(name), { signal });
export const create = (config) => configuration("POST", "/api/collections", { body: config });
export const replace = (name, config, { version, discard } = {}) =>
  configuration("PUT", collectionPath(name) + query({ discard }), {
    body: config,
    headers: version ? { "If-Match": version } : {},
  });
export const remove = (name, { keepData }) =>
  ask("DELETE", collectionPath(name) + query({ keep_data: keepData || undefined }));

export const pause = (name, destination) => ask("POST", `${collectionPath(name)}/pause${query({ destination })}`);
export const resume = (name, destination) => ask("POST", `${collectionPath(name)}/resume${query({ destination })}`);
export const rewind = (name, to, destination) =>
  ask("POST", `${collectionPath(name)}/rewind`, { body: destination ? { to, destination } : { to } });
export const testDelivery = (name, destination) => ask("POST", `${collectionPath(name)}/test${query({ destination })}`);

export const deadLetters = (name, { limit, cursor, signal }) =>
  ask("GET", `${collectionPath(name)}/dlq${query({ limit, cursor })}`, { signal, read: parse });
export const redrive = (name, selection) => ask("POST", `${collectionPath(name)}/dlq/redrive`, { body: selection });
export const purge = (name, { ids, destination } = {}) =>
  ask("DELETE", `${collectionPath(name)}/dlq${query({ ids: ids?.join(","), destination })}`);

export const testFilter = (filter_criteria, record, signal) =>
  ask("POST", "/api/filters/test", { body: { filter_criteria, record }, signal, read: parse });

export const tailPath = (name) => `${collectionPath(name)}/tail`;

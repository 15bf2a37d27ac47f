// Shows the page that the address names behind its `#`, so that links, back and forward work.

import { askFirst } from "./dialog.js";
import { h } from "./dom.js";

/** A page is `(parameters, signal) => {title, element, route}`, or a promise of it; `signal` is aborted when it is left. */
export class Router {
  #routes;
  #root;
  #leaving = new AbortController();
  #guard = null;
  #shown = null;

  constructor(root, routes) {
    this.#root = root;
    this.#routes = routes.map(([pattern, page]) => ({ parts: pattern.split("/"), page }));
  }

  start() {
    addEventListener("hashchange", () => this.#changed());
    addEventListener("beforeunload", (event) => {
      if (this.#guard?.()) event.preventDefault();
    });
    this.#show({ focus: false });
  }

  /** Asks `isUnsaved` before this page is left; the page's own signal takes the question back. */
  guard(isUnsaved, signal) {
    this.#guard = isUnsaved;
    signal.addEventListener("abort", () => {
      if (this.#guard === isUnsaved) this.#guard = null;
    });
  }

  async #changed() {
    const wanted = location.hash;
    if (wanted === this.#shown) return;
    if (this.#guard?.()) {
      history.pushState(null, "", this.#shown || "#/");
      const body = [h("p", {}, "What you changed here is not saved.")];
      const title = "Leave this page?";
      if (!(await askFirst({ title, body, confirm: "Leave without saving", isGrave: true, submit: async () => true })))
        return;
      this.#guard = null;
      location.hash = wanted || "#/";
      return;
    }
    this.#show({ focus: true });
  }

  async #show({ focus }) {
    this.#shown = location.hash;
    this.#leaving.abort();
    const leaving = new AbortController();
    this.#leaving = leaving;
    let page;
    try {
      page = await this.#open(leaving.signal);
    } catch (error) {
      if (leaving.signal.aborted) return;
      page = failure(error);
    }
    if (leaving.signal.aborted) return;
    document.title = `${page.title} · Conduit`;
    for (const link of document.querySelectorAll("[data-route]")) {
      if (link.dataset.route === page.route) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#root.replaceChildren(page.element);
    if (focus) {
      // Who listens hears where they are; who sees is at the top.
      const heading = this.#root.querySelector("[data-heading]") ?? this.#root.querySelector("h1");
      heading?.setAttribute("tabindex", "-1");
      heading?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }

  #open(signal) {
    const [path, search = ""] = (location.hash.replace(/^#/, "") || "/").split("?");
    const given = path.split("/");
    for (const { parts, page } of this.#routes) {
      const parameters = match(parts, given);
      if (parameters) return page({ ...parameters, query: new URLSearchParams(search) }, signal);
    }
    return {
      title: "Not found",
      element: h(
        "div",
        {},
        h("h1", {}, "There is no such page"),
        h("p", {}, h("a", { href: "#/" }, "To the overview")),
      ),
    };
  }
}

function match(parts, given) {
  if (parts.length !== given.length) return null;
  const parameters = {};
  for (const [index, part] of parts.entries()) {
    if (part.startsWith(":")) {
      try {
        parameters[part.slice(1)] = decodeURIComponent(given[index]);
      } catch {
        return null;
      }
    } else if (part !== given[index]) {
      return null;
    }
  }
  return parameters;
}

function failure(error) {
  const element = h(
    "div",
    {},
    h("h1", {}, error.status === 404 ? "There is no such collection" : "This page cannot be shown"),
    h("p", {}, error.words ?? error.message),
    h("p", {}, h("a", { href: "#/" }, "To the overview")),
  );
  return { title: "Error", element };
}

// Follows the status of all collections: asks every two seconds while the page can be seen, and keeps a short history.

import * as api from "./api.js";

const INTERVAL = 2_000;
const MAX_POINTS = 60;

/** One for the whole page; pages subscribe to it. */
class StatusFeed {
  #listeners = new Set();
  #history = new Map();
  #timer = null;
  #asking = null;
  /** The last status of all collections; null until there is one. */
  collections = null;
  /** What went wrong with the last question; null if nothing did. */
  problem = null;
  /** When `collections` came. */
  time = null;

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.refresh()));
    this.refresh();
  }

  /** Calls `listener` with this now, if there is something to tell, and at every change until `signal` is aborted. */
  subscribe(listener, signal) {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener));
    if (this.collections || this.problem) listener(this);
  }

  /** Asks at once: after an action, or when the page comes to sight again. */
  async refresh() {
    this.#rest();
    const asking = new AbortController();
    this.#asking = asking;
    try {
      const collections = await api.status(asking.signal);
      if (asking.signal.aborted) return;
      this.collections = collections;
      this.time = new Date();
      this.problem = null;
      this.#remember();
    } catch (error) {
      if (asking.signal.aborted) return;
      this.problem = error;
    }
    for (const listener of [...this.#listeners]) listener(this);
    if (!document.hidden) this.#timer = setTimeout(() => this.refresh(), INTERVAL);
  }

  /** A collection's status; undefined if it is not known. */
  find(name) {
    return this.collections?.find((collection) => collection.collection_name === name);
  }

  /** The last rates of a destination, the oldest first. */
  rates(collection, destination) {
    return this.#history.get(`${collection}\n${destination}`) ?? [];
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  #remember() {
    const known = new Set();
    for (const { collection_name: name, destinations } of this.collections) {
      for (const { id, rate } of destinations) {
        const key = `${name}\n${id}`;
        known.add(key);
        const rates = this.#history.get(key) ?? [];
        rates.push(rate ?? 0);
        if (rates.length > MAX_POINTS) rates.shift();
        this.#history.set(key, rates);
      }
    }
    for (const key of this.#history.keys()) if (!known.has(key)) this.#history.delete(key);
  }
}

export const feed = new StatusFeed();

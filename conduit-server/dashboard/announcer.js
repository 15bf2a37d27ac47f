// Says to who listens that a destination stands still or goes on: only what matters, not every figure that changes.

import { announce } from "./notices.js";
import { standsOut, stateOf } from "./states.js";
import { feed } from "./status_feed.js";

/** Follows the status for as long as the page is open. */
export function announceStates() {
  let before = new Map();
  feed.subscribe(({ collections }) => {
    const now = new Map();
    for (const { collection_name: name, destinations } of collections ?? []) {
      for (const destination of destinations) now.set(`${name}, ${destination.id}`, destination);
    }
    const words = [...now].flatMap(([name, destination]) => {
      const earlier = before.get(name);
      if (!earlier || earlier.state === destination.state) return [];
      return standsOut(earlier) || standsOut(destination) ? [`${name}: ${stateOf(destination.state).word}`] : [];
    });
    before = now;
    if (words.length > 0) announce(words.slice(0, 3).join(". "));
  }, new AbortController().signal);
}

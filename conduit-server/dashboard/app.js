// Starts the dashboard.

import { announceStates } from "./announcer.js";
import { returnAfterSignIn } from "./api.js";
import { collectionPage } from "./collection.js";
import { editPage, newPage } from "./config_page.js";
import { setText } from "./dom.js";
import { time } from "./format.js";
import { overview } from "./overview.js";
import { Router } from "./router.js";
import { feed } from "./status_feed.js";

const main = document.getElementById("main");
const collection = (page) => (parameters, signal) => collectionPage(page, parameters, signal);

export const router = new Router(main, [
  ["/", overview],
  ["/new", (parameters, signal) => newPage(router, parameters, signal)],
  ["/collections/:name", collection("destinations")],
  ["/collections/:name/tail", collection("tail")],
  ["/collections/:name/dead-letters", collection("dead-letters")],
  ["/collections/:name/filter", collection("filter")],
  ["/collections/:name/edit", (parameters, signal) => editPage(router, parameters, signal)],
]);

// A link to `#main` would be taken for a page.
document.getElementById("skip-link").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

const connection = document.getElementById("connection");
feed.subscribe(({ problem, time: since }) => {
  const words =
    problem &&
    `${problem.words ?? problem.message} What you see is ${since ? `of ${time(since)}` : "not known yet"}; it is tried again every two seconds.`;
  setText(connection, words ?? "");
}, new AbortController().signal);

announceStates();
returnAfterSignIn();
feed.start();
router.start();

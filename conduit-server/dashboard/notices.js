// Short messages at the edge of the page, which are read out as well.

import { Problem } from "./api.js";
import { h, setText } from "./dom.js";

const MAX_SHOWN = 4;
const SECONDS_SHOWN = 8;

/** Says that something was done. It goes away by itself. */
export function tell(text) {
  const notice = show(text, "");
  setTimeout(() => notice.remove(), SECONDS_SHOWN * 1000);
}

/** Says that something could not be done. It stays until it is closed. */
export function complain(error) {
  if (error.name === "AbortError") return;
  show(error instanceof Problem ? error.words : `Something went wrong in this page: ${error.message}`, "bad");
  if (!(error instanceof Problem)) console.error(error);
}

/** Says something to who listens, without showing it. */
export function announce(text) {
  setText(document.getElementById("announcements"), text);
}

function show(text, kind) {
  const place = document.getElementById("notices");
  const close = h("button", { type: "button", class: "quiet", "aria-label": "Close this message" }, "✕");
  const notice = h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, h("p"), close);
  close.addEventListener("click", () => notice.remove());
  // Put there empty first: what is put into a region that is watched is read out.
  place.append(notice);
  notice.querySelector("p").textContent = text;
  while (place.children.length > MAX_SHOWN) place.firstElementChild.remove();
  return notice;
}

// Asks people before something is done that cannot be undone.

import { sentence } from "./api.js";
import { freshId, h } from "./dom.js";

/**
 * Shows a dialog. Returns what `submit` returns when it worked, null if the dialog was closed.
 * `submit` throws what went wrong, which the dialog shows and stays open.
 * `typed` is a text that has to be typed before the button works.
 */
export function askFirst({ title, body = [], confirm, isGrave = false, typed, submit }) {
  const heading = freshId("dialog");
  const problem = h("p", { class: "fault", role: "alert", hidden: true });
  const go = h("button", { type: "submit", class: `primary${isGrave ? " danger" : ""}` }, confirm);
  const cancel = h("button", { type: "button" }, "Cancel");
  const typing = typed === undefined ? null : typedConfirmation(typed, go);
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: heading }, title),
    body,
    typing,
    problem,
    h("div", { class: "actions" }, cancel, go),
  );
  const dialog = h("dialog", { "aria-labelledby": heading }, form);
  return show(dialog, (close) => {
    cancel.addEventListener("click", () => close(null));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      problem.hidden = true;
      try {
        close((await submit()) ?? true);
      } catch (error) {
        problem.textContent = error.words ?? sentence(error.message);
        problem.hidden = false;
        go.disabled = false;
        go.focus();
      }
    });
  });
}

/** Shows a choice of several; returns the value of the one that was taken, null if the dialog was closed. */
export function choose({ title, body, choices }) {
  const heading = freshId("dialog");
  const buttons = choices.map(({ value, words, kind = "" }) =>
    h("button", { type: "button", class: kind, value }, words),
  );
  const dialog = h(
    "dialog",
    { "aria-labelledby": heading },
    h("form", { method: "dialog" }, h("h2", { id: heading }, title), body, h("div", { class: "actions" }, buttons)),
  );
  return show(dialog, (close) => {
    for (const button of buttons) button.addEventListener("click", () => close(button.value));
  });
}

/** Shows something until it is closed. */
export function showDialog({ title, body }) {
  return choose({ title, body, choices: [{ value: "", words: "Close", kind: "primary" }] });
}

// The browser keeps the focus inside, closes at Escape, and gives the focus back.
function show(dialog, wire) {
  return new Promise((resolve) => {
    let answer = null;
    wire((value) => {
      answer = value;
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    // A page that is left takes its dialogs along.
    addEventListener("hashchange", () => dialog.close(), { once: true });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function typedConfirmation(text, button) {
  const id = freshId("typed");
  const input = h("input", { id, autocomplete: "off", spellcheck: "false", autocapitalize: "off" });
  button.disabled = true;
  input.addEventListener("input", () => {
    button.disabled = input.value !== text;
  });
  return h("div", {}, h("label", { for: id }, "Type ", h("code", {}, text), " to confirm"), input);
}

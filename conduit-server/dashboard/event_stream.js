// Reads server-sent events. A reader of our own, since the browser's tells neither the status nor the problem of a refusal.

import * as api from "./api.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

/**
 * Reads events until `signal` is aborted, and connects again when the stream ends.
 * `onEvent(name, data)` gets each; `onState` is told `connecting`, `open` or `failed` with the problem.
 */
export async function follow(path, { onEvent, onState, signal }) {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    onState("connecting");
    try {
      const response = await api.request("GET", path, { signal, accept: "text/event-stream" });
      pause = FIRST_PAUSE;
      onState("open");
      await readEvents(response.body, onEvent);
    } catch (error) {
      if (signal.aborted) return;
      if (error.isMissing || error.status === 404 || error.status === 403) {
        onState("failed", error);
        return;
      }
    }
    if (signal.aborted) return;
    onState("connecting");
    await waited(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

async function readEvents(body, onEvent) {
  const lines = body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  let name = "message";
  let data = [];
  for (;;) {
    const { value, done } = await lines.read();
    if (done) return;
    const pieces = (left + value).split(/\r\n|\n|\r(?!$)/);
    left = pieces.pop();
    for (const line of pieces) {
      if (line === "") {
        if (data.length > 0) onEvent(name, data.join("\n"));
        name = "message";
        data = [];
      } else if (line.startsWith("event:")) {
        name = line.slice(6).trimStart();
      } else if (line.startsWith("data:")) {
        data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  }
}

function waited(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

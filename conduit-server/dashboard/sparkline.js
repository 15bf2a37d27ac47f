// A small curve of the last rates. The rate itself stands beside it, so it is hidden from who listens.

import { setAttribute, svg } from "./dom.js";

const POINTS = 60;
const HEIGHT = 24;

/** A curve that follows a list of numbers; the newest is at the right. */
export function sparkline() {
  const area = svg("path", { class: "area" });
  const line = svg("path");
  const element = svg(
    "svg",
    { class: "sparkline", viewBox: `0 0 ${POINTS - 1} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    area,
    line,
  );
  return {
    element,
    update(values) {
      const top = Math.max(1, ...values);
      const first = POINTS - values.length;
      const points = values.map(
        (value, index) => `${first + index} ${(HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(2)}`,
      );
      const path = points.length > 1 ? `M${points.join("L")}` : "";
      setAttribute(line, "d", path);
      setAttribute(area, "d", path && `${path}V${HEIGHT}H${first}Z`);
    },
  };
}

// What the tests ask of a page: find things as people do, by what they are called.
(() => {
  const named = {
    button: "button, [role=button], summary",
    link: "a[href]",
    field: "input, select, textarea",
    any: "button, a[href], input, select, textarea, summary",
  };
  const frames = async (count) => {
    for (let drawn = 0; drawn < count; drawn += 1) await new Promise(requestAnimationFrame);
  };
  const isSeen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const textOf = (element) => element.textContent.replace(/\s+/g, " ").trim();
  const nameOf = (element) => {
    const given = element.getAttribute("aria-label");
    if (given) return given;
    if (element.labels?.length) return [...element.labels].map(textOf).join(" ");
    return textOf(element);
  };
  // While a dialog is open, nothing else can be reached.
  const root = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
  const find = (kind, name, within) => {
    const place = within ? root().querySelector(within) : root();
    const found = [...(place?.querySelectorAll(named[kind]) ?? [])].filter(isSeen);
    return found.find((element) => nameOf(element) === name) ?? found.find((element) => nameOf(element).startsWith(name));
  };
  window.addEventListener("securitypolicyviolation", (event) => window.conduitViolation?.(`${event.violatedDirective}: ${event.blockedURI}`));
  window.e2e = {
    isSeen,
    textOf,
    nameOf,
    find,
    /** Where to click, once the thing is there, can be used, and has come to rest. */
    place: async (kind, name, within) => {
      const element = find(kind, name, within);
      if (!element || element.disabled) return null;
      element.scrollIntoView({ block: "center", behavior: "instant" });
      // Input goes to where things were drawn last, so what was scrolled has to be drawn first.
      await frames(2);
      const box = element.getBoundingClientRect();
      const [x, y] = [box.left + Math.min(box.width / 2, 60), box.top + Math.min(box.height / 2, 12)];
      const top = document.elementFromPoint(x, y);
      return top && (element.contains(top) || top.contains(element)) ? { x, y } : null;
    },
    text: (selector = "body") => {
      const within = root();
      const isWhole = selector === "body" && within !== document;
      const found = isWhole || within.matches?.(selector) ? [within] : [...within.querySelectorAll(selector)];
      return found.filter(isSeen).map((element) => element.innerText).join("\n");
    },
    focused: () => (document.activeElement ? nameOf(document.activeElement) : ""),
  };
})();

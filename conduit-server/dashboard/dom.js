// Makes and updates elements. Whatever comes from the server gets into the page here and nowhere else: as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element. Properties are attributes, but for `on`, an object of listeners; null, undefined and false leave one out. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** The same, of SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

/** Sets a text if it is another one, so that what has not changed is neither drawn nor read out again. */
export function setText(element, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Sets an attribute if it is another one; null removes it. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, String(value));
  }
}

/**
 * A list of elements that follows a list of items: what stays is updated in place, so that focus and selection stay too.
 * `make(item)` returns `{element, update(item)}`.
 */
export class KeyedList {
  #parent;
  #keyOf;
  #make;
  #parts = new Map();

  constructor(parent, keyOf, make) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#make = make;
  }

  update(items) {
    const wanted = new Map(items.map((item) => [this.#keyOf(item), item]));
    for (const [key, part] of this.#parts) {
      if (!wanted.has(key)) {
        part.element.remove();
        this.#parts.delete(key);
      }
    }
    let place = this.#parent.firstElementChild;
    for (const [key, item] of wanted) {
      let part = this.#parts.get(key);
      if (!part) {
        part = this.#make(item);
        this.#parts.set(key, part);
      }
      part.update?.(item);
      if (part.element === place) {
        place = place.nextElementSibling;
      } else {
        this.#parent.insertBefore(part.element, place);
      }
    }
  }
}

let lastId = 0;

/** An id that no other element has. */
export function freshId(prefix = "e") {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

// Creates a collection, or edits one: as a form or as JSON.

import * as api from "./api.js";
import { collectionTabs } from "./collection.js";
import { ConfigForm } from "./config_form.js";
import { askFirst, choose } from "./dialog.js";
import { freshId, h, setText } from "./dom.js";
import { EDITED } from "./fields.js";
import { differences, isObject, isSame, parse, write } from "./json.js";
import { complain, tell } from "./notices.js";
import { pathOf } from "./overview.js";
import { feed } from "./status_feed.js";

const NEW = { stream_enabled: true, destinations: [{ type: "http" }] };

export function newPage(router, _parameters, signal) {
  const editor = new Editor(NEW, { isNew: true });
  router.guard(() => editor.isUnsaved(), signal);
  const element = h("div", {}, h("div", { class: "page-head" }, h("h1", {}, "New collection")), editor.element);
  return { title: "New collection", route: "new", element };
}

export async function editPage(router, { name }, signal) {
  const { config, version } = await api.collection(name, signal);
  const editor = new Editor(config, { isNew: false, version });
  router.guard(() => editor.isUnsaved(), signal);
  const element = h(
    "div",
    {},
    h("div", { class: "page-head" }, h("h1", {}, name)),
    collectionTabs(name, "edit", signal),
    h("h2", { "data-heading": "" }, "Edit"),
    editor.element,
  );
  return { title: `${name}: Edit`, route: "collection", element };
}

/** A configuration that is edited, with its version. */
class Editor {
  #isNew;
  #base;
  #version;
  #form;
  #opened;
  #isJson = false;
  #json;
  #jsonFault;
  #save = h("button", { type: "submit", class: "primary" });
  #problem = h("p", { class: "fault", role: "alert", hidden: true });
  #places;
  #switches;

  constructor(config, { isNew, version = null }) {
    this.#isNew = isNew;
    this.#base = config;
    this.#version = version;
    this.#form = new ConfigForm(config, { isNew });
    this.#opened = this.#form.read();
    setText(this.#save, isNew ? "Create the collection" : "Save");
    const id = freshId("json");
    this.#jsonFault = h("p", { class: "fault", id: `${id}-fault`, hidden: true });
    this.#json = h("textarea", {
      id,
      class: "tall",
      spellcheck: "false",
      autocapitalize: "off",
      "aria-describedby": this.#jsonFault.id,
    });
    this.#json.addEventListener("input", () => this.#readJson());
    this.#places = [
      h("div", {}, this.#form.element),
      h(
        "div",
        { hidden: true },
        h("label", { for: id }, "Configuration (JSON)"),
        h("p", { class: "hint" }, "Secrets show as ********; left so, the stored ones are kept."),
        this.#json,
        this.#jsonFault,
      ),
    ];
    this.#switches = ["Form", "JSON"].map((words, index) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(index === 0), on: { click: () => this.#switch(index === 1) } },
        words,
      ),
    );
    const cancel = h("a", { class: "button", href: isNew ? "#/" : pathOf(config.collection_name) }, "Cancel");
    this.element = h(
      "form",
      { class: "config", novalidate: true, autocomplete: "off" },
      h("div", { class: "segmented", role: "group", "aria-label": "Edit as" }, this.#switches),
      this.#places,
      h("div", { class: "form-foot" }, this.#save, cancel, this.#problem),
    );
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.element.addEventListener(EDITED, () => {
      this.#problem.hidden = true;
    });
  }

  /** Whether there is something that would be lost. */
  isUnsaved() {
    return this.#opened !== null && !isSame(this.#read() ?? {}, this.#opened);
  }

  #read() {
    return this.#isJson ? this.#readJson() : this.#form.read();
  }

  #readJson() {
    let fault = "";
    let value;
    try {
      value = parse(this.#json.value);
      if (!isObject(value)) fault = "It must be a JSON object: { … }.";
    } catch (error) {
      fault = `This is no JSON: ${error.message}.`;
    }
    this.#complainOfJson(fault);
    return fault ? undefined : value;
  }

  #complainOfJson(fault) {
    setText(this.#jsonFault, fault);
    this.#jsonFault.hidden = !fault;
    if (fault) this.#json.setAttribute("aria-invalid", "true");
    else this.#json.removeAttribute("aria-invalid");
  }

  #switch(toJson) {
    if (toJson === this.#isJson) return;
    if (toJson) {
      this.#json.value = write(this.#form.read());
      this.#complainOfJson("");
    } else {
      const value = this.#readJson();
      if (value === undefined) {
        this.#json.focus();
        return;
      }
      this.#form.write(value);
    }
    this.#isJson = toJson;
    this.#places.forEach((place, index) => {
      place.hidden = (index === 1) !== toJson;
    });
    this.#switches.forEach((button, index) => button.setAttribute("aria-pressed", String((index === 1) === toJson)));
  }

  async #submit() {
    this.#problem.hidden = true;
    if (!this.#isJson && !this.#form.check()) return;
    const config = this.#read();
    if (config === undefined) {
      this.#json.focus();
      return;
    }
    this.#save.disabled = true;
    try {
      await this.#send(config, { version: this.#version });
    } catch (error) {
      this.#failed(error, config);
    } finally {
      this.#save.disabled = false;
    }
  }

  async #send(config, options) {
    const name = config.collection_name;
    try {
      if (this.#isNew) await api.create(config);
      else await api.replace(this.#base.collection_name, config, options);
    } catch (error) {
      if (error.status === 412 || error.code === "version_conflict") return this.#resolve(config, options);
      if (error.code === "destination_not_drained") return this.#discard(error, config, options);
      throw error;
    }
    this.#opened = null;
    tell(this.#isNew ? `${name} is created.` : `${name} is saved.`);
    feed.refresh();
    location.hash = pathOf(this.#isNew ? name : this.#base.collection_name);
    return undefined;
  }

  /** Somebody else saved meanwhile: what they changed is shown, and a person decides. */
  async #resolve(mine, options) {
    const { config: theirs, version } = await api.collection(this.#base.collection_name);
    const list = (words, paths) => [
      h("p", {}, words),
      h(
        "ul",
        {},
        (paths.length > 0 ? paths : ["nothing"]).map((path) => h("li", { class: "mono" }, path)),
      ),
    ];
    const plain = (config) => JSON.parse(write(config));
    const choice = await choose({
      title: "Somebody else saved meanwhile",
      body: [
        list("They changed:", differences(plain(this.#base), plain(theirs))),
        h(
          "p",
          { class: "consequence" },
          "Saving yours now would undo their changes. Taking theirs drops yours from this form.",
        ),
      ],
      choices: [
        { value: "", words: "Go on editing" },
        { value: "theirs", words: "Take theirs" },
        { value: "mine", words: "Overwrite with mine", kind: "danger" },
      ],
    });
    if (choice === "mine") return this.#send(mine, { ...options, version });
    if (choice === "theirs") {
      this.#base = theirs;
      this.#version = version;
      this.#form.write(theirs);
      this.#opened = this.#form.read();
      this.#json.value = write(theirs);
    }
    return undefined;
  }

  async #discard(problem, config, options) {
    const answer = await askFirst({
      title: "Records would be lost",
      body: [h("p", { class: "consequence grave" }, problem.words)],
      confirm: "Discard these records",
      isGrave: true,
      submit: async () => true,
    });
    return answer ? this.#send(config, { ...options, discard: true }) : undefined;
  }

  #failed(error, config) {
    if (error.errors?.length > 0 && !this.#isJson) {
      this.#form.complain(error.errors);
      return;
    }
    const details = error.errors?.map(({ field, message }) => `${field} ${message}`).join("; ");
    if (error.status === undefined) complain(error);
    this.#problem.textContent =
      error.code === "collection_exists"
        ? `${config.collection_name} is configured already.`
        : details || (error.words ?? error.message);
    this.#problem.hidden = false;
  }
}

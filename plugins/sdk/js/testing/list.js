// A list for tests of rules. It asks them as the host does, checks what they answer against their description, and
// applies it. `hotlist-plugin/testing` exports it.

import { named, ofKind, date as dateOf, day, worked } from "../src/values.js";
import { friendly } from "../src/list.js";
import { show } from "./current-list.js";
import { testConsole } from "./log.js";

// The SDK's own console is for components.
globalThis.console = testConsole;

const MAX_CHANGES = 20_000;
const MAX_FIELDS = 64;
const MAX_ITEMS = 1_000;
const MAX_TEXT_BYTES = 10_000;
const MAX_TITLE_CHARS = 1_000;

/** @type {typeof import("../testing").context} */
export const context = (given = {}) => ({
  now: 1_795_435_200_000,
  today: "2026-11-23",
  utcOffset: 0,
  caller: "anonymous",
  seed: 7,
  ...given,
});

/** @type {any} */
export class TestList {
  /** @param {any} logic */
  constructor(logic) {
    this.logic = logic;
    this.description = logic.describe();
    this.contents = { entries: new Map(), settings: new Map(), lastId: 0 };
  }

  /** @param {any} logic */
  static of = (logic) => new TestList(logic);

  with(/** @type {any} */ draft) {
    this.contents.lastId += 1;
    this.contents.entries.set(this.contents.lastId, { id: this.contents.lastId, ...this.#draft(draft, anyValue) });
    return this;
  }

  withSetting(/** @type {string} */ name, /** @type {any} */ value) {
    this.contents.settings.set(name, this.#value(this.description.settings, name, value, "setting"));
    return this;
  }

  get(/** @type {number} */ id) {
    const entry = this.contents.entries.get(id);
    return entry && friendly(structuredClone(entry));
  }

  all() {
    return [...this.contents.entries.keys()].sort((a, b) => a - b).map((id) => this.get(id));
  }

  setting(/** @type {string} */ name) {
    return named([...this.contents.settings].map(([name, value]) => ({ name, value })))[name];
  }

  add(/** @type {any} */ draft, cx = context()) {
    return this.#decide(cx, (given) => this.logic.addEntry(given, this.#draft(draft)));
  }

  update(/** @type {number} */ id, /** @type {any} */ patch, cx = context()) {
    this.#existing(id);
    const { title = null, completed = null, date, order, fields = {} } = patch;
    const change = (/** @type {any} */ value, make = (/** @type {any} */ it) => it) =>
      value === undefined ? { tag: "leave" } : value === null ? { tag: "clear" } : { tag: "set", val: make(value) };
    const values = Object.entries(fields).map(([name, value]) => ({
      name,
      value: value === null ? null : this.#value(this.description.fields, name, value, "field"),
    }));
    const given = {
      title,
      completed,
      date: change(date, (text) => dateOf(text, "the date")),
      order: change(order),
      fields: values,
    };
    return this.#decide(cx, (of) => this.logic.updateEntry(of, id, given));
  }

  delete(/** @type {number} */ id, cx = context()) {
    this.#existing(id);
    return this.#decide(cx, (given) => this.logic.deleteEntry(given, id));
  }

  command(/** @type {string} */ name, args = {}, cx = context()) {
    const command = this.description.commands.find((/** @type {any} */ command) => command.name === name);
    if (!command) {
      throw new Error(`the rules declare no command ${name}`);
    }
    const missing = command.arguments.find((/** @type {any} */ schema) => schema.required && args[schema.name] == null);
    if (missing) {
      throw new Error(`argument ${missing.name} of command ${name} is required`);
    }
    const values = this.#values(command.arguments, args, "argument");
    return this.#decide(cx, (given) => this.logic.command(given, name, values));
  }

  configure(/** @type {Record<string, any>} */ settings, cx = context()) {
    const patches = Object.entries(settings).map(([name, value]) => ({
      name,
      value: value === null ? null : this.#value(this.description.settings, name, value, "setting"),
    }));
    return this.#decide(cx, (given) => this.logic.configure(given, patches));
  }

  wake(cx = context()) {
    return this.#decide(cx, (given) => this.logic.wake(given));
  }

  migrate(/** @type {string} */ from, cx = context()) {
    return this.#decide(cx, (given) => this.logic.migrate(given, from));
  }

  nextWakeUp(cx = context()) {
    return this.#ask(cx, (given) => this.logic.nextWakeUp(given));
  }

  view(/** @type {string | null} */ name, query = {}, cx = context()) {
    const { date = null, completed = null, after = null, limit = 1_000 } = /** @type {any} */ (query);
    const asked = { view: name, date: dateOf(date, "the date"), completed, after, limit };
    const page = this.#ask(cx, (given) => this.logic.entries(given, asked));
    const plain = (/** @type {any} */ row) => ({ ...row, computed: { ...named(row.computed) } });
    return {
      groups: page.groups.map((/** @type {any} */ group) => ({ ...plain(group), rows: group.rows.map(plain) })),
      more: page.more,
    };
  }

  /** Asks the rules about this list. */
  #ask(/** @type {any} */ cx, /** @type {(cx: any) => any} */ ask) {
    show(this);
    return ask({ ...cx, today: dateOf(cx.today, "today") });
  }

  /** Has the rules decide. Applies the changes, or returns the rejection. */
  #decide(/** @type {any} */ cx, /** @type {(cx: any) => any} */ ask) {
    let changes;
    try {
      changes = this.#ask(cx, ask);
    } catch (problem) {
      if (problem instanceof Error || typeof (/** @type {any} */ (problem)?.code) !== "string") {
        throw problem;
      }
      return problem;
    }
    const before = structuredClone(this.contents);
    try {
      if (changes.length > MAX_CHANGES) {
        throw new Error(`the rules make ${changes.length} changes, and the limit is ${MAX_CHANGES}`);
      }
      changes.forEach((/** @type {any} */ change) => this.#apply(change));
    } catch (broken) {
      this.contents = before;
      throw broken;
    }
    return undefined;
  }

  #apply(/** @type {any} */ { tag, val }) {
    const { entries, settings } = this.contents;
    switch (tag) {
      case "put":
        this.#checkEntry(val);
        this.contents.lastId = Math.max(this.contents.lastId, val.id);
        entries.set(val.id, val);
        break;
      case "remove":
        if (!entries.delete(val)) {
          throw new Error(`the rules remove entry ${val}, which is not there`);
        }
        break;
      case "set":
        this.#check(this.description.settings, val.name, val.value, "setting");
        settings.set(val.name, val.value);
        break;
      default:
        settings.delete(val);
    }
  }

  #checkEntry(/** @type {any} */ entry) {
    const { id, title, order, fields } = entry;
    const before = this.contents.entries.get(id);
    if (!before && id !== this.contents.lastId + 1) {
      throw new Error(`the rules put entry ${id}, but the next id is ${this.contents.lastId + 1}`);
    }
    if ([...title].length > MAX_TITLE_CHARS || (order !== null && !Number.isFinite(order)) || fields.length > MAX_FIELDS) {
      throw new Error(`the rules put entry ${id} with a title, an order or fields beyond the limits`);
    }
    if (entry.date && new Date(`${day(entry.date)}T00:00:00Z`).getUTCDate() !== entry.date.day) {
      throw new Error(`the rules put entry ${id} on a day that the calendar has not`);
    }
    for (const { name, value } of fields) {
      const old = before?.fields.find((/** @type {any} */ field) => field.name === name);
      if (!old || JSON.stringify(old.value) !== JSON.stringify(value)) {
        this.#check(this.description.fields, name, value, `field of entry ${id}:`);
      }
    }
  }

  /** Checks a value of the contract as the host does. */
  #check(/** @type {any[]} */ schemas, /** @type {string} */ name, /** @type {any} */ { tag, val }, /** @type {string} */ what) {
    const schema = schemas.find((schema) => schema.name === name);
    if (schema?.kind !== tag) {
      throw new Error(`${what} ${name} is not declared${schema ? ` as ${tag}, but as ${schema.kind}` : ""}`);
    }
    const texts = tag === "text" ? [val] : tag === "texts" ? val : [];
    const odd = texts.find((/** @type {string} */ text) => schema.choices.length > 0 && !schema.choices.includes(text));
    if (odd !== undefined) {
      throw new Error(`${what} ${name} is ${JSON.stringify(odd)}, which is none of its choices`);
    }
    const isLong = (/** @type {string} */ text) => Buffer.byteLength(text) > MAX_TEXT_BYTES;
    if (texts.some(isLong) || (Array.isArray(val) && val.length > MAX_ITEMS) || (tag === "number" && !Number.isFinite(val))) {
      throw new Error(`${what} ${name} is beyond the limits`);
    }
  }

  #existing(/** @type {number} */ id) {
    if (!this.contents.entries.has(id)) {
      throw new Error(`there is no entry ${id}`);
    }
  }

  #draft(/** @type {any} */ { title, date = null, completed = false, order = null, fields = {} }, undeclared = refuse) {
    const values = this.#values(this.description.fields, fields, "field", undeclared);
    return { title, date: dateOf(date, "the date"), completed, order, fields: values };
  }

  #values(/** @type {any[]} */ schemas, /** @type {Record<string, any>} */ values, /** @type {string} */ what, undeclared = refuse) {
    const given = Object.entries(values).filter(([, value]) => value != null);
    return given.map(([name, value]) => ({ name, value: this.#value(schemas, name, value, what, undeclared) }));
  }

  #value(/** @type {any[]} */ schemas, /** @type {string} */ name, /** @type {any} */ value, /** @type {string} */ what, undeclared = refuse) {
    const schema = schemas.find((schema) => schema.name === name);
    const converted = ofKind(schema?.kind, value, `${what} ${name}`);
    return converted ?? undeclared(schema, value, `${what} ${name}`);
  }
}

/** @type {(schema: any, value: any, what: string) => any} */
function refuse(schema, _, what) {
  throw new Error(`the host refuses ${what}: ${schema ? `it is declared as ${schema.kind}` : "it is not declared"}`);
}

/**
 * A value of other rules, of the kind that it looks like.
 *
 * @type {(schema: any, value: any, what: string) => any}
 */
const anyValue = (_, value, what) => worked(value, what);

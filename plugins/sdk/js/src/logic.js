// Adapter from an author's definition to the contract's exports.

import { put, reject, remove, set } from "./changes.js";
import { noteFailure } from "./console.js";
import { begin } from "./globals.js";
import { friendly, kept, list } from "./list.js";
import { plainPage } from "./page.js";
import { expected, page, patched, schemas } from "./contract.js";
import { isLater, withoutUndeclared } from "./undeclared.js";
import { date, day, named, ofKind, plain, shown } from "./values.js";

/** @typedef {Record<string, (...given: any[]) => any>} Functions */

/** @type {typeof import("../hotlist").logic} */
export function logic(definition) {
  const { fields = {}, settings = {}, commands = {}, views = {} } = definition;

  /** @type {Functions} */
  const rules = {
    check() {},
    add(cx, draft) {
      const entry = { id: list.nextId(), ...draft };
      rules.check(cx, entry, null);
      return put(entry);
    },
    update(cx, entry, before) {
      rules.check(cx, entry, before);
      return put(entry);
    },
    configure: (_, wanted) => Object.entries(wanted).map(([name, value]) => set(name, value)),
    entries: (_, query) => plainPage(query),
    wake() {},
    // A list that comes back from a later version keeps its values for the day on which that version decides again.
    migrate: (_, from) => (isLater(from, definition.version) ? [] : withoutUndeclared(fields, settings)),
  };
  Object.assign(rules, definition);

  /** @type {Functions} */
  const answers = {
    describe() {
      begin(0);
      return {
        title: definition.title,
        summary: definition.summary ?? "",
        version: definition.version,
        fields: schemas(fields),
        settings: schemas(settings),
        commands: Object.entries(commands).map(([name, command]) => ({
          name,
          title: command.title,
          arguments: schemas(command.arguments ?? {}),
        })),
        views: Object.entries(views).map(([name, { title }]) => ({ name, title })),
        reading: definition.entries ? "logic" : "host",
        wakes: definition.nextWakeUp !== undefined,
      };
    },
    addEntry: (cx, draft) => changes(rules.add(started(cx), friendly(draft))),
    updateEntry(cx, id, patch) {
      const context = started(cx);
      const before = held(id);
      return changes(rules.update(context, patched(before, patch), before));
    },
    deleteEntry(cx, id) {
      const context = started(cx);
      // Clearing a list calls this for every entry, so the entry is read only if the logic has a rule for it.
      return changes(definition.delete ? definition.delete(context, held(id)) : remove(id));
    },
    command(cx, name, given) {
      const context = started(cx);
      const command = commands[name] ?? reject("command-unknown", `This list has no command "${name}".`);
      return changes(command.run(context, named(given)));
    },
    configure: (cx, wanted) => changes(rules.configure(started(cx), named(wanted))),
    entries(cx, query) {
      const context = started(cx);
      const wanted = { ...query, date: day(query.date) };
      if (query.view === null) {
        return page(rules.entries(context, wanted));
      }
      const view = views[query.view] ?? reject("view-unknown", `This list has no view "${query.view}".`);
      return page(view.page(context, wanted));
    },
    nextWakeUp(cx) {
      try {
        const time = definition.nextWakeUp?.(started(cx));
        return time == null ? null : Math.max(0, Math.ceil(time));
      } catch (problem) {
        // A time cannot be rejected. A list that is too long to be read is not woken.
        if (problem instanceof Error) throw problem;
        return null;
      }
    },
    wake: (cx) => changes(rules.wake(started(cx))),
    migrate: (cx, from) => changes(rules.migrate(started(cx), from)),
  };
  return Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, noted(answer)]));

  /**
   * Begins a call, and gives its context as JavaScript has it.
   *
   * @param {any} cx
   */
  function started(cx) {
    begin(cx.seed);
    cx.today = day(cx.today);
    return cx;
  }

  /**
   * The contract's changes.
   *
   * @param {any} answer One change, several, or nothing at all.
   */
  function changes(answer) {
    if (answer === undefined || answer === null) {
      return [];
    }
    // Entries without an id get ids after all that have one.
    let last = 0;
    return (Array.isArray(answer) ? answer.flat() : [answer]).map((change) => {
      if (change?.put !== undefined) {
        const id = change.put.id ?? Math.max(list.nextId(), last + 1);
        last = Math.max(last, id);
        return { tag: "put", val: entry(id, change.put) };
      }
      if (change?.remove !== undefined) {
        return { tag: "remove", val: change.remove };
      }
      if (change?.set !== undefined && change.value == null) {
        return { tag: "unset", val: change.set };
      }
      if (change?.set !== undefined) {
        return { tag: "set", val: setting(change.set, change.value) };
      }
      throw new TypeError(`the answer to a command is made of put, remove and set, not of ${shown(change)}`);
    });
  }

  /**
   * @param {number} id
   * @param {any} entry
   */
  function entry(id, { title, date: on = null, completed = false, order = null, fields: values = {} }) {
    const what = `entry ${id}`;
    const given = Object.entries(values).filter(([, value]) => value != null);
    return {
      id,
      title,
      date: date(on, `the date of ${what}`),
      completed,
      order,
      fields: given.map(([name, value]) => ({ name, value: field(id, name, value) })),
    };
  }

  /**
   * A field's value. One that is not declared so may be of the logic that kept the list before, and
   * stays as it is.
   *
   * @param {number} id
   * @param {string} name
   * @param {any} value
   */
  function field(id, name, value) {
    const what = `field ${name} of entry ${id}`;
    const converted = ofKind(fields[name]?.kind, value, what);
    if (converted) {
      return converted;
    }
    const before = kept(id, name);
    if (before && shown(plain(before)) === shown(value)) {
      return before;
    }
    throw new TypeError(`${what} is ${shown(value)}, which is not ${expected(fields, name)}`);
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  function setting(name, value) {
    const converted = ofKind(settings[name]?.kind, value, `setting ${name}`);
    if (!converted) {
      throw new TypeError(`setting ${name} is ${shown(value)}, which is not ${expected(settings, name)}`);
    }
    return { name, value: converted };
  }
}

/**
 * An answer that tells the host why it fails. A rejection is no failure, and no Error.
 *
 * @param {(...given: any[]) => any} answer
 * @returns {(...given: any[]) => any}
 */
const noted =
  (answer) =>
  (...given) => {
    try {
      return answer(...given);
    } catch (problem) {
      if (problem instanceof Error) noteFailure(problem);
      throw problem;
    }
  };

/**
 * The entry of that id. The host asks about none that the list does not hold.
 *
 * @param {number} id
 */
const held = (id) => list.get(id) ?? reject("entry-unknown", `There is no entry ${id} in this list.`);

// The list of the current call, with entries as plain JavaScript objects.

import host from "hotlist:logic/current-list@0.1.0";
import { reject } from "./changes.js";
import { date, day, named, plain } from "./values.js";

/** How many entries are asked for at once: enough that the asking costs little. */
const CHUNK = 250;

/** The longest list that `all` reads to its end: an entry costs so much fuel that a command cannot read more. */
const LONG = 5_000;

/** How much of a longer list `all` reads. */
const READ_OF_LONG = 1_000;

/** How many characters of titles and texts `all` reads. */
const MOST_TEXT = 250_000;

/**
 * The characters of an entry's title and texts.
 *
 * @param {any} entry The contract's own.
 */
function text(entry) {
  let characters = entry.title.length;
  for (const { value } of entry.fields) {
    if (value.tag === "text") {
      characters += value.val.length;
    }
  }
  return characters;
}

/**
 * An entry, or what is to become one, as JavaScript has it. The contract's own object becomes it, for a
 * command may read thousands, and an engine that is interpreted pays for every copy.
 *
 * @param {any} entry
 */
export function friendly(entry) {
  if (entry.date !== null) {
    entry.date = day(entry.date);
  }
  entry.fields = named(entry.fields);
  return entry;
}

/**
 * A field as the list holds it, for those that a plugin does not declare and only carries along.
 *
 * @param {number | undefined} id
 * @param {string} name
 */
export function kept(id, name) {
  const entry = id === undefined ? null : host.get(id);
  return entry?.fields.find((/** @type {{ name: string }} */ field) => field.name === name)?.value;
}

/**
 * The list's entries with ids over `after` as the contract has them.
 *
 * @param {number} after
 */
export function* entriesOfContract(after) {
  const count = host.count();
  let left = count <= LONG ? count : READ_OF_LONG;
  let room = MOST_TEXT;
  for (;;) {
    /** @type {any[]} */
    const chunk = host.scan(after, CHUNK);
    for (const entry of chunk) {
      if (left-- === 0) {
        reject("list-too-long", `This list has ${count} entries, and its rules can read ${LONG}. Delete some first.`);
      }
      room -= text(entry);
      if (room < 0) {
        reject("list-too-long", "This list has more text than its rules can read. Shorten or delete entries first.");
      }
      yield entry;
    }
    if (chunk.length < CHUNK) {
      return;
    }
    after = chunk[chunk.length - 1].id;
  }
}

/** @type {import("../hotlist").List} */
export const list = {
  get(id) {
    const entry = host.get(id);
    return entry ? friendly(entry) : undefined;
  },
  onDate: (wanted) => host.onDate(date(wanted, "the date to look for")).map(friendly),
  scan: (after, limit) => host.scan(after, limit).map(friendly),
  *all(after = 0) {
    for (const entry of entriesOfContract(after)) {
      yield friendly(entry);
    }
  },
  count: () => host.count(),
  countOpen: () => host.countOpen(),
  nextId: () => host.nextId(),
  settings: () => named(host.settings()),
  setting(name) {
    const value = host.setting(name);
    return value ? plain(value) : undefined;
  },
};

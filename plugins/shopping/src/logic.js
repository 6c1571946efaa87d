// The rules of a shopping list: quantities of the same item are added up, and bought items leave the aisle.

import { cutPage, list, logic, matches, put, reject, remove, set } from "hotlist-plugin";
import { version } from "../package.json";
import { aisles, checkOrder, spelled } from "./aisles.js";
import { sized, sum } from "./amounts.js";
import { checkMemory, remembered, remembering } from "./memory.js";
import { parse } from "./parse.js";
import { entriesOf, tidy } from "./things.js";

/** The most characters that the host takes as a title. */
const MAX_TITLE = 1000;

export const todoListLogic = logic({
  title: "Shopping",
  summary: 'A shopping list. "2 l milk" is taken apart, and added to the milk that is on the list already.',
  version,
  fields: {
    quantity: { title: "Quantity", kind: "number" },
    unit: { title: "Unit", kind: "text" },
    aisle: { title: "Aisle", kind: "text" },
  },
  settings: {
    "aisle-order": { title: "Aisles, in the order of the way", kind: "texts" },
    "known-aisles": { title: "Where things are, each as “milk: Dairy”", kind: "texts" },
  },
  commands: {
    add: {
      title: "Add",
      arguments: {
        text: { title: "What, such as “2 l milk”", kind: "text", required: true },
        aisle: { title: "Aisle", kind: "text" },
      },
      run(cx, { text, aisle }) {
        const draft = { title: text, date: null, completed: false, order: null, fields: { aisle } };
        return added(draft, "text");
      },
    },
    "clear-bought": { title: "Clear what is bought", run: clearBought },
  },
  views: {
    "by-aisle": { title: "By aisle", page: byAisle },
  },
  add: (cx, draft) => added(draft, "title"),
  update,
  configure,
});

/**
 * Takes a new entry to an open one of the same thing and day, or onto the list.
 *
 * @param {import("hotlist-plugin").Draft} draft
 * @param {string} field Where its text came from, for a rejection to name it.
 */
function added(draft, field) {
  const { quantity, unit } = draft.fields;
  const entry = quantity === undefined && unit === undefined ? apart(draft, field) : draft;
  const wanted = checked(entry, field);

  const twins = entriesOf(wanted.title);
  for (const twin of twins) {
    const total = sum(twin.fields, wanted.fields);
    if (total && !twin.completed && !wanted.completed && twin.date === wanted.date) {
      const aisle = wanted.fields.aisle ?? twin.fields.aisle;
      return put({ ...twin, fields: { ...twin.fields, ...sized(total), aisle } });
    }
  }
  const aisle = wanted.fields.aisle ?? remembered(wanted.title, twins);
  return put({ ...wanted, fields: { ...wanted.fields, aisle } });
}

/**
 * @param {import("hotlist-plugin").Context} _
 * @param {import("hotlist-plugin").Entry} entry
 * @param {import("hotlist-plugin").Entry} before
 */
function update(_, entry, before) {
  const { quantity, unit } = entry.fields;
  const retitled =
    entry.title !== before.title && quantity === before.fields.quantity && unit === before.fields.unit;
  return put(checked(retitled ? apart(entry, "title") : entry, "title"));
}

/**
 * An entry with the quantity and the unit that its title begins with. A title that says neither leaves
 * those that the entry has.
 *
 * @template {import("hotlist-plugin").Draft} T
 * @param {T} entry
 * @param {string} field
 * @returns {T}
 */
function apart(entry, field) {
  const { thing, quantity, unit } = parse(tidy(entry.title), field);
  const fields = quantity === undefined ? entry.fields : { ...entry.fields, quantity, unit };
  return { ...entry, title: thing, fields };
}

/**
 * An entry as it goes onto the list; or a rejection.
 *
 * @template {import("hotlist-plugin").Draft} T
 * @param {T} entry
 * @param {string} field
 * @returns {T}
 */
function checked(entry, field) {
  const title = tidy(entry.title);
  if (title === "") {
    reject("title-empty", "Write what to buy.", field);
  }
  if ([...title].length > MAX_TITLE) {
    reject("title-too-long", `Write what to buy in ${MAX_TITLE} characters or fewer.`, field);
  }
  const { quantity, unit } = sized(entry.fields);
  return { ...entry, title, fields: { ...entry.fields, quantity, unit, aisle: spelled(entry.fields.aisle) } };
}

/** Removes what is bought, and notes down where it was. */
function clearBought() {
  if (list.count() === list.countOpen()) {
    return [];
  }
  const bought = [...list.all()].filter((entry) => entry.completed);
  return [...bought.map(remove), ...remembering(bought)];
}

/**
 * @param {import("hotlist-plugin").Context} _
 * @param {Record<string, string[] | null>} settings
 */
function configure(_, settings) {
  checkOrder(settings["aisle-order"] ?? []);
  checkMemory(settings["known-aisles"] ?? []);
  return Object.entries(settings).map(([name, texts]) => set(name, texts && texts.map(tidy)));
}

/**
 * @param {import("hotlist-plugin").Context} _
 * @param {import("hotlist-plugin").Query} query
 */
function byAisle(_, query) {
  const entries = [];
  for (const entry of list.all()) {
    if (matches(entry, query)) {
      entries.push(entry);
    }
  }
  const page = cutPage(aisles(entries), query);
  return { ...page, groups: page.groups.filter((group) => group.rows.length > 0) };
}

// Aisles: where items are in the shop.

import { list, reject } from "hotlist-plugin";
import { key, same, tidy } from "./things.js";

/** @typedef {import("hotlist-plugin").Entry} Entry */

/** @returns {string[]} */
const order = () => list.setting("aisle-order") ?? [];

/**
 * An aisle as the list's order spells it, if it has it.
 *
 * @param {string | undefined} aisle
 */
export function spelled(aisle) {
  const name = tidy(String(aisle ?? ""));
  return name === "" ? undefined : (order().find((known) => same(known, name)) ?? name);
}

/**
 * Refuses an order that names an aisle twice, or none.
 *
 * @param {string[]} aisles
 */
export function checkOrder(aisles) {
  const keys = aisles.map((aisle) => key(tidy(aisle)));
  if (keys.includes("")) {
    reject("aisle-empty", "Give every aisle a name.", "aisle-order");
  }
  const twice = aisles.find((_, at) => keys.indexOf(keys[at]) < at);
  if (twice !== undefined) {
    reject("aisle-twice", `Name the aisle "${tidy(twice)}" once only.`, "aisle-order");
  }
}

/**
 * The aisles that entries are in, as groups of a page: those of the order first, then others by name, then
 * what has none. What is bought comes last in its aisle.
 *
 * @param {Entry[]} entries Ids ascending.
 */
export function aisles(entries) {
  const places = order().map(key);
  /** @type {Map<string, { name: string, title: string, place: number, open: Entry[], bought: Entry[] }>} */
  const found = new Map();
  for (const entry of entries) {
    const title = entry.fields.aisle ?? "";
    const name = key(title);
    let aisle = found.get(name);
    if (!aisle) {
      aisle = { name, title: title || "Anywhere", place: place(places, name), open: [], bought: [] };
      found.set(name, aisle);
    }
    (entry.completed ? aisle.bought : aisle.open).push(entry);
  }
  const sorted = [...found.values()].sort((a, b) => a.place - b.place || (a.name < b.name ? -1 : 1));
  return sorted.map(({ name, title, open, bought }) => ({
    name,
    title,
    computed: { open: open.length },
    // Ids only, because each value passed to the host costs fuel.
    rows: open.concat(bought).map((entry) => entry.id),
  }));
}

/**
 * @param {string[]} places
 * @param {string} name
 */
function place(places, name) {
  const at = places.indexOf(name);
  return name === "" ? places.length + 1 : at < 0 ? places.length : at;
}

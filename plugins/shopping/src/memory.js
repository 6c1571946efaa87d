// The remembered aisle of each item, for the next time that it is added.

import { list, reject, set } from "hotlist-plugin";
import { key, same, tidy } from "./things.js";

/** The most things whose aisles are kept when they have left the list; the oldest make room. */
const MAX_KNOWN = 500;

/** A line of the memory: the thing up to the last colon, then the aisle. */
const LINE = /^(.*\S)\s*:\s*(\S[^:]*)$/u;

/** @returns {string[]} */
const known = () => list.setting("known-aisles") ?? [];

/**
 * The aisle that a thing was in: as the newest entry of it says, else as was noted down.
 *
 * @param {string} title
 * @param {import("hotlist-plugin").Entry[]} twins Entries of that thing, ids ascending.
 * @returns {string | undefined}
 */
export function remembered(title, twins) {
  const newest = twins.filter((twin) => twin.fields.aisle).pop();
  const noted = () => known().find((line) => same(LINE.exec(line)?.[1] ?? "", title));
  return newest?.fields.aisle ?? LINE.exec(noted() ?? "")?.[2];
}

/**
 * The change that notes down where entries were, if it is news.
 *
 * @param {import("hotlist-plugin").Entry[]} entries
 */
export function remembering(entries) {
  const before = known();
  const lines = new Map(before.map((line) => [key(LINE.exec(line)?.[1] ?? line), line]));
  for (const { title, fields } of entries) {
    if (fields.aisle && !fields.aisle.includes(":")) {
      const line = `${title}: ${fields.aisle}`;
      if (lines.get(key(title)) !== line) {
        // Writing an item moves it to the end, as the newest.
        lines.delete(key(title));
        lines.set(key(title), line);
      }
    }
  }
  const after = [...lines.values()].slice(-MAX_KNOWN);
  return after.join("\n") === before.join("\n") ? [] : [set("known-aisles", after)];
}

/**
 * Refuses lines that name no thing or no aisle.
 *
 * @param {string[]} lines
 */
export function checkMemory(lines) {
  const bad = lines.find((line) => !LINE.test(tidy(line)));
  if (bad !== undefined) {
    reject(
      "known-aisle-malformed",
      `Write "${tidy(bad)}" as a thing, a colon and an aisle, such as "milk: Dairy".`,
      "known-aisles",
    );
  }
}

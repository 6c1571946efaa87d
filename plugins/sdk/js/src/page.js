// Pages, the answers to queries.

import { reject } from "./changes.js";
import { list } from "./list.js";

/** @type {typeof import("../hotlist").matches} */
export const matches = (entry, query) =>
  (query.date === null || entry.date === query.date) &&
  (query.completed === null || entry.completed === query.completed);

/** @type {typeof import("../hotlist").plainPage} */
export function plainPage(query) {
  const after = query.after ?? 0;
  const entries =
    query.date === null ? list.all(after) : list.onDate(query.date).filter((entry) => entry.id > after);
  const rows = [];
  for (const entry of entries) {
    if (matches(entry, query)) {
      if (rows.length === query.limit) {
        return { groups: [{ name: "", title: "", rows }], more: true };
      }
      rows.push(entry.id);
    }
  }
  return { groups: [{ name: "", title: "", rows }], more: false };
}

/** @type {typeof import("../hotlist").cutPage} */
export function cutPage(groups, query) {
  let behind = query.after === null;
  let room = query.limit;
  let more = false;
  const cut = (/** @type {import("../hotlist").Row} */ row) => {
    const kept = behind && room > 0;
    more ||= behind && room === 0;
    room -= Number(kept);
    behind ||= idOf(row) === query.after;
    return kept;
  };
  const page = groups.map((group) => ({ ...group, rows: group.rows.filter(cut) }));
  if (!behind) {
    const message =
      `Entry ${query.after} is not in this view any more, so no page can follow it. ` +
      "Start from the first page again.";
    reject("after-gone", message, "after");
  }
  return { groups: page, more };
}

/** @param {import("../hotlist").Row} row */
export const idOf = (row) => (typeof row === "object" ? row.id : row);

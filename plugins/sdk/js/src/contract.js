// Conversion of descriptions, patches and pages between the contract's form and JavaScript's.

import { idOf } from "./page.js";
import { day, plain, worked } from "./values.js";

/**
 * What a value should have been.
 *
 * @param {Record<string, import("../hotlist").Schema>} schemas
 * @param {string} name
 */
export const expected = (schemas, name) =>
  schemas[name] ? `of its kind, ${schemas[name].kind}` : "declared at all";

/** @param {Record<string, import("../hotlist").Schema>} named */
export const schemas = (named) =>
  Object.entries(named).map(([name, { title, kind, required = false, choices = [] }]) => ({
    name,
    title,
    kind,
    required,
    choices,
  }));

/**
 * An entry as a patch makes it.
 *
 * @param {any} before
 * @param {any} patch
 */
export function patched(before, patch) {
  const changed = (/** @type {any} */ { tag, val }, /** @type {any} */ old) =>
    tag === "leave" ? old : tag === "clear" ? null : val;
  const fields = Object.assign(Object.create(null), before.fields);
  for (const { name, value } of patch.fields) {
    if (value === null) {
      delete fields[name];
    } else {
      fields[name] = plain(value);
    }
  }
  return {
    ...before,
    title: patch.title ?? before.title,
    date: patch.date.tag === "set" ? day(patch.date.val) : changed(patch.date, before.date),
    completed: patch.completed ?? before.completed,
    order: changed(patch.order, before.order),
    fields,
  };
}

/**
 * The contract's page.
 *
 * @param {import("../hotlist").Page} answer
 */
export function page({ groups, more }) {
  const computed = (/** @type {Record<string, any>} */ values = {}, /** @type {string} */ where) =>
    Object.entries(values)
      .filter(([, value]) => value != null)
      .map(([name, value]) => ({ name, value: worked(value, `${name} of ${where}`) }));
  const row = (/** @type {any} */ row) => {
    const id = idOf(row);
    return { id, computed: computed(row.computed, `the row of entry ${id}`) };
  };
  return {
    groups: groups.map((group) => ({
      name: group.name,
      title: group.title,
      computed: computed(group.computed, `group ${group.name}`),
      rows: group.rows.map(row),
    })),
    more,
  };
}

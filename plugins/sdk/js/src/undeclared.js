// Values of a list that a logic does not declare.

import host from "hotlist:logic/current-list@0.1.0";
import { put, set } from "./changes.js";
import { entriesOfContract, friendly } from "./list.js";

/**
 * The changes that take away each field and each setting that is not declared, or declared with another kind or other
 * choices.
 *
 * @param {Record<string, import("../hotlist").Schema>} fields
 * @param {Record<string, import("../hotlist").Schema>} settings
 */
export function withoutUndeclared(fields, settings) {
  const changes = [];
  for (const entry of entriesOfContract(0)) {
    const declared = entry.fields.filter((/** @type {any} */ field) => isDeclared(fields, field));
    if (declared.length < entry.fields.length) {
      changes.push(put(friendly({ ...entry, fields: declared })));
    }
  }
  const undeclared = host.settings().filter((/** @type {any} */ setting) => !isDeclared(settings, setting));
  return [...changes, ...undeclared.map((/** @type {any} */ { name }) => set(name, null))];
}

/**
 * Whether `from`, such as `todo@1.10.0`, is of a later version than `own`.
 *
 * @param {string} from
 * @param {string} own
 */
export function isLater(from, own) {
  const numbers = (/** @type {string} */ version) => version.split(/[-+]/)[0].split(".").map((number) => Number(number) || 0);
  const [theirs, ours] = [numbers(from.slice(from.lastIndexOf("@") + 1)), numbers(own)];
  for (let at = 0; at < 3; at += 1) {
    const [a = 0, b = 0] = [theirs[at], ours[at]];
    if (a !== b) {
      return a > b;
    }
  }
  return false;
}

/**
 * @param {Record<string, import("../hotlist").Schema>} schemas
 * @param {{ name: string, value: { tag: string, val: any } }} field
 */
function isDeclared(schemas, { name, value }) {
  const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
  if (schema?.kind !== value.tag) {
    return false;
  }
  const texts = value.tag === "text" ? [value.val] : value.tag === "texts" ? value.val : [];
  const { choices = [] } = schema;
  return choices.length === 0 || texts.every((/** @type {string} */ text) => choices.includes(text));
}

// Conversion between the contract's tagged values and plain JavaScript values.

/**
 * Values by name; `null` where a patch takes one away. An object without a prototype, for a field may
 * be called `constructor`.
 *
 * @param {{ name: string, value: any }[]} fields
 * @returns {Record<string, any>}
 */
export function named(fields) {
  const values = Object.create(null);
  for (let at = 0; at < fields.length; at++) {
    const { name, value } = fields[at];
    values[name] = value && plain(value);
  }
  return values;
}

/**
 * A value as JavaScript has it.
 *
 * @param {{ tag: string, val: any }} value
 */
export const plain = (value) => (value.tag === "date" ? day(value.val) : value.val);

/**
 * A day of the contract as a text.
 *
 * @param {{ year: number, month: number, day: number } | null} date
 */
export const day = (date) =>
  date && `${digits(date.year, 4)}-${digits(date.month, 2)}-${digits(date.day, 2)}`;

const digits = (/** @type {number} */ number, /** @type {number} */ count) =>
  String(number).padStart(count, "0");

/**
 * A text as a day of the contract.
 *
 * @param {string | null | undefined} text
 * @param {string} what What it is, for the author of a plugin to find it.
 */
export function date(text, what) {
  if (text == null) {
    return null;
  }
  const parts = typeof text === "string" && /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  if (!parts) {
    throw new TypeError(`${what} is ${shown(text)}, which is no day such as "2026-11-23"`);
  }
  const [year, month, day] = parts.slice(1).map(Number);
  return { year, month, day };
}

const isText = (/** @type {unknown} */ value) => typeof value === "string";
const isNumber = (/** @type {unknown} */ value) => typeof value === "number";
const isList = (/** @type {unknown} */ value, /** @type {(item: unknown) => boolean} */ is) =>
  Array.isArray(value) && value.every(is);

/** Which values are of a kind. */
const IS = {
  boolean: (/** @type {unknown} */ value) => typeof value === "boolean",
  number: isNumber,
  text: isText,
  date: isText,
  texts: (/** @type {unknown} */ value) => isList(value, isText),
  entry: isNumber,
  entries: (/** @type {unknown} */ value) => isList(value, isNumber),
};

/**
 * A value of the contract, or nothing where JavaScript's is not of that kind.
 *
 * @param {import("../hotlist").Kind | undefined} kind
 * @param {any} value
 * @param {string} what
 */
export function ofKind(kind, value, what) {
  if (!kind || !IS[kind](value)) {
    return undefined;
  }
  return { tag: kind, val: kind === "date" ? date(value, what) : value };
}

/**
 * A value that was worked out for a reading. No schema says its kind, so it is what it looks like.
 *
 * @param {any} value
 * @param {string} what
 */
export function worked(value, what) {
  const kind = LOOKS[typeof value] ?? (IS.texts(value) ? "texts" : IS.entries(value) ? "entries" : undefined);
  if (!kind) {
    throw new TypeError(
      `${what} is ${shown(value)}, which is no boolean, number, text, or list of one of the latter`,
    );
  }
  return { tag: kind, val: value };
}

/**
 * What a value of a type of JavaScript's looks like.
 *
 * @type {Record<string, string | undefined>}
 */
const LOOKS = { boolean: "boolean", number: "number", string: "text" };

/** @param {unknown} value */
export const shown = (value) => JSON.stringify(value) ?? String(value);

// Parses "2 l milk" into a quantity, a unit and an item.

import { reject } from "hotlist-plugin";
import { NAMES, isMeasure, meaning } from "./amounts.js";

/** A number at the beginning: `2`, `1.5`, `1,5`, `1/2`, `1 1/2`, `½` or `1½`. */
const NUMBER = /^([-−]?)(?:(?:(\d+) )?(\d+) ?\/ ?(\d+)|(\d+)? ?([½⅓⅔¼¾])|(\d+(?:[.,]\d+)?))/u;

/** What the signs for parts of one are worth. */
const PARTS = new Map([
  ["½", 1 / 2],
  ["⅓", 1 / 3],
  ["⅔", 2 / 3],
  ["¼", 1 / 4],
  ["¾", 3 / 4],
]);

/** The least that can be wanted of anything; quantities have three decimal places. */
const LEAST = 0.001;

/** A word that may be a unit, and what it is a unit of. */
const WORD = /^( ?)(\p{L}+)\.?(?: of)?(?: (.+))?$/u;

/** @typedef {{ thing: string, quantity?: number, unit?: string }} ParsedItem */

/**
 * Takes a tidy text apart. One that begins with no quantity is a thing as a whole.
 *
 * @param {string} text
 * @param {string} field Where it came from, for a rejection to name it.
 * @returns {ParsedItem}
 */
export function parse(text, field) {
  const number = NUMBER.exec(text);
  const rest = number ? text.slice(number[0].length) : "";
  // Items such as 5-minute noodles, 3.5% milk and 7up start with a number that is no quantity.
  if (!number || !/^(?: |\p{L}|×|$)/u.test(rest)) {
    return { thing: text };
  }
  const times = /^ ?[x×] (.+)$/u.exec(rest);
  if (times) {
    return several(quantity(number, field), times[1], field);
  }
  const [, apart, word, thing] = WORD.exec(rest) ?? [];
  const known = word && meaning(word);
  if (known) {
    const amount = { quantity: quantity(number, field) * known.times, unit: known.unit };
    if (thing) {
      return { thing, ...amount };
    }
    if (isMeasure(known.unit)) {
      reject("thing-missing", `Say what to buy ${text} of.`, field);
    }
    return { thing: word, quantity: amount.quantity };
  }
  if (word && !apart) {
    if (!thing) {
      return { thing: text };
    }
    const message =
      `There is no unit "${word}". Write one of these: ${NAMES}. ` +
      `If it belongs to the thing, write "1 x ${text}".`;
    reject("unit-unknown", message, field);
  }
  if (rest === "") {
    reject("thing-missing", `Say what to buy ${text} of. If it is what to buy, write "1 x ${text}".`, field);
  }
  return { thing: rest.trim(), quantity: quantity(number, field) };
}

/**
 * What is wanted several times: a thing, or an amount of one as in "2 x 500 g flour".
 *
 * @param {number} times
 * @param {string} text
 * @param {string} field
 * @returns {ParsedItem}
 */
function several(times, text, field) {
  const number = NUMBER.exec(text);
  const [, , word = "", thing] = (number && WORD.exec(text.slice(number[0].length))) ?? [];
  const known = meaning(word);
  if (!number || !known || !thing) {
    return { thing: text, quantity: times };
  }
  return { thing, quantity: times * quantity(number, field) * known.times, unit: known.unit };
}

/**
 * @param {RegExpExecArray} number
 * @param {string} field
 */
function quantity([written, minus, whole = "0", above, below, before = "0", part, decimal], field) {
  if (decimal && /,\d{3}$/.test(decimal)) {
    const [one, other] = [decimal.replace(",", ""), Number(decimal.replace(",", "."))];
    reject("quantity-unclear", `Write ${one} or ${other}: ${decimal} could be either.`, field);
  }
  const size = decimal
    ? Number(decimal.replace(",", "."))
    : part
      ? Number(before) + (PARTS.get(part) ?? 0)
      : Number(whole) + Number(above) / Number(below);
  if (minus || !(size >= LEAST) || !Number.isFinite(size)) {
    reject("quantity-not-positive", `Write a quantity over zero instead of ${written}.`, field);
  }
  return size;
}

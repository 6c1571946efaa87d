// Names of items, and their entries in the list.

import { list } from "hotlist-plugin";

/**
 * A text as it is stored: without blanks around it, with single ones within, and composed, so that an
 * umlaut is the same from every keyboard.
 *
 * @param {string} text
 */
export const tidy = (text) => text.normalize("NFC").trim().replace(/\s+/gu, " ");

/**
 * A name as it is compared: capitals make no other thing.
 *
 * @param {string} name
 */
export const key = (name) => name.toLowerCase();

/**
 * Whether two names are of one thing.
 *
 * @param {string} one
 * @param {string} other
 */
export const same = (one, other) => key(one) === key(other);

/**
 * The entries of a thing, ids ascending. Every command that adds reads the whole list, so this is what a
 * long one costs.
 *
 * @param {string} name
 */
export function entriesOf(name) {
  const wanted = key(name);
  const found = [];
  for (const entry of list.all()) {
    if (key(entry.title) === wanted) {
      found.push(entry);
    }
  }
  return found;
}

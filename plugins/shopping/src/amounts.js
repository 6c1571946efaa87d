// Quantities with units, and their sums.

import { reject } from "hotlist-plugin";

/**
 * The units as they are stored: what each measures, and how much of it. Those that measure the same can
 * be added up; a bottle and a can cannot. Pieces have no unit.
 *
 * @type {Map<string | undefined, { measures: string, size: number }>}
 */
const UNITS = new Map([
  [undefined, { measures: "pieces", size: 1 }],
  ["g", { measures: "mass", size: 1 }],
  ["kg", { measures: "mass", size: 1000 }],
  ["ml", { measures: "volume", size: 1 }],
  ["cl", { measures: "volume", size: 10 }],
  ["dl", { measures: "volume", size: 100 }],
  ["l", { measures: "volume", size: 1000 }],
]);

/** What else units are called, and what comes packed. */
const WORDS = {
  g: "gram grams gramme grammes gr",
  kg: "kilo kilos kilogram kilograms kilogramme kilogrammes",
  ml: "millilitre millilitres milliliter milliliters",
  cl: "centilitre centilitres centiliter centiliters",
  dl: "decilitre decilitres deciliter deciliters",
  l: "litre litres liter liters",
  bag: "bags",
  bottle: "bottles",
  box: "boxes",
  bunch: "bunches",
  can: "cans tin tins",
  jar: "jars",
  pack: "packs packet packets package packages",
};

/**
 * What every word for a unit means.
 *
 * @type {Map<string, { unit?: string, times: number }>}
 */
const MEANING = new Map();

for (const word of ["piece", "pieces", "pc", "pcs"]) {
  MEANING.set(word, { times: 1 });
}
MEANING.set("dozen", { times: 12 });
for (const [unit, words] of Object.entries(WORDS)) {
  for (const word of [unit, ...words.split(" ")]) {
    MEANING.set(word, { unit, times: 1 });
  }
  if (!UNITS.has(unit)) {
    UNITS.set(unit, { measures: unit, size: 1 });
  }
}

/** The units for a person to choose from. */
export const NAMES = [...Object.keys(WORDS), "pieces", "dozen"].join(", ");

/**
 * What a word means as a unit, if anything.
 *
 * @param {string} word
 */
export const meaning = (word) => MEANING.get(word.toLowerCase());

/**
 * Whether a unit needs an item: two litres, but of what?
 *
 * @param {string | undefined} unit
 */
export const isMeasure = (unit) => ["mass", "volume"].includes(UNITS.get(unit)?.measures ?? "");

/** The largest quantity of anything. */
const MAX_QUANTITY = 1_000_000;

/**
 * A quantity and a unit as they are stored, or a rejection.
 *
 * @param {{ quantity?: number, unit?: string }} given
 */
export function sized(given) {
  const word = String(given.unit ?? "").trim();
  const known = word ? meaning(word) : { times: 1 };
  if (!known) {
    reject("unit-unknown", `There is no unit "${word}". Choose one of these: ${NAMES}.`, "unit");
  }
  if (given.quantity === undefined) {
    if (word) {
      reject("quantity-missing", `Say how many ${word} there should be, or take the unit away.`, "quantity");
    }
    return {};
  }
  const quantity = rounded(given.quantity * known.times);
  if (quantity <= 0) {
    reject("quantity-not-positive", "Choose a quantity over zero, or delete the entry.", "quantity");
  }
  if (quantity > MAX_QUANTITY) {
    reject("quantity-too-large", `Choose a quantity of ${MAX_QUANTITY} at most.`, "quantity");
  }
  return { quantity, unit: known.unit };
}

/**
 * Two amounts of one thing together, or nothing where they cannot be added up. An amount that is not
 * said means “some”, which whatever is on the list already is, too.
 *
 * @param {{ quantity?: number, unit?: string }} one
 * @param {{ quantity?: number, unit?: string }} other
 */
export function sum(one, other) {
  if (one.quantity === undefined || other.quantity === undefined) {
    const { quantity, unit } = one.quantity === undefined ? other : one;
    return { quantity, unit };
  }
  const [a, b] = [UNITS.get(one.unit), UNITS.get(other.unit)];
  if (!a || !b || a.measures !== b.measures) {
    return null;
  }
  const total = one.quantity * a.size + other.quantity * b.size;
  const [small, large] = a.size <= b.size ? [one, other] : [other, one];
  const size = Math.max(a.size, b.size);
  const { unit } = total >= size ? large : small;
  return { quantity: rounded(total / (total >= size ? size : Math.min(a.size, b.size))), unit };
}

/** @param {number} quantity */
const rounded = (quantity) => Math.round(quantity * 1000) / 1000;

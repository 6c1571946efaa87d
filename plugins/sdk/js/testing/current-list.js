// The list of the call at hand in a test, in the form of the contract.

/** @type {import("./list.js").TestList | undefined} */
let current;

/** @param {import("./list.js").TestList} list */
export function show(list) {
  current = list;
}

function shown() {
  if (!current) {
    throw new Error("rules read a list only while they are asked; ask them through a TestList");
  }
  return current.contents;
}

// Each answer is a copy, because rules may change what they read.
const copies = (/** @type {any} */ value) => structuredClone(value);

const entries = () => [...shown().entries.values()].sort((a, b) => a.id - b.id);

export default {
  get: (/** @type {number} */ id) => copies(shown().entries.get(id) ?? null),
  onDate: (/** @type {any} */ day) => copies(entries().filter(({ date }) => date && same(date, day))),
  scan: (/** @type {number} */ after, /** @type {number} */ limit) =>
    copies(entries().filter(({ id }) => id > after).slice(0, Math.min(limit, 1000))),
  count: () => shown().entries.size,
  countOpen: () => entries().filter(({ completed }) => !completed).length,
  nextId: () => shown().lastId + 1,
  settings: () => copies([...shown().settings].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => ({ name, value }))),
  setting: (/** @type {string} */ name) => copies(shown().settings.get(name) ?? null),
};

const same = (/** @type {any} */ a, /** @type {any} */ b) => a.year === b.year && a.month === b.month && a.day === b.day;

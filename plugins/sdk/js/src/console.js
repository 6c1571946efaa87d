// The console, which the engine lacks. It has all functions of the standard and never throws, because
// logging must not affect whether a command succeeds.

import log from "hotlist:logic/log@0.1.0";

/** The most characters of one call; the host logs 4,096 bytes of all that a command says. */
const MOST = 4096;

/** How deep objects in objects are shown, and groups in groups: the engine's stack is small. */
const DEEPEST = 20;

/** What is said of a thing that cannot be shown. */
const UNSHOWN = "[cannot be shown]";

/** Whether the host has asked something. While a component is built there is no log to write to. */
let asked = false;

/** In how many groups what is said stands. */
let depth = 0;

/** @type {Map<string, number>} */
const counts = new Map();

/** When each timer was started. @type {Map<string, number>} */
const timers = new Map();

/** Begins a call: what the last one has counted, timed and grouped is over. */
export function begin() {
  asked = true;
  depth = 0;
  counts.clear();
  timers.clear();
}

/**
 * Tells the host why a call fails, as a panic in Rust does: the place and the error.
 *
 * @param {Error} error
 */
export function noteFailure(error) {
  if (asked) {
    const place = /^\s*at (.*)$/m.exec(error.stack ?? "")?.[1] ?? "an unknown place";
    log.note(`panicked at ${place}:\n${error}`.slice(0, MOST).replace(/[\ud800-\udfff]/gu, "\ufffd"));
  }
}

/** @param {unknown[]} things */
function note(...things) {
  if (asked) {
    const indent = "  ".repeat(Math.min(depth, DEEPEST));
    const text = indent + formatted(things).slice(0, MOST).replaceAll("\n", `\n${indent}`);
    // A lone surrogate cannot be passed to the host as text.
    log.note(text.replace(/[\ud800-\udfff]/gu, "\ufffd"));
  }
}

/**
 * The things as one text. Where the first one has places for others, such as `%s`, they are put there.
 *
 * @param {unknown[]} things
 */
function formatted(things) {
  const [first, ...rest] = things;
  if (typeof first !== "string" || rest.length === 0) {
    return things.map(shown).join(" ");
  }
  const filled = first.replace(/%[sdifoOc%]/g, (place) => {
    if (place === "%%" || rest.length === 0) {
      return place === "%%" ? "%" : place;
    }
    const text = shown(rest.shift());
    switch (place) {
      case "%d":
      case "%i":
        return String(parseInt(text));
      case "%f":
        return String(parseFloat(text));
      default:
        return place === "%c" ? "" : text; // A log has no styles.
    }
  });
  return [filled, ...rest.map(shown)].join(" ");
}

/** @param {unknown} thing */
function shown(thing) {
  try {
    if (thing instanceof Error) {
      return `${thing}\n${thing.stack}`.trimEnd();
    }
    const text = typeof thing === "object" ? JSON.stringify(thing, circles()) : undefined;
    return (text ?? String(thing)).slice(0, MOST);
  } catch {
    // A getter may throw, and so may an object's own `toString`.
    return UNSHOWN;
  }
}

/** Shows what JSON has no word for, and an object within itself by a word. */
function circles() {
  /** The objects around the one at hand. @type {unknown[]} */
  const around = [];
  return /** @this {unknown} @param {string} _ @param {unknown} value */ function (_, value) {
    if (typeof value === "bigint") {
      return `${value}n`;
    }
    if (typeof value !== "object" || value === null) {
      return value;
    }
    while (around.length > 0 && around.at(-1) !== this) {
      around.pop();
    }
    if (around.includes(value) || around.length === DEEPEST) {
      return around.includes(value) ? "[circular]" : "[deeper]";
    }
    around.push(value);
    return value instanceof Error ? String(value) : value;
  };
}

/**
 * A line for each row, with its values in columns.
 *
 * @param {any} rows
 * @param {unknown[]} [columns]
 */
function table(rows, columns) {
  if (typeof rows !== "object" || rows === null) {
    return note(rows);
  }
  const isRow = (/** @type {unknown} */ row) => typeof row === "object" && row !== null;
  const named = columns?.map(shown) ?? [...new Set(Object.values(rows).flatMap((row) => (isRow(row) ? Object.keys(row) : [])))];
  const plain = columns === undefined && Object.values(rows).some((row) => !isRow(row));
  const lines = Object.entries(rows).map(([index, row]) => [
    index,
    ...named.map((name) => (isRow(row) && name in row ? shown(row[name]) : "")),
    ...(plain ? [isRow(row) ? "" : shown(row)] : []),
  ]);
  lines.unshift(["(index)", ...named, ...(plain ? ["(value)"] : [])]);
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  note(lines.map((line) => line.map((cell, at) => cell.padEnd(widths[at])).join("  ").trimEnd()).join("\n"));
}

/** @param {unknown[]} things */
function group(...things) {
  if (things.length > 0) {
    note(...things);
  }
  depth += 1;
}

/**
 * @param {unknown} label
 * @param {unknown[]} things
 */
function timeLog(label = "default", ...things) {
  const since = timers.get(shown(label));
  if (since === undefined) {
    note(`There is no timer ${shown(label)}.`);
  } else {
    note(`${shown(label)}: ${Date.now() - since} ms`, ...things);
  }
}

/** @type {Record<string, (...given: any[]) => void>} */
const members = {
  log: note,
  debug: note,
  info: note,
  warn: note,
  error: note,
  dir: (thing) => note(thing),
  dirxml: note,
  trace: (...things) => note("Trace:", ...things, `\n${new Error().stack}`),
  assert: (holds, ...things) => holds || note("Assertion failed:", ...things),
  table,
  clear() {},
  group,
  groupCollapsed: group,
  groupEnd() {
    depth = Math.max(0, depth - 1);
  },
  count(label = "default") {
    counts.set(shown(label), (counts.get(shown(label)) ?? 0) + 1);
    note(`${shown(label)}: ${counts.get(shown(label))}`);
  },
  countReset: (label = "default") => void counts.delete(shown(label)),
  time: (label = "default") => void timers.set(shown(label), Date.now()),
  timeLog,
  timeEnd(label = "default") {
    timeLog(label);
    timers.delete(shown(label));
  },
  // Not in the standard, but in every browser.
  timeStamp() {},
  profile() {},
  profileEnd() {},
};

for (const [name, member] of Object.entries(members)) {
  members[name] = (...things) => {
    try {
      member(...things);
    } catch {
      // On any error only this line of the log is lost.
    }
  };
}

globalThis.console = /** @type {any} */ (members);

/**
 * Write list logic for Hotlist in JavaScript.
 *
 * A logic says what a list means: which commands it takes and what they change. Everything may be left
 * out but title and version, and then does the obvious, so that a logic is as long as it is unusual.
 * This is a whole plugin:
 *
 * ```js
 * import { logic, reject } from "hotlist-plugin";
 *
 * export const todoListLogic = logic({
 *   title: "Tidy",
 *   version: "1.0.0",
 *   check(entry) {
 *     if (entry.title.trim() === "") {
 *       reject("title-empty", "Give the entry a title.", "title");
 *     }
 *   },
 * });
 * ```
 *
 * Logic is pure: it knows its arguments and the `list`, and keeps nothing between two calls. The host
 * decides some commands twice. Where a logic answers differently, that command fails with an error, or is
 * decided by the last good version of the rules where there is one; a version that fails too often is
 * taken out of service by itself (quarantined).
 *
 * `Date.now()` is the command's time, `Math.random()` follows from its seed, and `console` writes lines on
 * the server's log. Logic is synchronous: there is nothing that it could wait for.
 */

/**
 * A day, as `"2026-11-23"`. Days compare with `<` as they follow each other.
 */
export type Day = string;

/**
 * The value of a field, a setting or an argument. By kind:
 *
 * | kind | value |
 * | --- | --- |
 * | `boolean` | `true` |
 * | `number` | `1.5`, always finite |
 * | `text` | `"any"`, at most 10,000 bytes |
 * | `date` | `"2026-11-23"` |
 * | `texts` | `["any", "other"]`, at most 1,000 |
 * | `entry` | `7`, the id of an entry of this list |
 * | `entries` | `[7, 8]`, at most 1,000 |
 */
export type Value = any;

/** The types of values, see {@link Value}. */
export type Kind = "boolean" | "number" | "text" | "date" | "texts" | "entry" | "entries";

/** What a logic says of one custom field, setting or argument. */
export interface Schema {
  /** What people call it. */
  title: string;
  kind: Kind;
  /** An argument that must be given. For fields and settings the host does not enforce it. */
  required?: boolean;
  /** For texts: the only values allowed. */
  choices?: string[];
}

/** An entry that a caller wants added: all but the id. */
export interface Draft {
  /** At most 1,000 characters. */
  title: string;
  date: Day | null;
  completed: boolean;
  /** Where a client wants the entry shown. The host stores it and does not sort by it. */
  order: number | null;
  /** The values of custom fields, by name. One that is not there is `undefined`. */
  fields: Record<string, Value>;
}

/** One thing to do, as the list holds it. */
export interface Entry extends Draft {
  /** Names the entry within its list. Ids start at 1, grow, and are never given twice. */
  id: number;
}

/** Everything about a command's circumstances that logic may depend on. */
export interface Context {
  /** Milliseconds since 1970-01-01T00:00:00Z, when the host took the command up. */
  now: number;
  /** The date at that moment in the server's time zone. */
  today: Day;
  /** How many minutes that zone is ahead of UTC at that moment; negative where it is behind. */
  utcOffset: number;
  /** Who asks: the name that an authenticating proxy vouched for, or `anonymous`; `hotlist` is the host itself. */
  caller: string;
  /** A random number, new for every command. `Math.random()` follows from it. */
  seed: number;
}

/** One step of what a command does to the list; made by {@link put}, {@link remove} and {@link set}. */
export type Change = { put: Partial<Entry> } | { remove: number } | { set: string; value: Value | null };

/** What a command answers: the changes in their order, or one, or nothing. All are applied, or none. */
export type Answer = Change | Change[] | void;

/** What a reader asks for. */
export interface Query {
  /** The view, or `null` for the plain list. */
  view: string | null;
  /** Only entries of that day. */
  date: Day | null;
  /** Only entries that are completed, or that are not. */
  completed: boolean | null;
  /** Only rows behind this entry, in the order of the answer; for the next page. */
  after: number | null;
  /** At most so many rows; 1 to 1,000. */
  limit: number;
}

/**
 * One entry in an answer: its id, or an entry, or an object that has values worked out for this
 * reading. Those are shown and never stored. They are booleans, numbers, texts, texts or entries, whichever they
 * look like; one that is `null` or `undefined` is left out.
 */
export type Row = number | { id: number; computed?: Record<string, Value> };

/** Rows under one heading. */
export interface Group<R extends Row = Row> {
  /** For programs; unique in the page. */
  name: string;
  /** For people. */
  title: string;
  /** Values worked out for the whole group. */
  computed?: Record<string, Value>;
  rows: R[];
}

/** The answer to a query: one unnamed group for a plain list, or as many as the view has. */
export interface Page<R extends Row = Row> {
  groups: Group<R>[];
  /** Whether more rows follow the last one. */
  more: boolean;
}

/** A command of the logic's own. */
export interface Command {
  title: string;
  /** What it takes, by name. */
  arguments?: Record<string, Schema>;
  /** The host has checked the arguments against their schemas, and that the list holds the entries they name. */
  run(args: Record<string, Value>, cx: Context): Answer;
}

/** A way to look at the list. */
export interface View {
  title: string;
  page(query: Query, cx: Context): Page;
}

/** What an author writes. Names of fields, settings, commands and views are lower-case words with hyphens. */
export interface Definition {
  /** What people call it. */
  title: string;
  /** What it does, in a sentence or two. */
  summary?: string;
  /** Its own version, as semantic versioning writes it. */
  version: string;
  /** The custom fields of its entries. */
  fields?: Record<string, Schema>;
  /** The settings of its lists. */
  settings?: Record<string, Schema>;
  commands?: Record<string, Command>;
  views?: Record<string, View>;
  /**
   * Whether an entry may become what `entry` is. It was `before`, or is being added where that is
   * `null`. The usual `add` and `update` ask here, so that a rule about entries is written once.
   */
  check?(entry: Entry, before: Entry | null, cx: Context): void;
  /** A caller wants an entry added. Usually it gets the next id, if `check` agrees. */
  add?(draft: Draft, cx: Context): Answer;
  /** A caller wants an entry changed to what `entry` is. Usually it is, if `check` agrees. */
  update?(entry: Entry, before: Entry, cx: Context): Answer;
  /** A caller wants an entry gone. Usually it goes. */
  delete?(entry: Entry, cx: Context): Answer;
  /** A caller wants settings set, which fit their schemas, or taken away, where they are `null`. Usually they are. */
  configure?(settings: Record<string, Value | null>, cx: Context): Answer;
  /** Answers readings that name no view. Usually the host does, from memory, which is much the cheapest. */
  entries?(query: Query, cx: Context): Page;
  /** When the list next wants to be woken, in milliseconds since the epoch; asked after every change. Usually never. */
  nextWakeUp?(cx: Context): number | null | undefined;
  /** That time has come. Usually nothing happens. */
  wake?(cx: Context): Answer;
  /** The list was kept by another logic until now, named as `todo@1.0.0`, and has the settings that came along. Usually it stays as it is. */
  migrate?(from: string, cx: Context): Answer;
}

/** Makes what a plugin exports as `todoListLogic`. */
export function logic(definition: Definition): object;

/** Adds an entry, or replaces the one of its id. Without an id it is a new one, and gets the next. */
export function put(entry: Partial<Entry> & { title: string }): Change;

/** Removes an entry, which must be there. */
export function remove(entry: Entry | number): Change;

/** Gives a setting a value, or takes it away where that is `null`. */
export function set(setting: string, value: Value | null): Change;

/**
 * Does not carry out what is asked.
 *
 * @param code For programs: lower-case words with hyphens, such as `title-empty`. Never reworded.
 * @param message For people: a sentence that says what to do.
 * @param field The attribute, field or argument at fault, where there is one.
 */
export function reject(code: string, message: string, field?: string): never;

/** The list that a call is about: read-only, and the same from the call's start to its end. */
export interface List {
  /** The entry of that id, if the list holds it. */
  get(id: number): Entry | undefined;
  /** The entries of one day, ids ascending. Costs what it returns, not what the list holds. */
  onDate(day: Day): Entry[];
  /** Up to `limit` entries with ids over `after`, ascending. A limit over 1,000 counts as 1,000. */
  scan(after: number, limit: number): Entry[];
  /** All entries with ids over `after`, ascending. Costs what is taken of it. */
  all(after?: number): Generator<Entry, void>;
  /** How many entries there are. Costs the same for any list. */
  count(): number;
  /** How many entries are not completed. Costs the same for any list. */
  countOpen(): number;
  /** The id that the next new entry gets. */
  nextId(): number;
  /** The list's settings, by name. */
  settings(): Record<string, Value>;
  /** One setting, if it has a value. */
  setting(name: string): Value | undefined;
}

export const list: List;

/** Whether an entry is among those that a query asks for, by date and completion. */
export function matches(entry: Entry, query: Query): boolean;

/** The plain answer to a query, whatever view it names: ids ascending, filtered by date and completion. */
export function plainPage(query: Query): Page;

/**
 * The page that a query asks for of a whole view: the rows behind `after`, and no more than `limit`. The
 * groups hold all rows in their order, filtered by {@link matches} already. They stay, also without rows.
 * Rejects a query whose `after` is not in the view any more.
 *
 * Meant for lists that people read: it costs what the whole view costs, for every page.
 */
export function cutPage<R extends Row>(groups: Group<R>[], query: Query): Page<R>;

/** The day so many days later, or earlier if there are fewer than none. */
export function plusDays(day: Day, days: number): Day;

/** The same day so many months later; the month's last where it has no such day. */
export function plusMonths(day: Day, months: number): Day;

/** How many days it is from one day to another; negative where that is earlier. */
export function daysBetween(from: Day, to: Day): number;

/** The day of the week: 1 for Monday to 7 for Sunday, as ISO 8601 counts. */
export function weekday(day: Day): number;

/** When a day begins, in milliseconds since the epoch, where clocks are `utcOffset` minutes ahead of UTC. */
export function beginningOf(day: Day, utcOffset: number): number;

/** The day that it is at a moment, in milliseconds since the epoch, where clocks are `utcOffset` minutes ahead of UTC. */
export function dayAt(now: number, utcOffset: number): Day;

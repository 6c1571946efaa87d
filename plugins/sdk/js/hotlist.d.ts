/**
 * Write list logic for Hotlist in JavaScript.
 *
 * A logic defines which commands a list accepts and what they change. Only title and version are required.
 * All else has a default, so a logic contains only what differs. This is a complete plugin:
 *
 * ```js
 * import { logic, reject } from "hotlist-plugin";
 *
 * export const todoListLogic = logic({
 *   title: "Tidy",
 *   version: "1.0.0",
 *   check(cx, entry) {
 *     if (entry.title.trim() === "") {
 *       reject("title-empty", "Give the entry a title.", "title");
 *     }
 *   },
 * });
 * ```
 *
 * Logic is pure: an answer depends on the arguments and the `list`, and no state outlives a call. The host
 * decides some commands twice. If the answers differ, the last-good version decides the command. If there is
 * none, the command fails with an error. A version that fails too often is quarantined.
 *
 * `Date.now()` is the command's time, `Math.random()` is seeded by the command, and `console` writes to the
 * server's log. Logic is synchronous and cannot use timers or promises.
 */

/**
 * A date, such as `"2026-11-23"`. Comparing dates as strings compares them in calendar order.
 */
export type Day = string;

/**
 * The value of a field, a setting or an argument, by kind:
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

/** The kinds of values, see {@link Value}. */
export type Kind = "boolean" | "number" | "text" | "date" | "texts" | "entry" | "entries";

/** The declaration of one custom field, setting or argument. */
export interface Schema {
  /** The name that users see. */
  title: string;
  kind: Kind;
  /** Whether an argument must be given. The host does not enforce it for fields and settings. */
  required?: boolean;
  /** For kinds `text` and `texts`: the only values allowed. */
  choices?: string[];
}

/** An entry that a caller asks to add, without an id. */
export interface Draft {
  /** At most 1,000 characters. */
  title: string;
  date: Day | null;
  completed: boolean;
  /** Where a client wants the entry shown. The host stores it and does not sort by it. */
  order: number | null;
  /** The values of custom fields, by name. A missing one is `undefined`. */
  fields: Record<string, Value>;
}

/** One thing to do, as stored in the list. */
export interface Entry extends Draft {
  /** Identifies the entry within its list. Ids start at 1, increase, and are never reused. */
  id: number;
}

/** The circumstances of a command. Logic depends on nothing else outside its list and arguments. */
export interface Context {
  /** Milliseconds since 1970-01-01T00:00:00Z, when the host started to decide the command. */
  now: number;
  /** The date at `now` in the server's time zone. */
  today: Day;
  /** The offset of that zone from UTC at `now`, in minutes; positive east of Greenwich. */
  utcOffset: number;
  /** The caller's name from an authenticating proxy, or `anonymous`. It is `hotlist` for calls by the host itself. */
  caller: string;
  /** A random number, new for each command. It seeds `Math.random()`. */
  seed: number;
}

/** One change of the list, made by {@link put}, {@link remove} and {@link set}. */
export type Change = { put: Partial<Entry> } | { remove: number } | { set: string; value: Value | null };

/** The answer to a command: an array of changes, one change, or nothing. All changes are applied, or none. */
export type Answer = Change | Change[] | void;

/** A read request. */
export interface Query {
  /** The view, or `null` for the plain list. */
  view: string | null;
  /** Only entries of that day. */
  date: Day | null;
  /** Only entries that are completed, or that are not. */
  completed: boolean | null;
  /** Only rows after this entry, in the order of the answer. Used to read the next page. */
  after: number | null;
  /** The most rows to return; 1 to 1,000. */
  limit: number;
}

/**
 * One entry in a page: its id, an entry, or an object with values computed for this read. Computed values are
 * shown and never stored. Their kind is derived from the value. `null` and `undefined` are left out.
 */
export type Row = number | { id: number; computed?: Record<string, Value> };

/** Rows under one heading. */
export interface Group<R extends Row = Row> {
  /** For programs; unique in the page. */
  name: string;
  /** For users. */
  title: string;
  /** Values computed for the whole group. */
  computed?: Record<string, Value>;
  rows: R[];
}

/** The answer to a query: one unnamed group for a plain list, or the groups of the view. */
export interface Page<R extends Row = Row> {
  groups: Group<R>[];
  /** Whether more rows follow the last one. */
  more: boolean;
}

/** A command that the logic adds. */
export interface Command {
  title: string;
  /** Its arguments, by name. */
  arguments?: Record<string, Schema>;
  /** Decides the command. The host has checked the arguments against their schemas, and that the list holds the entries that they name. */
  run(cx: Context, args: Record<string, Value>): Answer;
}

/** A view of the list. */
export interface View {
  title: string;
  page(cx: Context, query: Query): Page;
}

/** The definition of a logic. Names of fields, settings, commands and views are lower-case words with hyphens. */
export interface Definition {
  /** The name that users see. */
  title: string;
  /** What the logic does, in a sentence or two. */
  summary?: string;
  /** The version of the logic, in semantic versioning. */
  version: string;
  /** The custom fields of entries. */
  fields?: Record<string, Schema>;
  /** The settings of lists. */
  settings?: Record<string, Schema>;
  commands?: Record<string, Command>;
  views?: Record<string, View>;
  /**
   * Checks whether an entry may become `entry`. It was `before`, or is being added if that is `null`. The
   * default `add` and `update` call it, so that a rule about entries is written once.
   */
  check?(cx: Context, entry: Entry, before: Entry | null): void;
  /** Decides the addition of an entry. By default it gets the next id if `check` accepts it. */
  add?(cx: Context, draft: Draft): Answer;
  /** Decides the change of `before` to `entry`. By default it is made if `check` accepts it. */
  update?(cx: Context, entry: Entry, before: Entry): Answer;
  /** Decides the deletion of an entry. By default it is removed. */
  delete?(cx: Context, entry: Entry): Answer;
  /** Decides a change of settings, which match their schemas; `null` removes one. By default they are set or removed. */
  configure?(cx: Context, settings: Record<string, Value | null>): Answer;
  /** Answers reads that name no view. By default the host does, from memory, which is by far the cheapest. */
  entries?(cx: Context, query: Query): Page;
  /** The time of the next wake-up, in milliseconds since the epoch. Called after every change. By default never. */
  nextWakeUp?(cx: Context): number | null | undefined;
  /** Decides what happens at the time of a wake-up. By default nothing changes. */
  wake?(cx: Context): Answer;
  /** Migrates a list from the logic and version `from`, such as `todo@1.0.0`. Settings of the same request are set already. By default the values are taken away that this logic does not declare, or declares in another way. */
  migrate?(cx: Context, from: string): Answer;
}

/** Creates the object that a plugin exports as `todoListLogic`. */
export function logic(definition: Definition): object;

/** Adds an entry, or replaces the one with its id. An entry without an id is new and gets the next one. */
export function put(entry: Partial<Entry> & { title: string }): Change;

/** Removes an entry, which must exist. */
export function remove(entry: Entry | number): Change;

/** Sets a setting, or removes it if the value is `null`. */
export function set(setting: string, value: Value | null): Change;

/**
 * Refuses the command.
 *
 * @param code For programs: lower-case words with hyphens, such as `title-empty`. It never changes.
 * @param message For users: a sentence that says what to do.
 * @param field The attribute, field or argument that caused the rejection, if there is one.
 */
export function reject(code: string, message: string, field?: string): never;

/** The list of a call. It is read-only and does not change during the call. */
export interface List {
  /** The entry with that id, if the list holds it. */
  get(id: number): Entry | undefined;
  /** The entries of one day, ids ascending. The cost depends on the entries returned, not on the list's size. */
  onDate(day: Day): Entry[];
  /** Up to `limit` entries with ids over `after`, ascending. A limit over 1,000 counts as 1,000. */
  scan(after: number, limit: number): Entry[];
  /**
   * An iterator over all entries with ids over `after`, ascending. Only consumed entries are read. A list with more than
   * 5,000 entries is read up to the 1,000th, and one with more than 250,000 characters of titles and texts up to these.
   * After that the command is rejected, because it would run out of fuel.
   */
  all(after?: number): Generator<Entry, void>;
  /** The number of entries. The cost is constant. */
  count(): number;
  /** The number of entries that are not completed. The cost is constant. */
  countOpen(): number;
  /** The id that the next new entry gets. */
  nextId(): number;
  /** The list's settings, by name. */
  settings(): Record<string, Value>;
  /** One setting, if it has a value. */
  setting(name: string): Value | undefined;
}

export const list: List;

/** Whether an entry matches a query's date and completion. */
export function matches(entry: Entry, query: Query): boolean;

/** The plain page of a query, whichever view it names: ids ascending, filtered by date and completion. */
export function plainPage(query: Query): Page;

/**
 * Cuts the requested page out of a whole view: the rows after `query.after`, at most `query.limit`. The groups
 * hold all rows in order, filtered by {@link matches} already. Groups without rows are kept. If the entry
 * `after` is not in the view, it rejects the query.
 *
 * Each page costs as much as the whole view, so this suits lists of a size that people read.
 */
export function cutPage<R extends Row>(groups: Group<R>[], query: Query): Page<R>;

/** The date `days` later, or earlier if `days` is negative. */
export function plusDays(day: Day, days: number): Day;

/** The same day `months` later, or that month's last day if it is shorter. */
export function plusMonths(day: Day, months: number): Day;

/** The number of days from one date to another; negative if the second is earlier. */
export function daysBetween(from: Day, to: Day): number;

/** The day of the week in ISO 8601: 1 for Monday to 7 for Sunday. */
export function weekday(day: Day): number;

/** The start of a day in milliseconds since the epoch, in a zone `utcOffset` minutes ahead of UTC. */
export function beginningOf(day: Day, utcOffset: number): number;

/** The date at `now`, in milliseconds since the epoch, in a zone `utcOffset` minutes ahead of UTC. */
export function dayAt(now: number, utcOffset: number): Day;

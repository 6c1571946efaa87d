/**
 * A list for tests of rules, run by Node.js without a component, so that a debugger can step through them:
 *
 *     node --import ./sdk/testing/register.js --test
 */

import { Context, Draft, Entry, Page, Value } from "./hotlist";

/** A context for tests: an anonymous caller at noon on 23 November 2026, in UTC; or with what is given. */
export function context(given?: Partial<Context>): Context;

/** Why the rules refuse a command. */
export interface Rejection {
  code: string;
  message: string;
  field: string | null;
}

/**
 * A list of some rules. It asks them as the host does, checks their answers against their description as strictly as the
 * host, and applies them. A decision returns the rejection, or nothing when it was applied. What the host would
 * refuse, and an answer that breaks the contract, is an Error.
 */
export class TestList {
  /** An empty list of the rules that a plugin exports as `todoListLogic`. */
  static of(logic: object): TestList;
  /** Adds an entry without asking the rules. Its fields may be those of other rules, for a migration. */
  with(draft: Partial<Draft> & { title: string }): this;
  /** Sets a setting without asking the rules. */
  withSetting(name: string, value: Value): this;
  get(id: number): Entry | undefined;
  /** All entries, ids ascending. */
  all(): Entry[];
  setting(name: string): Value | undefined;
  add(draft: Partial<Draft> & { title: string }, cx?: Context): Rejection | undefined;
  /** `null` takes a date, an order or a field away. */
  update(id: number, patch: Partial<Draft>, cx?: Context): Rejection | undefined;
  delete(id: number, cx?: Context): Rejection | undefined;
  command(name: string, args?: Record<string, Value>, cx?: Context): Rejection | undefined;
  configure(settings: Record<string, Value | null>, cx?: Context): Rejection | undefined;
  wake(cx?: Context): Rejection | undefined;
  migrate(from: string, cx?: Context): Rejection | undefined;
  nextWakeUp(cx?: Context): number | null;
  /** A page of a view, or of the plain list without a name. A rejection is thrown. */
  view(name: string | null, query?: { date?: string; completed?: boolean; after?: number; limit?: number }, cx?: Context): Page;
}

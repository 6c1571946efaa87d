// Logic that logs every value that a console accepts: well-formed ones, as authors do, and malformed ones.

import { logic } from "hotlist-plugin";

const MEMBERS = `assert clear count countReset debug dir dirxml error group groupCollapsed groupEnd info log table
  time timeEnd timeLog trace warn`.split(/\s+/);

const circular = { name: "circle" };
circular.self = circular;

const deep = [];
for (let at = deep, depth = 0; depth < 100_000; depth += 1) {
  at.push([]);
  at = at[0];
}

const { proxy, revoke } = Proxy.revocable({}, {});
revoke();

const nasty = {
  get it() {
    throw new Error("a getter");
  },
  toString() {
    throw new Error("a text");
  },
};

const nasties = [circular, deep, proxy, nasty, Object.create(null), Symbol("s"), 7n, { n: 7n }, undefined, null, NaN];
nasties.push("\ud800", () => {}, Object.assign(new Error("an error"), { stack: nasty }), new Map([[1, circular]]));

export const todoListLogic = logic({
  title: "Loud",
  version: "1.0.0",
  check: (cx, entry) => (entry.title === "well" ? sayWell() : sayBadly()),
});

function sayWell() {
  console.log(circular);
  console.info("%s has %d of %o%%", "box", 3.7, { a: 1 }, "left");
  console.group("group");
  console.debug("inside\ntoo");
  console.groupEnd();
  console.warn("outside");
  console.count("twice");
  console.count("twice");
  console.countReset("twice");
  console.count("twice");
  console.time("timer");
  console.timeEnd("timer");
  console.timeLog("timer");
  console.assert(true, "never said");
  console.assert(false, "not so");
  console.table([{ a: 1, b: "two" }, { a: 10 }, 5]);
  console.error("half \ud800");
  // Last, because its stack may reach the limit on lines.
  console.trace("here");
}

function sayBadly() {
  for (const name of MEMBERS) {
    console[name]();
    for (const thing of nasties) {
      console[name](thing);
      console[name](thing, thing);
      console[name]("%s %d %i %f %o %O %c %%", thing, thing, thing, thing, thing, thing, thing);
    }
  }
}

// Tests of the rules without a component: npm test. A debugger can step through them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TestList } from "hotlist-plugin/testing";
import { todoListLogic } from "../src/logic.js";

test("a fourth urgent entry is refused", () => {
  const list = TestList.of(todoListLogic);
  for (const title of ["Roof", "Door", "Window"]) {
    assert.equal(list.add({ title, fields: { urgent: true } }), undefined);
  }
  assert.equal(list.add({ title: "Cellar", fields: { urgent: true } })?.code, "too-urgent");
  assert.equal(list.add({ title: "Cellar" }), undefined);
});

test("calming down leaves nothing urgent", () => {
  const list = TestList.of(todoListLogic).with({ title: "Roof", fields: { urgent: true } }).with({ title: "Door" });
  assert.equal(list.command("calm-down"), undefined);
  assert.deepEqual(list.view("urgent").groups.map(({ rows }) => rows.length), [0, 2]);
});

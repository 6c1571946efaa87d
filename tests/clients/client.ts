// A program on the client that openapi-typescript generates: what it cannot say in strict TypeScript is a fault of the
// document.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Change = components["schemas"]["Change"];

const [url, component] = process.argv.slice(2);
assert(url && component);
const client = createClient<paths>({ baseUrl: url });
const list = { path: { list: "typescript & co/1" } };

// The type of each change is known by its tag. A change without a case here is an error of the compiler.
function described(change: Change): string {
    switch (change.type) {
        case "put":
            return `put ${change.entry.title}`;
        case "remove":
            return `remove ${change.id}`;
        case "set":
            return `set ${Object.keys(change.settings)}`;
        case "unset":
            return `unset ${change.setting}`;
        case "bind-logic":
            return `bind to ${change.logic}`;
        case "pin":
            return `pin to ${change.pin ?? "none"}`;
        case "delete-list":
            return "delete";
    }
}

// Uploads a component.
const bytes = await readFile(component);
const uploaded = await client.PUT("/logic/{name}", {
    params: { path: { name: "board-ts" } },
    body: "",
    // The generated type of bytes is a text.
    bodySerializer: () => bytes,
    headers: { "content-type": "application/wasm" },
});
assert.equal(uploaded.response.status, 201, JSON.stringify(uploaded.error));
assert.match(uploaded.data?.digest ?? "", /^sha256:/);
const logic = await client.GET("/logic/{name}", { params: { path: { name: "board-ts" } } });
assert.equal(logic.data?.state satisfies "live" | "quarantined" | "retained" | "failed" | undefined, "live");
const kinds = logic.data?.description?.fields.map(({ name, kind }) => `${name}: ${kind satisfies "text" | string}`);
assert(kinds?.includes("column: text"), String(kinds));

// Sends and reads custom fields.
const settings = { columns: ["Todo", "Doing", "Done"] };
const created = await client.PUT("/lists/{list}", { params: list, body: { logic: "board-ts", settings } });
assert.equal(created.response.status, 201, JSON.stringify(created.error));
const added = await client.POST("/lists/{list}/entries", {
    params: { ...list, header: { "Idempotency-Key": "ts-1" } },
    body: { title: "Paint", fields: { column: "Doing" } },
});
assert.equal(added.response.status, 201, JSON.stringify(added.error));
const id = added.data?.id;
assert(id !== undefined && added.data?.fields["column"] === "Doing");
const path = { ...list.path, id };
const changed = await client.PATCH("/lists/{list}/entries/{id}", {
    params: { path },
    body: { fields: { column: "Todo" }, date: null },
});
assert.equal(changed.data?.fields["column"], "Todo", JSON.stringify(changed.error));

// Runs a command.
const moved = await client.POST("/lists/{list}/commands/{name}", {
    params: { path: { ...list.path, name: "move" } },
    body: { entry: id, column: "Done" },
});
assert.equal(moved.data?.entries[0]?.completed, true, JSON.stringify(moved.error));
const board = await client.GET("/lists/{list}/views/{name}", { params: { path: { ...list.path, name: "board" } } });
assert(board.data?.groups.some(({ computed }) => Object.keys(computed).length > 0), JSON.stringify(board.error));

// Reads the history.
const history = await client.GET("/lists/{list}/history", { params: { ...list, query: { limit: 10 } } });
const changes = (history.data ?? []).flatMap((revision) => revision.changes ?? []).map(described);
assert(changes.includes("bind to board-ts") && changes.includes("put Paint"), String(changes));
assert.equal(history.data?.at(1)?.command, "add-entry");

// Problems are typed, too.
const refused = await client.POST("/lists/{list}/entries", { params: list, body: { title: "", fields: { nope: 1 } } });
assert.equal(refused.error?.type, "urn:hotlist:problem:invalid");
console.log(`the client in TypeScript made ${changes.length} changes`);

// Write list logic for Hotlist in JavaScript. hotlist.d.ts documents each of these.

import "./src/globals.js";

export { put, reject, remove, set } from "./src/changes.js";
export { beginningOf, dayAt, daysBetween, plusDays, plusMonths, weekday } from "./src/dates.js";
export { list } from "./src/list.js";
export { logic } from "./src/logic.js";
export { cutPage, matches, plainPage } from "./src/page.js";

// Lets Node.js run the rules of a plugin without a component:
//
//   node --import ./sdk/testing/register.js --test
//
// The host's interfaces are replaced by those of a test, and JSON files can be imported as a bundler imports them.

import { register } from "node:module";

register("./hooks.js", import.meta.url);

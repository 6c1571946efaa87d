// How Node.js resolves and loads the modules of a plugin in a test.

import { readFile } from "node:fs/promises";

const HOST = /^hotlist:logic\/(current-list|log)@/;

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  const host = HOST.exec(specifier);
  if (host) {
    return { url: new URL(`./${host[1]}.js`, import.meta.url).href, shortCircuit: true };
  }
  return next(specifier, context);
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  if (!url.endsWith(".json")) {
    return next(url, context);
  }
  const value = JSON.parse(await readFile(new URL(url), "utf8"));
  const names = Object.keys(value).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== "default");
  const members = names.map((name) => `const ${name}_ = value[${JSON.stringify(name)}]; export { ${name}_ as ${name} };`);
  const source = `const value = ${JSON.stringify(value)}; export default value; ${members.join(" ")}`;
  return { format: "module", source, shortCircuit: true };
}

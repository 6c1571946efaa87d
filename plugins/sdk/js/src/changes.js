// Constructors of answers: changes and rejections.

/** @type {typeof import("../hotlist").put} */
export const put = (entry) => ({ put: entry });

/** @type {typeof import("../hotlist").remove} */
export const remove = (entry) => ({ remove: typeof entry === "object" ? entry.id : entry });

/** @type {typeof import("../hotlist").set} */
export const set = (setting, value) => ({ set: setting, value });

/** @type {typeof import("../hotlist").reject} */
export function reject(code, message, field) {
  // Not an Error: the engine would report that as a failure of the plugin.
  throw { code, message, field: field ?? null };
}

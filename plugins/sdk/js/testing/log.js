// The log of the host in a test: the console as it was before the SDK replaced it.

export const testConsole = globalThis.console;

export default { note: (/** @type {string} */ text) => testConsole.log(text) };

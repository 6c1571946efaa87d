// Globals that the engine lacks or implements in an impure way: `console` and `Math.random`.

import { begin as beginConsole } from "./console.js";

/** Where the random numbers of the call at hand have come to. */
let state = 0;

/**
 * Begins a call. The numbers of `Math.random` follow from the command's seed, so that a command that is
 * decided twice is decided alike. The engine's own would go on where the last command left them.
 *
 * @param {number} seed
 */
export function begin(seed) {
  beginConsole();
  // The engine rounds the seed to 53 bits, which loses low bits. Both halves are used.
  state = (Math.floor(seed / 2 ** 32) ^ seed) | 0;
}

/** The generator mulberry32: one word of state, and good enough for whose turn it is. */
Math.random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

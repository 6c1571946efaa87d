// Requests to the server, the page's state, and small helpers that all other parts use.

const PAGE = 100; // entries, lists and revisions shown at first, and added by each "Show more"
const MAX_PAGE = 1000; // the server's limit for one response
const RETRY_DELAY = 2_000; // wait before a retry when the server did not answer or is overloaded
const MAX_RETRY_DELAY = 60_000; // the wait doubles up to this while the same fails again
const KEPT_KEY = 60_000; // how long a write of unknown outcome keeps its idempotency key: the same write later is another one

const find = (id) => document.getElementById(id);
const pause = (time) => new Promise((done) => setTimeout(done, time));
const retryDelay = (failures) => Math.min(RETRY_DELAY * 2 ** failures, MAX_RETRY_DELAY);
const listPath = (name) => `/lists/${encodeURIComponent(name)}`;
const sameJson = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function make(tag, properties = {}, ...children) {
  const { data, ...others } = properties;
  const element = Object.assign(document.createElement(tag), others);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

// What the page shows: the list's name or null, the list's representation if it exists, its logic, the description of the
// version that decides, the view or null, the groups of entries, the query of the next page of entries or null, entries of this window after that page, and the limit
// on entries.
const state = { name: null, list: null, rules: null, described: null, view: null, groups: [], next: null, added: new Map(), shown: PAGE };
const description = () => state.described ?? state.rules?.description ?? { fields: [], settings: [], commands: [], views: [] };

class Problem extends Error {
  constructor({ detail, title, field, status = 0 }) {
    super(detail ?? title ?? "The request failed. The response gives no reason.");
    Object.assign(this, { field, status });
  }
}

// Idempotency keys of writes whose outcome is unknown. A retry of the same write sends the same key, so
// that the server applies it once.
const unconfirmedKeys = new Map(); // by write, with the time of its last attempt

function keyOf(write) {
  const now = performance.now();
  for (const [other, { at }] of unconfirmedKeys) if (now - at > KEPT_KEY) unconfirmedKeys.delete(other);
  const key = unconfirmedKeys.get(write)?.key ?? newKey();
  unconfirmedKeys.set(write, { key, at: now });
  return key;
}

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const AWAY = new Set([502, 503, 504]); // what proxies answer while the server is away

// Sends a request. `base` is the revision that a write is for; if the list is at another one, the answer is a 412.
async function send(method, path, body, base) {
  const headers = {};
  const write = `${method} ${path} ${base} ${JSON.stringify(body)}`;
  if (base !== undefined) headers["if-match"] = `"${base}"`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") headers["idempotency-key"] = keyOf(write);
  let response, answer;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
    const isJson = response.headers.get("content-type")?.includes("json");
    answer = isJson ? await response.json() : null;
    // A proxy answers instead of the server.
    if (AWAY.has(response.status) && answer?.type === undefined) throw new Error("a proxy has no server");
  } catch {
    setReachable(false);
    const detail = "The server does not answer, and the change may or may not be saved. It is safe to try again.";
    throw new Problem({ detail });
  }
  setReachable(true);
  if (response.status < 500) unconfirmedKeys.delete(write);
  const decider = response.headers.get("hotlist-logic");
  if (decider && state.name !== null && path.startsWith(`${listPath(state.name)}/`)) noteDecider(decider);
  const isForeign = answer?.type === "urn:hotlist:problem:cross-origin";
  if ((response.status === 401 || response.status === 403) && !isForeign) {
    const text = `The server does not know who you are: ${answer?.detail ?? "sign in again."}`;
    toast("signed-out", text, "Reload", () => location.reload());
  } else {
    closeToast("signed-out");
  }
  if (response.ok && (answer !== null || response.status === 204)) {
    const next = /<[^>?]*\?([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    const revision = Number(/^"(\d+)[+"-]/.exec(response.headers.get("etag") ?? "")?.[1]);
    return { answer, next, revision };
  }
  if (answer) throw new Problem({ ...answer, status: response.status });
  const detail = `The response (${response.status}) did not come from Hotlist. Reload the page.`;
  throw new Problem({ detail, status: response.status });
}

// The items of a page: lists, entries or revisions, or the entries of a view.
const itemsOf = (answer) => (answer.groups ? answer.groups.flatMap(({ entries }) => entries) : answer);

// Follows `next` links until `count` items are read. A link is the query of the next page. A page may hold fewer
// items than asked for, because it also ends by its bytes. Answers with the pages, and the query of the next one or null.
async function readPages(resource, query, count) {
  const answers = [];
  let next = query;
  for (let left = count; next !== null && left > 0;) {
    const parameters = new URLSearchParams(next);
    parameters.set("limit", Math.min(left, MAX_PAGE));
    const page = await send("GET", `${resource}?${parameters}`);
    answers.push(page.answer);
    left -= itemsOf(page.answer).length;
    next = page.next ?? null;
  }
  return { answers, next };
}

// Wraps a task so that it never runs concurrently with itself. Calls during a run are coalesced into one
// further run after it.
function coalesce(task) {
  let running = null, again = false;
  return () => {
    again = running !== null;
    running ??= (async () => {
      try {
        await task();
        while (again) {
          again = false;
          await pause(100);
          await task();
        }
      } finally {
        running = null;
      }
    })();
    return running;
  };
}

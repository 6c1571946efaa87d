// Asking the server, and what every other part of the script needs.

const PAGE = 100; // entries, lists and revisions shown until somebody asks for more
const MOST = 1000; // the most that the server gives at once
const RETRY = 2_000; // how soon is tried again what failed for want of a server
const POLL = 10_000; // how often is asked for what no event tells: the other lists, and the rules

const find = (id) => document.getElementById(id);
const pause = (time) => new Promise((done) => setTimeout(done, time));
const root = (name) => `/lists/${encodeURIComponent(name)}`;
const sameJson = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function make(tag, properties = {}, ...children) {
  const { data, ...others } = properties;
  const made = Object.assign(document.createElement(tag), others);
  Object.assign(made.dataset, data);
  made.append(...children);
  return made;
}

// What is shown: the list's name or null, its description if it exists, its rules, the view or null,
// the entries in their groups, and how many at the most.
const state = { name: null, list: null, rules: null, view: null, shapes: [], shown: PAGE, lists: PAGE };
const description = () => state.rules?.description ?? { fields: [], settings: [], commands: [], views: [] };

class Problem extends Error {
  constructor({ detail, title, field, status = 0 }) {
    super(detail ?? title ?? "Something went wrong, and the answer does not say what.");
    Object.assign(this, { field, status });
  }
}

// The keys of writes of which nobody knows whether they were carried out. Trying again takes the
// same key, so that nothing is done twice.
const unsure = new Map();

function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function ask(method, path, body) {
  const headers = {};
  const write = `${method} ${path} ${JSON.stringify(body)}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET") {
    if (!unsure.has(write)) unsure.set(write, newKey());
    headers["idempotency-key"] = unsure.get(write);
  }
  let response, answer;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
    const isJson = response.headers.get("content-type")?.includes("json");
    answer = isJson ? await response.json() : null;
  } catch {
    reachable(false);
    const detail = "The server does not answer. Whether this was done is not known; it is safe to try again.";
    throw new Problem({ detail });
  }
  reachable(true);
  if (response.status < 500) unsure.delete(write);
  const decider = response.headers.get("hotlist-logic");
  if (decider && state.name !== null && path.startsWith(`${root(state.name)}/`)) heard(decider);
  if (response.status === 401 || response.status === 403) {
    const text = `The server does not know who you are: ${answer?.detail ?? "sign in again."}`;
    notice("signed-out", text, "Reload", () => location.reload());
  } else {
    unnotice("signed-out");
  }
  if (response.ok && (answer !== null || response.status === 204)) {
    const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    const revision = Number(/^"(\d+)"$/.exec(response.headers.get("etag") ?? "")?.[1]);
    return { answer, next, revision };
  }
  if (answer) throw new Problem({ ...answer, status: response.status });
  const detail = `The answer (${response.status}) did not come from Hotlist. Reload the page.`;
  throw new Problem({ detail, status: response.status });
}

// The items of as many pages as it takes to have so many, and whether there are more.
async function pages(path, count) {
  const answers = [];
  let next = `${path}${path.includes("?") ? "&" : "?"}limit=${Math.min(count, MOST)}`;
  for (let left = count; next && left > 0; left -= MOST) {
    const page = await ask("GET", next);
    answers.push(page.answer);
    next = page.next;
  }
  return { answers, more: Boolean(next) };
}

// A task that never runs twice at a time: who asks for it while it runs gets one more run behind it.
function once(task) {
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

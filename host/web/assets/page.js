// The page: the lists on the left, one of them on the right, as it changes.
//
// Nothing is decided here. Every change is asked of the server, whose answer comes from the rules of
// the list; what they refuse is said where it was tried. After a change the page reads the list anew,
// be the change its own or another's, so that there is one way from the server's state to the screen.
// Whatever people or rules wrote becomes text, never markup.

// --- The lists ---

function showLists({ answers, more }) {
  const lists = answers.flat();
  const link = (list) => {
    const name = make("span", { textContent: list.name });
    const count = make("span", { className: "count", textContent: list.open });
    count.title = `${list.open} open of ${list.entries}`;
    const made = make("a", { href: addressOf(list.name, null) }, name, count);
    if (list.name === state.name) made.setAttribute("aria-current", "page");
    return made;
  };
  // Links are made anew only when there is something new, so that the focus stays where it is.
  const now = JSON.stringify([state.name, lists.map(({ name, open, entries }) => [name, open, entries])]);
  if (now !== find("lists").dataset.now) {
    const focused = find("lists").contains(document.activeElement) ? document.activeElement.hash : null;
    find("lists").replaceChildren(...lists.map((list) => make("li", {}, link(list))));
    find("lists").dataset.now = now;
    if (focused) [...find("lists").querySelectorAll("a")].find((made) => made.hash === focused)?.focus();
  }
  find("lists-more").hidden = !more;
  find("lists-empty").hidden = lists.length > 0;
  document.body.classList.toggle("first", lists.length === 0 && state.name === null);
  find("welcome-first").hidden = lists.length > 0;
  find("welcome-choose").hidden = lists.length === 0;
}

// What people call a logic, with its name where that says more.
function called(name, live) {
  const title = live?.title || name;
  return title.toLowerCase() === name ? title : `${title} (${name})`;
}

function showLogics(logics) {
  const now = JSON.stringify(logics.map(({ name, live, failure }) => [name, live?.digest, failure]));
  if (find("logics").dataset.now !== now) {
    find("logics").dataset.now = now;
    find("logics").replaceChildren(...logics.map(({ name, live, failure }) => {
      const version = make("span", { className: "version", textContent: live ? live.version : "not loaded" });
      const item = make("li", {}, `${called(name, live)} `, version);
      const textContent = live ? "A newer version was not taken" : "It was not taken";
      if (failure) item.append(make("details", {}, make("summary", { textContent }), failure));
      return item;
    }));
  }
  const choices = logics.filter(({ live }) => live);
  const select = find("create-logic");
  const names = ["", ...choices.map(({ name }) => name)];
  select.hidden = choices.length < 2;
  if (sameJson(names, [...select.options].map((option) => option.value))) return;
  const chosen = select.value;
  const options = choices.map(({ name, live }) => new Option(called(name, live), name));
  select.replaceChildren(new Option("Usual rules", ""), ...options);
  select.value = names.includes(chosen) ? chosen : "";
}

const readSide = once(async () => {
  try {
    const [lists, logics] = await Promise.all([pages("/lists", state.lists), ask("GET", "/logic")]);
    showLists(lists);
    showLogics(logics.answer);
    const mine = logics.answer.find(({ name }) => name === state.rules?.name);
    const standing = (rules) => [rules.live?.digest, rules.failure];
    if (mine && !sameJson(standing(mine), standing(state.rules))) await readRules(mine.name);
  } catch (problem) {
    if (problem.status > 0) notice("side", problem.message, "Dismiss");
  }
});

find("create").onsubmit = async (event) => {
  event.preventDefault();
  const input = find("create-name"), logic = find("create-logic").value;
  const name = input.value.trim();
  const created = await act(find("create"), async () => {
    if (name === "") throw new Problem({ detail: "A list needs a name.", field: "name" });
    // Naming a list that is there opens it: it is not handed to other rules in passing.
    if (await describe(name) === null) await ask("PUT", root(name), logic ? { logic } : {});
  });
  if (!created) return;
  input.value = "";
  location.hash = addressOf(name, null);
  readSide();
};
find("lists-more").onclick = () => { state.lists += PAGE; readSide(); };

// --- The list ---

// What the server says of a list; null if there is none of that name.
async function describe(name) {
  try {
    return (await ask("GET", root(name))).answer;
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}

// What there is to see and do only when the list is there.
const ONLY_OF_LISTS = ["tools", "rules", "settings", "delete", "history-open"];

const refresh = once(async () => {
  const { name, view } = state;
  if (name === null) return;
  try {
    const list = await describe(name);
    if (name !== state.name) return;
    state.list = list;
    if (list && state.rules?.name !== list.logic) {
      // The first rules, or another logic's: a view that they do not have is left.
      await readRules(list.logic);
    }
    const { shapes, more } = await readEntries();
    const entries = shapes.flatMap((shape) => shape.entries);
    learn(entries);
    await learnNamed([...shapes, ...entries]);
    if (name !== state.name || view !== state.view) return void refresh();
    showList(shapes, more);
    unsay(find("list"));
  } catch (problem) {
    if (problem.status > 0 && name === state.name) {
      // A view that is gone, or an entry to follow that is: what is there can still be shown.
      if (problem.status < 500 && state.view !== null) { leaveView(); refresh(); }
      say(find("list"), problem);
      if (problem.status === 503) setTimeout(refresh, RETRY);
    }
  }
});

function showList(shapes, more) {
  const { list, view } = state;
  const exists = list !== null;
  for (const id of ONLY_OF_LISTS) find(id).hidden = !exists;
  if (!exists) { find("rules-failure").hidden = true; find("add-fields").replaceChildren(); foldHistory(false); }
  if (exists && state.rules) showKeeper();
  const counts = list?.entries === 0 ? "no entries" : `${list?.open} open of ${list?.entries}`;
  find("counts").textContent = exists ? counts : "not made yet";
  state.shapes = shapes;
  showEntries(shapes);
  state.redraw = false;
  if (document.querySelector(CHOOSERS)) readChoosers();
  const none = shapes.every(({ entries }) => entries.length === 0);
  const title = description().views.find(({ name }) => name === view)?.title;
  find("empty").textContent = !exists ? "There is no list of this name. Its first entry makes it."
    : list.entries === 0 ? "Nothing here yet. Write above what is to be done, and press Enter. "
      + "Whoever opens this page’s address sees the same list."
    : `Nothing under “${title || view}”.`;
  find("empty").hidden = !none;
  find("more").hidden = !more;
  showHistory();
}

find("more").onclick = () => { state.shown += PAGE; refresh(); };

find("add").onsubmit = async (event) => {
  event.preventDefault();
  const form = find("add");
  let added = null;
  const done = await act(form, async () => {
    const { title, date } = valuesIn(form.querySelector(".line"));
    const fields = changed(valuesIn(find("add-fields")));
    const body = { title: title ?? "", ...(date && { date }), ...(Object.keys(fields).length > 0 && { fields }) };
    added = (await ask("POST", `${root(state.name)}/entries`, body)).answer;
    form.reset();
  });
  find("title").focus();
  if (!done) return;
  await refresh();
  readSide();
  if (added && !isShown(added.id)) tell("added", `“${added.title}” was added; it is not among what is shown.`);
};

// --- Following the list ---

let events = null;

function follow() {
  events?.close();
  events = null;
  const { name } = state;
  // Browsers open few connections to a server; a page that nobody sees leaves them to the others.
  if (name === null || document.hidden) return;
  const stream = events = new EventSource(`${root(name)}/events`);
  const mine = () => stream === events;
  let lost = null;
  const live = () => {
    clearTimeout(lost);
    lost = null;
    find("live").dataset.state = "live";
    find("live").textContent = "live";
  };
  stream.onopen = live;
  // Nobody told of what changed while the page did not listen.
  const anew = () => { forget(); refresh(); };
  stream.addEventListener("ready", anew);
  stream.addEventListener("reset", anew);
  stream.addEventListener("revision", ({ data }) => {
    const revision = JSON.parse(data);
    heard(revision.logic);
    learnChanges(revision.changes);
    if (revision.revision !== state.list?.revision) refresh();
    soon();
  });
  stream.onerror = () => {
    if (!mine()) return;
    // A stream may end at any time, and is back in a moment. Only what lasts is worth a word.
    lost ??= setTimeout(() => {
      find("live").dataset.state = "lost";
      find("live").textContent = "reconnecting…";
      readSide();
    }, 4_000);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => mine() && follow(), 3_000);
  };
}

// The counts on the left follow, but a busy list does not have them read at every change.
let due = null;
function soon() {
  due ??= setTimeout(() => { due = null; readSide(); }, 1_000);
}

let polling = null;
function pollIn(time) {
  clearTimeout(polling);
  polling = setTimeout(poll, time);
}

async function poll() {
  if (!document.hidden) await readSide();
  pollIn(offline ? RETRY : POLL);
}

document.onvisibilitychange = () => {
  follow();
  if (!document.hidden) poll();
};

// --- Choosing a list ---

// A list's address, or that of a view of it.
function addressOf(name, view) {
  return `#${encodeURIComponent(name)}${view === null ? "" : `/${encodeURIComponent(view)}`}`;
}

// What an address says, the other way round; what was typed by hand is taken as it stands.
function chosen() {
  const parts = location.hash.slice(1).split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: parts[0] || null, view: parts[1] || null };
}

function open() {
  const { name, view } = chosen();
  if (name !== null && name === state.name) return void openView(view);
  Object.assign(state, { name, list: null, rules: null, view, shapes: [], shown: PAGE });
  forget();
  unnotice("undo");
  groups.clear();
  for (const id of ["entries", "views", "commands", "add-fields"]) find(id).replaceChildren();
  for (const id of [...ONLY_OF_LISTS, "empty", "more", "rules-failure"]) find(id).hidden = true;
  for (const id of ["add", "list", "tools"]) unsay(find(id));
  find("counts").textContent = find("live").textContent = "";
  delete find("tools").dataset.now;
  delete find("rules").dataset.fresh;
  find("add").reset();
  foldHistory(false);
  find("list").hidden = name === null;
  find("welcome").hidden = name !== null;
  document.body.classList.toggle("chosen", name !== null);
  document.title = name === null ? "Hotlist" : `${name} · Hotlist`;
  find("name").textContent = name ?? "";
  follow();
  refresh();
  readSide();
  // On a touch screen that would open the keyboard over the list.
  if (matchMedia("(hover: hover)").matches) (name === null ? find("create-name") : find("title")).focus();
}

function openView(view) {
  if (view === state.view) return;
  Object.assign(state, { view, shown: PAGE });
  showViews();
  refresh();
}

find("skip").onclick = (event) => { event.preventDefault(); find("main").focus(); };
addEventListener("hashchange", open);
open();
pollIn(POLL);

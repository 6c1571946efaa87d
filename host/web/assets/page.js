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
    const count = make("span", { className: "count", textContent: list.open, title: `${list.open} open of ${list.entries}` });
    const made = make("a", { href: `#${encodeURIComponent(list.name)}` }, make("span", { textContent: list.name }), count);
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

function showLogics(logics) {
  const now = JSON.stringify(logics.map(({ name, live, failure }) => [name, live?.digest, failure]));
  if (find("logics").dataset.now !== now) {
    find("logics").dataset.now = now;
    find("logics").replaceChildren(...logics.map(({ name, live, failure }) => {
      const version = make("span", { className: "version", textContent: live ? live.version : "not loaded" });
      const item = make("li", {}, `${live?.title || name} `, version);
      if (failure) item.append(make("details", {}, make("summary", { textContent: live ? "A newer version was not taken" : "It was not taken" }), failure));
      return item;
    }));
  }
  const choices = logics.filter(({ live }) => live);
  const select = find("create-logic");
  const names = ["", ...choices.map(({ name }) => name)];
  select.hidden = choices.length < 2;
  if (sameJson(names, [...select.options].map((option) => option.value))) return;
  const chosen = select.value;
  select.replaceChildren(new Option("Usual rules", ""), ...choices.map(({ name, live }) => new Option(live.title || name, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

const readSide = once(async () => {
  try {
    const [lists, logics] = await Promise.all([pages("/lists", state.lists), ask("GET", "/logic")]);
    showLists(lists);
    showLogics(logics.answer);
    const mine = logics.answer.find(({ name }) => name === state.rules?.name);
    if (mine && !(mine.live?.digest === state.rules.live?.digest && mine.failure === state.rules.failure)) await readRules(mine.name);
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
  location.hash = encodeURIComponent(name);
  readSide();
};
find("lists-more").onclick = () => { state.lists += PAGE; readSide(); };

// --- The rules ---

// What an answer or event says of who decided. When it is somebody new, the rules are read anew.
function heard(decider) {
  const { name, live } = state.rules ?? {};
  // An answer names only the beginning of the digest.
  if (!live || `${name}@${live.version}+${live.digest}`.startsWith(decider)) return;
  readRules(name).catch(() => {});
}

const short = (digest) => digest.replace(/^sha256:/, "").slice(0, 8);

async function readRules(name) {
  const { answer: rules } = await ask("GET", `/logic/${encodeURIComponent(name)}`);
  if (state.list?.logic !== name) return;
  const old = state.rules;
  state.rules = rules;
  state.redraw = true;
  showRules();
  if (old?.name !== name || old.live?.digest === rules.live?.digest || !rules.live) return;
  find("rules").dataset.fresh = "";
  const { title, version, digest } = rules.live;
  const other = old.live?.version !== version;
  notice("rules", `New rules are live: ${title} ${version}${other ? "" : ` (${short(digest)})`} decides from now on${other && old.live ? `, no longer ${old.live.version}` : ""}.`, "Dismiss", undefined, false);
  refresh();
}

function showRules() {
  const { name, live, failure, description: said } = state.rules;
  find("rules-name").textContent = live ? `${live.title || name} ${live.version}` : name;
  find("rules-digest").textContent = live ? short(live.digest) : "";
  find("rules-text").textContent = said?.summary ?? "";
  const counts = live ? `Changes made: ${live.accepted}; refused: ${live.rejected}${live.faults > 0 ? `; failed: ${live.faults}, the last time because ${live.last_fault}` : ""}.` : "";
  find("rules-since").textContent = live ? `Live since ${time(live.since)}, from ${live.source}. ${counts}` : "";
  const goesOn = live ? ` Version ${live.version} goes on deciding.` : " Nothing can be changed until it loads.";
  find("rules-failure").textContent = failure ? `A newer version of these rules was not taken: ${failure}${/[.!?]$/.test(failure) ? "" : "."}${goesOn}` : "";
  find("rules-failure").hidden = !failure;
  showTools();
}

// --- What the rules offer: views, commands, fields, settings ---

function showTools() {
  const { views, commands, fields } = description();
  if (!views.some(({ name }) => name === state.view)) state.view = null;
  const tab = ({ name, title }) => {
    const choose = () => { state.view = name; state.shown = PAGE; showViews(); refresh(); };
    return make("button", { type: "button", textContent: title || name, data: { view: name ?? "" }, onclick: choose });
  };
  // Made anew only when they differ, or the focus would be lost and what was typed with it.
  const now = JSON.stringify([state.name, views, commands, fields]);
  if (find("tools").dataset.now !== now) {
    find("tools").dataset.now = now;
    find("views").replaceChildren(tab({ name: null, title: "All" }), ...views.map(tab));
    find("commands").replaceChildren(...commands.map(commandButton));
    find("add-fields").replaceChildren(...fields.map((schema) => field(schema)));
  }
  showViews();
}

function showViews() {
  for (const tab of find("views").children) tab.ariaPressed = String(tab.dataset.view === (state.view ?? ""));
}

function commandButton({ name, title, arguments: schemas }) {
  const run = async (values) => {
    const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
    const { answer } = await ask("POST", `${root(state.name)}/commands/${encodeURIComponent(name)}`, given);
    await refresh();
    const did = [[answer.entries.length, "changed"], [answer.removed.length, "removed"]].filter(([count]) => count > 0);
    notice("command", `${title || name}: ${did.map(([count, what]) => `${count} ${what}`).join(", ") || "nothing to do"}.`, "Dismiss", undefined, false);
  };
  const consultFirst = () => consult({ title: title || name, fields: schemas.map((schema) => field(schema)), confirm: title || name, run });
  const onclick = () => (schemas.length > 0 ? consultFirst() : act(find("tools"), () => run({})));
  return make("button", { type: "button", className: "quiet", textContent: title || name, onclick });
}

find("settings").onclick = async () => {
  const { name, list } = state;
  const logics = await ask("GET", "/logic").then(({ answer }) => answer.filter(({ live }) => live), () => []);
  const rules = make("select", { name: "logic" }, ...logics.map((logic) => new Option(logic.live.title || logic.name, logic.name, false, logic.name === list.logic)));
  const own = make("div", { className: "fields" }, ...description().settings.map((schema) => field(schema, list.settings[schema.name])));
  const save = async () => {
    const logic = rules.value, settings = logic === list.logic ? changed(valuesIn(own), list.settings) : {};
    await ask("PUT", root(name), logic === list.logic ? { settings } : { logic });
    await refresh();
  };
  rules.onchange = () => { own.hidden = rules.value !== list.logic; };
  const fields = [make("label", {}, "Rules", rules), own];
  consult({ title: "Settings", text: "Other rules take the list as it is, and decide from the next change on.", fields, confirm: "Save", run: save });
};

find("delete").onclick = () => consult({
  title: `Delete “${state.name}”?`,
  text: `The list and its ${state.list.entries === 1 ? "entry" : `${state.list.entries} entries`} will be gone for everybody. This cannot be taken back.`,
  confirm: "Delete list",
  danger: true,
  run: async () => {
    await ask("DELETE", root(state.name));
    location.hash = "";
    readSide();
  },
});

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

const refresh = once(async () => {
  const { name, view } = state;
  if (name === null) return;
  try {
    const list = await describe(name);
    if (name !== state.name) return;
    state.list = list;
    if (list && state.rules?.name !== list.logic) {
      // Another logic keeps the list now: nothing of the last one's is valid.
      state.view = null;
      await readRules(list.logic);
    }
    const { shapes, more } = await readEntries();
    if (name !== state.name || view !== state.view) return void refresh();
    showList(shapes, more);
    unsay(find("list"));
  } catch (problem) {
    if (problem.status > 0 && name === state.name) {
      // A view that is gone, or an entry to follow that is: what is there can still be shown.
      if (problem.status < 500 && state.view !== null) { state.view = null; showViews(); refresh(); }
      say(find("list"), problem);
      if (problem.status === 503) setTimeout(refresh, RETRY);
    }
  }
});

function showList(shapes, more) {
  const { list, view } = state;
  const exists = list !== null;
  for (const id of ["tools", "rules", "settings", "delete", "history-open"]) find(id).hidden = !exists;
  if (!exists) { find("rules-failure").hidden = true; find("add-fields").replaceChildren(); foldHistory(false); }
  find("counts").textContent = exists ? (list.entries === 0 ? "no entries" : `${list.open} open of ${list.entries}`) : "not made yet";
  showEntries(shapes);
  state.redraw = false;
  const none = shapes.every(({ entries }) => entries.length === 0);
  const title = description().views.find(({ name }) => name === view)?.title;
  find("empty").textContent = !exists ? "There is no list of this name. Its first entry makes it."
    : list.entries === 0 ? "Nothing here yet. Write above what is to be done, and press Enter. Whoever opens this page’s address sees the same list."
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
  if (added && !isShown(added.id)) notice("added", `“${added.title}” was added; it is not among what is shown.`, "Dismiss", undefined, false);
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
  stream.addEventListener("ready", refresh);
  stream.addEventListener("reset", refresh);
  stream.addEventListener("revision", ({ data }) => {
    const revision = JSON.parse(data);
    heard(revision.logic);
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

function open() {
  let name = location.hash.slice(1);
  try {
    name = decodeURIComponent(name);
  } catch {
    // It is taken as it stands.
  }
  if (name === "") name = null;
  Object.assign(state, { name, list: null, rules: null, view: null, shown: PAGE });
  groups.clear();
  for (const id of ["entries", "views", "commands", "add-fields"]) find(id).replaceChildren();
  for (const id of ["empty", "more", "tools", "rules", "rules-failure", "settings", "delete", "history-open"]) find(id).hidden = true;
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

find("skip").onclick = (event) => { event.preventDefault(); find("main").focus(); };
addEventListener("hashchange", open);
open();
pollIn(POLL);

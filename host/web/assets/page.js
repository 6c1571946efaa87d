// The page: the lists in the sidebar, and the chosen list with live updates.
//
// The page decides nothing. It sends each change to the server, where the list's logic decides it, and shows
// a refusal at the control that caused it. After each change the page reads the list again, whether this
// page or another client made the change. So there is one path from the server's state to the screen.
// Text from users and logic becomes DOM text, never markup.

// --- The lists ---

function showLists({ answers, more }) {
  const lists = answers.flat();
  const link = (list) => {
    const name = make("span", { textContent: list.name });
    const damage = list.unreadable;
    const count = make("span", { className: "count", textContent: damage ? "unreadable" : list.open });
    count.title = damage ? `Unreadable since ${damage.since}: ${damage.why}` : `${list.open} open of ${list.entries}`;
    const made = make("a", { href: addressOf(list.name, null) }, name, count);
    if (list.name === state.name) made.setAttribute("aria-current", "page");
    return made;
  };
  // Links are replaced only when they differ, because replacing them loses the focus.
  const now = JSON.stringify([state.name, lists.map(({ name, open, entries, unreadable }) => [name, open, entries, unreadable])]);
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

// The title of a logic, followed by its name where the two differ.
function logicLabel(name, live) {
  const title = live?.title || name;
  return title.toLowerCase() === name ? title : `${title} (${name})`;
}

function showLogics(logics) {
  const now = JSON.stringify(logics.map(({ name, live, failure }) => [name, live?.digest, failure]));
  if (find("logics").dataset.now !== now) {
    find("logics").dataset.now = now;
    find("logics").replaceChildren(...logics.map(({ name, live, failure }) => {
      const version = make("span", { className: "version", textContent: live ? live.version : "not loaded" });
      const item = make("li", {}, `${logicLabel(name, live)} `, version);
      const textContent = live ? "A newer version could not be loaded" : "It could not be loaded";
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
  const options = choices.map(({ name, live }) => new Option(logicLabel(name, live), name));
  select.replaceChildren(new Option("Default", ""), ...options);
  select.value = names.includes(chosen) ? chosen : "";
}

const refreshSidebar = coalesce(async () => {
  try {
    const [lists, logics] = await Promise.all([readPages("/lists", state.lists), send("GET", "/logic")]);
    showLists(lists);
    showLogics(logics.answer);
    const mine = logics.answer.find(({ name }) => name === state.rules?.name);
    const digestAndFailure = (rules) => [rules.live?.digest, rules.failure];
    if (mine && !sameJson(digestAndFailure(mine), digestAndFailure(state.rules))) await readRules(mine.name);
  } catch (problem) {
    if (problem.status > 0) toast("sidebar", problem.message, "Dismiss");
  }
});

find("create").onsubmit = async (event) => {
  event.preventDefault();
  const input = find("create-name"), logic = find("create-logic").value;
  const name = input.value.trim();
  const created = await submit(find("create"), async () => {
    if (name === "") throw new Problem({ detail: "A list needs a name.", field: "name" });
    // The name of an existing list opens that list, and does not change its rules.
    if (await readList(name) === null) await send("PUT", listPath(name), logic ? { logic } : {});
  });
  if (!created) return;
  input.value = "";
  location.hash = addressOf(name, null);
  refreshSidebar();
};
find("lists-more").onclick = () => { state.lists += PAGE; refreshSidebar(); };

// --- The list ---

// Reads a list's representation; null if the list does not exist.
async function readList(name) {
  try {
    return (await send("GET", listPath(name))).answer;
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}

// Elements that are shown only for a list that exists.
const ONLY_OF_LISTS = ["tools", "rules", "settings", "delete", "history-open"];

const refreshList = coalesce(async () => {
  const { name, view } = state;
  if (name === null) return;
  try {
    const list = await readList(name);
    if (name !== state.name) return;
    state.list = list;
    if (list && state.rules?.name !== list.logic) {
      // On the first read and after a change of logic. A view that the new logic lacks is closed.
      await readRules(list.logic);
    }
    const { groups, more } = await readEntries();
    const entries = groups.flatMap((group) => group.entries);
    cacheEntries(entries);
    await cacheReferencedEntries([...groups, ...entries]);
    if (name !== state.name || view !== state.view) return void refreshList();
    showList(groups, more);
    clearErrors(find("list"));
  } catch (problem) {
    if (problem.status > 0 && name === state.name) {
      // The view, or the entry that the page starts after, no longer exists. The plain list can still be shown.
      if (problem.status < 500 && state.view !== null) { leaveView(); refreshList(); }
      showError(find("list"), problem);
      if (problem.status === 503) setTimeout(refreshList, RETRY_DELAY);
    }
  }
});

function showList(groups, more) {
  const { list, view } = state;
  const exists = list !== null;
  for (const id of ONLY_OF_LISTS) find(id).hidden = !exists;
  if (!exists) { find("rules-failure").hidden = true; find("add-fields").replaceChildren(); toggleHistory(false); }
  if (exists && state.rules) showDecider();
  const counts = list?.entries === 0 ? "no entries" : `${list?.open} open of ${list?.entries}`;
  find("counts").textContent = exists ? counts : "not created yet";
  state.groups = groups;
  showEntries(groups);
  state.redraw = false;
  if (document.querySelector(PICKERS)) refreshPickers();
  const none = groups.every(({ entries }) => entries.length === 0);
  const title = description().views.find(({ name }) => name === view)?.title;
  find("empty").textContent = !exists ? "There is no list of this name. Its first entry creates it."
    : list.entries === 0 ? "No entries yet. Type what is to be done above, and press Enter. "
      + "Anyone who opens this page’s address sees the same list."
    : `No entries in “${title || view}”.`;
  find("empty").hidden = !none;
  find("more").hidden = !more;
  showHistory();
}

find("more").onclick = () => { state.shown += PAGE; refreshList(); };

find("add").onsubmit = async (event) => {
  event.preventDefault();
  const form = find("add");
  let added = null;
  const done = await submit(form, async () => {
    const { title, date } = readValues(form.querySelector(".line"));
    const fields = changedValues(readValues(find("add-fields")));
    const body = { title: title ?? "", ...(date && { date }), ...(Object.keys(fields).length > 0 && { fields }) };
    added = (await send("POST", `${listPath(state.name)}/entries`, body)).answer;
    form.reset();
  });
  find("title").focus();
  if (!done) return;
  await refreshList();
  refreshSidebar();
  if (added && !isShown(added.id)) toastBriefly("added", `“${added.title}” was added. This view does not show it.`);
};

// --- Live updates ---

let events = null;

function followEvents() {
  events?.close();
  events = null;
  const { name } = state;
  // Browsers limit connections per server, so a hidden page closes its event stream.
  if (name === null || document.hidden) return;
  const stream = events = new EventSource(`${listPath(name)}/events`);
  const mine = () => stream === events;
  let lost = null;
  const live = () => {
    clearTimeout(lost);
    lost = null;
    find("live").dataset.state = "live";
    find("live").textContent = "live";
  };
  stream.onopen = live;
  // Changes that happened while the page was not connected sent no events.
  const reload = () => { clearEntryCache(); refreshList(); };
  stream.addEventListener("ready", reload);
  stream.addEventListener("reset", reload);
  stream.addEventListener("revision", ({ data }) => {
    const revision = JSON.parse(data);
    noteDecider(revision.logic);
    cacheChanges(revision.changes);
    if (revision.revision !== state.list?.revision) refreshList();
    refreshSidebarSoon();
  });
  stream.onerror = () => {
    if (!mine()) return;
    // A stream may end at any time, and the browser reconnects at once. Only a longer loss is shown.
    lost ??= setTimeout(() => {
      find("live").dataset.state = "lost";
      find("live").textContent = "reconnecting…";
      refreshSidebar();
    }, 4_000);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => mine() && followEvents(), 3_000);
  };
}

// Updates the sidebar's counts after a change, at most once a second.
let due = null;
function refreshSidebarSoon() {
  due ??= setTimeout(() => { due = null; refreshSidebar(); }, 1_000);
}

let polling = null;
function pollIn(time) {
  clearTimeout(polling);
  polling = setTimeout(poll, time);
}

async function poll() {
  if (!document.hidden) await refreshSidebar();
  pollIn(offline ? RETRY_DELAY : POLL_INTERVAL);
}

document.onvisibilitychange = () => {
  followEvents();
  if (!document.hidden) poll();
};

// --- Navigation ---

// The address of a list, or of one of its views.
function addressOf(name, view) {
  return `#${encodeURIComponent(name)}${view === null ? "" : `/${encodeURIComponent(view)}`}`;
}

// Parses the page's address. A part with malformed percent-encoding is taken literally.
function parseAddress() {
  const parts = location.hash.slice(1).split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: parts[0] || null, view: parts[1] || null };
}

function openList() {
  const { name, view } = parseAddress();
  if (name !== null && name === state.name) return void openView(view);
  Object.assign(state, { name, list: null, rules: null, view, groups: [], shown: PAGE });
  clearEntryCache();
  closeToast("undo");
  sections.clear();
  for (const id of ["entries", "views", "commands", "add-fields"]) find(id).replaceChildren();
  for (const id of [...ONLY_OF_LISTS, "empty", "more", "rules-failure"]) find(id).hidden = true;
  for (const id of ["add", "list", "tools"]) clearErrors(find(id));
  find("counts").textContent = find("live").textContent = "";
  delete find("tools").dataset.now;
  delete find("rules").dataset.fresh;
  find("add").reset();
  toggleHistory(false);
  find("list").hidden = name === null;
  find("welcome").hidden = name !== null;
  document.body.classList.toggle("chosen", name !== null);
  document.title = name === null ? "Hotlist" : `${name} · Hotlist`;
  find("name").textContent = name ?? "";
  followEvents();
  refreshList();
  refreshSidebar();
  // On a touch screen the focus would open the keyboard over the list.
  if (matchMedia("(hover: hover)").matches) (name === null ? find("create-name") : find("title")).focus();
}

function openView(view) {
  if (view === state.view) return;
  Object.assign(state, { view, shown: PAGE });
  showViews();
  refreshList();
}

find("skip").onclick = (event) => { event.preventDefault(); find("main").focus(); };
addEventListener("hashchange", openList);
openList();
pollIn(POLL_INTERVAL);

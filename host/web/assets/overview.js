// The sidebar: all lists and logics. Both are read once, and then kept up to date by events.

const overview = { lists: [], next: null, shown: PAGE, logics: [], isRead: false };

// Compares names as the server orders them: by their bytes in UTF-8, which is the order of their code points.
function compareNames(one, other) {
  const [left, right] = [[...one], [...other]];
  const at = left.findIndex((letter, place) => letter !== right[place]);
  return at < 0 ? left.length - right.length : left[at].codePointAt(0) - (right[at]?.codePointAt(0) ?? -1);
}

function showLists() {
  const { lists, isRead } = overview;
  if (!isRead) return;
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
  find("lists-more").hidden = overview.next === null;
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

function showLogics() {
  const { logics } = overview;
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

// Reads the rollout of the list's logic again if another version is live, or another one was refused. The list then says
// which version decides about it.
async function followLogic() {
  const mine = overview.logics.find(({ name }) => name === state.rules?.name);
  const digestAndFailure = ({ live, candidate, failure }) => [live?.digest, candidate?.digest, candidate?.percent, failure];
  if (!mine || sameJson(digestAndFailure(mine), digestAndFailure(state.rules))) return;
  await readRules(mine.name);
  refreshList();
}

let arrived = []; // events of lists and logics that arrived during the reading, whose answer may be older

const refreshOverview = coalesce(async () => {
  arrived = [];
  try {
    const [lists, logics] = await Promise.all([readPages("/lists", "", overview.shown), send("GET", "/logic")]);
    Object.assign(overview, { lists: lists.answers.flat(), next: lists.next, logics: logics.answer, isRead: true });
    for (const put of arrived) put();
    showLists();
    showLogics();
    const mine = overview.lists.find(({ name }) => name === state.name);
    if (mine) noteCounts(mine);
    await followLogic();
    closeToast("sidebar");
  } catch (problem) {
    if (problem.status > 0) toast("sidebar", problem.message, "Dismiss");
  } finally {
    arrived = [];
  }
});

// --- Events about lists and logics ---

// Puts an item in the place of the one with its name, or where the order of the names wants it.
function putByName(items, item) {
  const at = items.findIndex(({ name }) => compareNames(name, item.name) >= 0);
  if (items[at]?.name === item.name) items[at] = item;
  else items.splice(at < 0 ? items.length : at, 0, item);
}

function putList(list) {
  const { lists, next } = overview;
  if (lists.find(({ name }) => name === list.name)?.revision > list.revision) return;
  // Lists after the last one that is shown are read by "Show more lists".
  const isShown = next === null || (lists.length > 0 && compareNames(list.name, lists.at(-1).name) <= 0);
  if (list.deleted) overview.lists = lists.filter(({ name }) => name !== list.name);
  else if (isShown) putByName(lists, list);
}

// Does at once what an event says, and again after the reading that is under way.
function takeIn(put) {
  put();
  arrived.push(put);
}

function noteList(list) {
  takeIn(() => putList(list));
  showLists();
  if (list.name === state.name) noteCounts(list);
}

function noteLogic(logic) {
  takeIn(() => putByName(overview.logics, logic));
  showLogics();
  followLogic().catch(() => {});
}

// Many lists changed. Each window of a server that busy reads them at its own moment.
let overviewDue = null;
function refreshOverviewLater() {
  overviewDue ??= setTimeout(() => { overviewDue = null; refreshOverview(); }, 5_000 + 5_000 * Math.random());
}

// --- Controls ---

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
  if (!isLive()) refreshOverview();
};
find("lists-more").onclick = () => { overview.shown += PAGE; refreshOverview(); };

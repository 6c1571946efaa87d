// The chosen list: reading it, and showing what is above and below its entries.

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
  isReading = true;
  try {
    const list = await readList(name);
    if (name !== state.name) return;
    // On the first read and after a change of logic.
    if (list && state.rules?.name !== list.logic) await readRules(list.logic);
    if (name !== state.name) return;
    // A view that the version lacks is closed.
    if (list) await describeBy(list);
    if (name !== state.name) return;
    const { groups, next } = list ? await readEntries(list) : { groups: [], next: null };
    if (name !== state.name) return;
    const entries = groups.flatMap((group) => group.entries);
    cacheEntries(entries);
    await cacheReferencedEntries([...groups, ...entries]);
    await cacheEditedEntries(new Set(entries.map(({ id }) => id)));
    if (name !== state.name || view !== state.view) return void refreshList();
    const isFirst = state.list === null;
    readFailures = 0;
    const last = groups.at(-1)?.entries.at(-1)?.id ?? 0;
    const isAfter = ([id]) => isPlain() && next !== null && id > last && entryCache.get(id);
    const added = new Map([...state.added].filter(isAfter));
    Object.assign(state, { list, groups, next, added });
    showList();
    clearErrors(find("list"));
    clearPassedErrors();
    if (isFirst || list === null) followList();
  } catch (problem) {
    failedToRead(name, problem);
  } finally {
    isReading = false;
    waiting.splice(0).forEach(applyRevision);
  }
});

let readFailures = 0, rereadDue = null;
function failedToRead(name, problem) {
  if (!(problem instanceof Problem)) throw problem;
  // A server that does not answer is asked until it does. The list is then read.
  if (problem.status === 0 || name !== state.name) return;
  // The view, or the entry that the page starts after, no longer exists. The plain list can still be shown.
  if (problem.status < 500 && state.view !== null) { leaveView(); refreshList(); }
  const isShown = [...messagesOf(find("list"))].some(({ textContent }) => textContent === problem.message);
  if (!isShown) showError(find("list"), problem);
  if (problem.status < 500) return;
  clearTimeout(rereadDue);
  rereadDue = setTimeout(refreshList, retryDelay(readFailures++));
}

// Shows the list as this window knows it.
function showList() {
  const { list } = state;
  const exists = list !== null;
  for (const id of ONLY_OF_LISTS) find(id).hidden = !exists;
  if (!exists) { find("rules-failure").hidden = true; find("add-fields").replaceChildren(); toggleHistory(false); }
  if (exists && state.rules) showDecider();
  showEntries(state.groups);
  state.redraw = false;
  if (document.querySelector(PICKERS)) refreshPickers();
  showCounts();
  showHistory();
  noteShown();
}

// Shows what depends on the number of entries.
function showCounts() {
  const { list, view, groups } = state;
  const exists = list !== null, isEmpty = !exists || list.entries === 0;
  find("counts").textContent = isEmpty ? "" : `${list.open} ${list.open === 1 ? "item" : "items"} left`;
  find("counts").title = isEmpty ? "" : `${list.open} open of ${list.entries}`;
  // A list without entries has nothing to count, to choose from or to clear.
  for (const id of ["counts", "views", "all"]) find(id).hidden = isEmpty;
  find("all").checked = !isEmpty && list.open === 0;
  const clear = find("commands").querySelector("[data-command=clear-completed]");
  if (clear) clear.hidden = isEmpty || list.open === list.entries;
  const title = description().views.find(({ name }) => name === view)?.title;
  find("empty").textContent = !exists ? "There is no list of this name. Its first entry creates it."
    : list.entries === 0 ? "No entries yet. Type what is to be done above, and press Enter. "
      + "Anyone who opens this page’s address sees the same list."
    : `No entries in “${title || view}”.`;
  find("empty").hidden = groups.some(({ entries }) => entries.length > 0) || state.added.size > 0;
  find("more").hidden = state.next === null;
}

// Reads the next page of the plain list. A view is read anew, with more rows.
find("more").onclick = () => submit(find("list"), async () => {
  const { name, view } = state;
  state.shown += PAGE;
  if (!isPlain()) return refreshList();
  const { answers, next } = await readPages(`${listPath(name)}/entries`, state.next, PAGE);
  if (name !== state.name || view !== state.view) return;
  const known = answers.flat().map((entry) => (entryCache.has(entry.id) ? entryCache.get(entry.id) : entry));
  const entries = known.filter((entry) => entry !== null); // null was deleted meanwhile
  cacheEntries(entries);
  plainGroup().entries.push(...entries);
  state.next = next;
  for (const { id } of entries) state.added.delete(id);
  if (next === null) state.added.clear();
  showList();
});

// Shows an entry that this window added after the last page. Its event may have come before the answer.
function showAdded(name, entry) {
  if (!entry || name !== state.name || !isPlain() || state.next === null || isShown(entry.id)) return;
  if (entryCache.get(entry.id) === null) return; // deleted meanwhile
  state.added.set(entry.id, entryCache.get(entry.id) ?? entry);
  showList();
}

find("add").onsubmit = async (event) => {
  event.preventDefault();
  const form = find("add"), { name } = state;
  let added = null, revision = null;
  const done = await submit(form, async () => {
    const { title, date } = readValues(form.querySelector(".line"));
    const fields = changedValues(readValues(find("add-fields")));
    const body = { title: (title ?? "").trim(), ...(date && { date }), ...(Object.keys(fields).length > 0 && { fields }) };
    ({ answer: added, revision } = await send("POST", `${listPath(name)}/entries`, body));
    if (name === state.name) form.reset();
  }, { typed: find("title").value });
  if (!done || name !== state.name) return;
  find("title").focus();
  await untilShown(name, revision);
  showAdded(name, added);
  if (!isLive()) refreshOverview();
  if (added && name === state.name && !isShown(added.id)) toastBriefly("added", `“${added.title}” was added. This view does not show it.`);
};

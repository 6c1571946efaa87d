// The list as this window knows it: read once, and then changed by the events of its revisions.
//
// The entries of the plain list are in the order of their ids, so that an event holds all that is needed. The order and the
// computed values of a view are the logic's, so that a view is read again, soon after a change.

const REVIEW_DELAY = 300; // time in which several changes of a view are one reading
const SHOWN_WITHIN = 1_000; // wait for the event of a change of this window before the list is read

// Changes after which the list is read again, because what they lead to is not in the event.
const NEEDS_READING = new Set(["delete-list", "bind-logic", "pin"]);

// Whether the rows are the list's entries by their ids.
const isPlain = () => state.view === null && description().reading === "host";

let isReading = false; // whether the list is being read; revisions then wait
let waiting = []; // the revisions that arrived meanwhile
let shownWaiters = []; // what waits until a revision is shown
let laterCounts = null; // counts of a revision whose event has not come yet

// Waits until a revision of a list is shown, unless the user has left the list. Without its event, the list is read.
async function untilShown(name, revision) {
  if (name !== state.name) return;
  const isShown = () => !state.list || !(revision > state.list.revision);
  if (!isShown() && isPlain() && isLive()) {
    await new Promise((done) => { shownWaiters.push({ revision, done }); setTimeout(done, SHOWN_WITHIN); });
  }
  if (name !== state.name) return;
  if (!isShown() || !isPlain() || !state.list) await refreshList();
}

function noteShown() {
  const { revision } = state.list ?? { revision: Infinity };
  shownWaiters.filter((waiter) => waiter.revision <= revision).forEach(({ done }) => done());
  shownWaiters = shownWaiters.filter((waiter) => waiter.revision > revision);
}

let reviewDue = null;
function refreshEntriesSoon() {
  reviewDue ??= setTimeout(() => { reviewDue = null; refreshList(); }, REVIEW_DELAY);
}

// Applies the revision of an event.
function applyRevision(revision) {
  if (isReading) return void waiting.push(revision);
  const { list } = state;
  if (list && revision.revision <= list.revision) return;
  noteDecider(revision.logic);
  noteRevision(revision);
  const isNext = list && revision.revision === list.revision + 1;
  if (!isNext || revision.changes.some(({ type }) => NEEDS_READING.has(type))) {
    cacheChanges(revision.changes);
    return void refreshList();
  }
  list.revision = revision.revision;
  for (const change of revision.changes) applyChange(list, change, revision.command);
  if (laterCounts?.revision === list.revision) Object.assign(list, laterCounts);
  if (isPlain()) return showList();
  // The revision is one that forms know, so that they know its changes, too.
  movingForms(placeEditors);
  refreshEntriesSoon();
}

function applyChange(list, change, command) {
  const { type, entry, id, settings, setting } = change;
  if (type === "set") list.settings = { ...list.settings, ...settings };
  if (type === "unset") list.settings = Object.fromEntries(Object.entries(list.settings).filter(([name]) => name !== setting));
  if (type !== "put" && type !== "remove") return;
  const before = entryCache.get(entry?.id ?? id);
  cacheChanges([change]);
  countChange(list, before, entry, command);
  if (!isPlain()) return;
  if (entry) putEntry(entry); else removeEntry(id);
}

// Counts an entry that was put or removed. Of an entry that this window never read, only the summary of the list tells.
function countChange(list, before, entry, command) {
  if (before === undefined && command !== "add-entry" && (state.next !== null || !entry)) return;
  const open = (one) => (one && !one.completed ? 1 : 0);
  list.entries += (entry ? 1 : 0) - (before ? 1 : 0);
  list.open += open(entry) - open(before);
}

// Takes in the counts of a summary of the list. One that is ahead of the events waits for them.
function noteCounts({ revision, entries, open }) {
  if (!state.list || revision === undefined || revision < state.list.revision) return;
  laterCounts = { revision, entries, open };
  if (revision !== state.list.revision || (state.list.entries === entries && state.list.open === open)) return;
  Object.assign(state.list, laterCounts);
  showCounts();
}

// The group of the plain list, made for its first entry.
function plainGroup() {
  if (state.groups.length === 0) state.groups = [{ name: "", title: "", entries: [] }];
  return state.groups[0];
}

function putEntry(entry) {
  const { entries } = plainGroup();
  const isAfterEnd = state.next !== null && entry.id > (entries.at(-1)?.id ?? 0);
  if (isAfterEnd) {
    if (state.added.has(entry.id)) state.added.set(entry.id, entry);
    return;
  }
  // Most changes are at the end, and the others are found from there.
  let at = entries.length;
  while (at > 0 && entries[at - 1].id >= entry.id) at -= 1;
  if (entries[at]?.id === entry.id) entries[at] = entry;
  else entries.splice(at, 0, entry);
}

function removeEntry(id) {
  state.added.delete(id);
  const group = plainGroup();
  group.entries = group.entries.filter((entry) => entry.id !== id);
  if (group.entries.length === 0) state.groups = [];
}

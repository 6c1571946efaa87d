// Cache of entries that other entries refer to: their titles for display, and the choices of entry pickers.

const MAX_REFERENCED = 100; // limit on single reads of referenced entries for one display

const entryCache = new Map(); // by id; null for an entry that was deleted
let openEntries = []; // the choices of entry pickers
let openEntriesAt = null; // list and revision at which they were read

function clearEntryCache() {
  entryCache.clear();
  openEntries = [];
  openEntriesAt = null;
}

const cacheEntries = (entries) => entries.forEach((entry) => entryCache.set(entry.id, entry));

// Applies a revision's changes to the cache. Referenced entries need not be among those shown.
function cacheChanges(changes) {
  for (const { type, entry, id } of changes) {
    if (type === "put") entryCache.set(entry.id, entry);
    if (type === "remove") entryCache.set(id, null);
  }
}

const isEntry = (kind) => kind === "entry" || kind === "entries";

// A computed value that is an array of integers is taken for entry ids. Computed values have no declared kind.
const isEntries = (value) => Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);

function entryLabel(id) {
  const entry = entryCache.get(id);
  if (entry) return `“${entry.title}”`;
  return entry === null ? `entry ${id}, deleted` : `entry ${id}`;
}

// The ids that the fields and computed values of an entry or a group refer to.
function referencedIds({ fields = {}, computed = {} }) {
  const values = Object.entries({ ...fields, ...computed });
  const kind = (wanted) => description().fields.find(({ name }) => name === wanted)?.kind;
  return values.filter(([name, value]) => isEntry(kind(name)) || isEntries(value)).flatMap(([, value]) => value);
}

// Reads the referenced entries that are not cached yet.
async function cacheReferencedEntries(referring) {
  const ids = new Set(referring.flatMap(referencedIds).filter((id) => !entryCache.has(id)));
  await cacheEntriesById([...ids].slice(0, MAX_REFERENCED));
}

async function cacheEntriesById(ids) {
  const { name } = state;
  await Promise.all(ids.map(async (id) => {
    let entry = null;
    try {
      entry = (await send("GET", `${listPath(name)}/entries/${id}`)).answer;
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
    if (name === state.name) entryCache.set(id, entry);
  }));
}

// --- Entry pickers ---

const PICKERS = "[data-kind=entry], [data-kind=entries]";

// A control for a value of kind `entry` or `entries`. An entry cannot refer to itself. Several entries are
// check boxes: in a multiple select, one click without a modifier key clears all others.
function entryPicker({ name, kind }, value, itself) {
  const control = make(kind === "entry" ? "select" : "fieldset", { data: { name, kind } });
  if (kind === "entries") control.className = "choices";
  if (itself) control.dataset.itself = itself;
  showOptions(control, [value ?? []].flat());
  refreshPickers();
  return control;
}

function pickedIds(control) {
  const chosen = control.selectedOptions ?? control.querySelectorAll(":checked");
  return Array.from(chosen, ({ value }) => Number(value)).filter(Boolean);
}

// Fills a picker: first the chosen entries, whether completed or not, then the other open ones. Completed
// entries that the entry refers to already are included, because a command may remove such a reference.
function showOptions(control, chosen) {
  const { itself, now } = control.dataset;
  const referenced = referencedIds(entryCache.get(Number(itself)) ?? {}).map((id) => entryCache.get(id)).filter((entry) => entry?.completed);
  const others = [...openEntries, ...referenced].filter(({ id }) => !chosen.includes(id) && String(id) !== itself);
  const title = (id) => entryCache.get(id)?.title ?? entryLabel(id);
  const label = (id) => (entryCache.get(id)?.completed ? `${title(id)} (done)` : title(id));
  const wanted = [...chosen.map((id) => [label(id), id]), ...others.map(({ id }) => [label(id), id])];
  // Replacing the options closes an open menu, so it happens only when they differ.
  if (now === JSON.stringify(wanted)) return;
  control.dataset.now = JSON.stringify(wanted);
  const focused = control.contains(document.activeElement) ? document.activeElement.value : null;
  if (control.selectedOptions) {
    const options = wanted.map(([text, id]) => new Option(text, id, false, chosen.includes(id)));
    control.replaceChildren(new Option("", ""), ...options);
  } else {
    const box = (id) => make("input", { type: "checkbox", value: id, checked: chosen.includes(id) });
    const none = make("p", { className: "hint", textContent: "There are no other open entries." });
    const boxes = wanted.map(([text, id]) => make("label", {}, box(id), text));
    control.replaceChildren(...(boxes.length > 0 ? boxes : [none]));
    if (focused) control.querySelector(`[value="${focused}"]`)?.focus();
  }
}

// Updates the options of all pickers on the page.
const refreshPickers = coalesce(async () => {
  const { name, list } = state;
  const at = `${name} ${list?.revision}`;
  try {
    if (list && at !== openEntriesAt) {
      const known = isPlain() && state.next === null ? state.groups.flatMap(({ entries }) => entries) : null;
      const read = async () => (await readPages(`${listPath(name)}/entries`, "completed=false", MAX_PAGE)).answers.flat();
      const entries = known ? known.filter(({ completed }) => !completed) : await read();
      if (name !== state.name) return;
      openEntries = entries;
      openEntriesAt = at;
      cacheEntries(openEntries);
    }
  } catch (problem) {
    if (problem.status > 0) toast("choosers", `The entries to choose from could not be read: ${problem.message}`, "Dismiss");
  }
  // A picker that was just made is attached to the document after this task yields.
  await null;
  for (const control of document.querySelectorAll(PICKERS)) showOptions(control, pickedIds(control));
});

// --- Suggestions ---

// Suggested texts for a field or argument: the group names if the view groups by this field, otherwise the
// texts that the shown entries have in it.
function suggestedTexts(name) {
  const { groups } = state;
  const words = groups.flatMap((group) => group.entries.map((entry) => [group.name, entry.fields[name]]));
  if (words.length > 0 && words.every(([heading, word]) => heading === word)) return groups.map((group) => group.name);
  return [...new Set(words.map(([, word]) => word).filter((word) => typeof word === "string"))];
}

// Attaches suggestions to a text control. They are collected when the control gets the focus.
function suggestions(control, name) {
  const list = make("datalist", { id: `words-${newKey()}` });
  control.setAttribute("list", list.id);
  control.onfocus = () => list.replaceChildren(...suggestedTexts(name).map((word) => new Option(word, word)));
  return list;
}

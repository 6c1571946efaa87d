// Entries that are named by others: what they are called, and which of them can be chosen.

const NAMED = 100; // the most entries that are asked for by themselves because another names them

const known = new Map(); // by id: the entry, or null when it is not there any more
let openOnes = []; // the entries to choose from
let openAt = null; // the list's name and revision when they were

function forget() {
  known.clear();
  openOnes = [];
  openAt = null;
}

const learn = (entries) => entries.forEach((entry) => known.set(entry.id, entry));

// What a revision did to entries: also to those that are named here and not shown.
function learnChanges(changes) {
  for (const { type, entry, id } of changes) {
    if (type === "put") known.set(entry.id, entry);
    if (type === "remove") known.set(id, null);
  }
}

const isEntry = (kind) => kind === "entry" || kind === "entries";

// Only entries are numbered: a row of numbers is what the rules worked out about some of them.
const isEntries = (value) => Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);

function nameOf(id) {
  const entry = known.get(id);
  if (entry) return `“${entry.title}”`;
  return entry === null ? `entry ${id}, deleted` : `entry ${id}`;
}

// The ids of the entries that an entry, or a group, names.
function namedBy({ fields = {}, computed = {} }) {
  const values = Object.entries({ ...fields, ...computed });
  const kind = (wanted) => description().fields.find(({ name }) => name === wanted)?.kind;
  return values.filter(([name, value]) => isEntry(kind(name)) || isEntries(value)).flatMap(([, value]) => value);
}

// Asks for the entries that these name and that nobody has spoken of yet.
async function learnNamed(naming) {
  const ids = new Set(naming.flatMap(namedBy).filter((id) => !known.has(id)));
  const path = `${root(state.name)}/entries`;
  await Promise.all([...ids].slice(0, NAMED).map(async (id) => {
    try {
      known.set(id, (await ask("GET", `${path}/${id}`)).answer);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      known.set(id, null);
    }
  }));
}

// --- Choosing one or some ---

const CHOOSERS = "[data-kind=entry], [data-kind=entries]";

// A control for the entry, or the entries, that a field or an argument names; an entry does not choose
// itself. Some are ticked in a list: in a select of several, one careless click forgets all others.
function chooser({ name, kind }, value, itself) {
  const control = make(kind === "entry" ? "select" : "fieldset", { name, data: { kind } });
  if (kind === "entries") control.className = "choices";
  if (itself) control.dataset.itself = itself;
  offer(control, [value ?? []].flat());
  readChoosers();
  return control;
}

function chosenIn(control) {
  const chosen = control.selectedOptions ?? control.querySelectorAll(":checked");
  return Array.from(chosen, ({ value }) => Number(value)).filter(Boolean);
}

// Offers what is chosen, be it open or not; behind it what else is open; and what the entry itself
// names already, for that may be what is to be taken away.
function offer(control, chosen) {
  const { itself, now } = control.dataset;
  const named = namedBy(known.get(Number(itself)) ?? {}).map((id) => known.get(id)).filter((entry) => entry?.completed);
  const others = [...openOnes, ...named].filter(({ id }) => !chosen.includes(id) && String(id) !== itself);
  const title = (id) => known.get(id)?.title ?? nameOf(id);
  const done = (id) => (known.get(id)?.completed ? `${title(id)} (done)` : title(id));
  const wanted = [...chosen.map((id) => [done(id), id]), ...others.map(({ id }) => [done(id), id])];
  // An open menu is left alone when there is nothing new.
  if (now === JSON.stringify(wanted)) return;
  control.dataset.now = JSON.stringify(wanted);
  const focused = control.contains(document.activeElement) ? document.activeElement.value : null;
  if (control.selectedOptions) {
    const options = wanted.map(([text, id]) => new Option(text, id, false, chosen.includes(id)));
    control.replaceChildren(new Option("", ""), ...options);
  } else {
    const box = (id) => make("input", { type: "checkbox", value: id, checked: chosen.includes(id) });
    const none = make("p", { className: "hint", textContent: "Nothing else is open." });
    const boxes = wanted.map(([text, id]) => make("label", {}, box(id), text));
    control.replaceChildren(...(boxes.length > 0 ? boxes : [none]));
    if (focused) control.querySelector(`[value="${focused}"]`)?.focus();
  }
}

// Has every chooser on the page offer what can be chosen now.
const readChoosers = once(async () => {
  const { name, list } = state;
  const at = `${name} ${list?.revision}`;
  try {
    if (list && at !== openAt) {
      const { answers } = await pages(`${root(name)}/entries?completed=false`, MOST);
      if (name !== state.name) return;
      openOnes = answers.flat();
      openAt = at;
      learn(openOnes);
    }
  } catch (problem) {
    if (problem.status > 0) notice("choosers", `What can be chosen could not be read: ${problem.message}`, "Dismiss");
  }
  // Also the first time, when the control is made and not yet in its place.
  await null;
  for (const control of document.querySelectorAll(CHOOSERS)) offer(control, chosenIn(control));
});

// --- Words that were used before ---

// What people may want to write into a field or argument of that name: the headings, if they are
// the field's own words, else the words that the entries have there.
function wordsFor(name) {
  const { shapes } = state;
  const words = shapes.flatMap((shape) => shape.entries.map((entry) => [shape.name, entry.fields[name]]));
  if (words.length > 0 && words.every(([heading, word]) => heading === word)) return shapes.map((shape) => shape.name);
  return [...new Set(words.map(([, word]) => word).filter((word) => typeof word === "string"))];
}

// Has a control suggest them, as they are when somebody comes to write.
function suggestions(control, name) {
  const list = make("datalist", { id: `words-${newKey()}` });
  control.setAttribute("list", list.id);
  control.onfocus = () => list.replaceChildren(...wordsFor(name).map((word) => new Option(word, word)));
  return list;
}

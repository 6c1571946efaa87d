// The entries of the list, as sections of rows. A row keeps its DOM element while its entry is shown, so
// that a change of the list loses neither the focus nor text that the user is typing.

const MAX_COLUMNS = 8; // more groups are stacked instead of laid side by side
const ADDED = "\u0000added"; // the section of entries that this window added after the last page; no group has the name

const sections = new Map(); // by group name: the DOM section and its rows by entry id

// Replaces the children of an element without moving those that are in place already.
function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}

function makeRow(entry, group) {
  const done = make("input", { type: "checkbox" });
  const title = make("button", { type: "button", className: "title" });
  const facts = make("span", { className: "facts" });
  const own = make("div", { className: "own" });
  const remove = make("button", { type: "button", className: "quiet remove", textContent: "×" });
  const text = make("div", { className: "text" }, title, facts, own);
  const element = make("li", { className: "entry", data: { id: entry.id } }, done, text, remove);
  const row = { element, entry };
  const { name } = state, path = `${listPath(name)}/entries/${entry.id}`;
  // Changes of an entry are sent one after the other, so that a second click is not lost.
  let last = Promise.resolve(), queued = 0;
  const change = (method, body, verb) => {
    queued += 1;
    last = last.then(() => sendChange(method, body, verb)).finally(() => {
      queued -= 1;
      // After a refusal, too: the check box returns to the entry's state.
      if (queued === 0) done.checked = row.entry.completed;
    });
  };
  const sendChange = async (method, body, verb) => {
    const { title } = row.entry;
    let shown = null;
    await submit(element, async () => {
      const { revision } = await send(method, path, body);
      if (verb) offerUndo(name, `“${title}” was ${verb}.`, [revision], entry.id);
      shown = revision;
    }, { list: name });
    if (shown !== null) await untilShown(name, shown);
  };
  done.onchange = () => change("PATCH", { completed: done.checked }, done.checked && "completed");
  remove.onclick = () => change("DELETE", undefined, "deleted");
  title.onclick = () => openEditor(row.entry);
  row.show = (now, labels) => {
    row.entry = now;
    row.labels = labels;
    if (queued === 0) done.checked = now.completed;
    done.ariaLabel = `Completed: ${now.title}`;
    element.classList.toggle("done", now.completed);
    title.textContent = now.title;
    title.title = "Edit";
    remove.ariaLabel = `Delete: ${now.title}`;
    facts.replaceChildren(...makeFacts(now, group));
    showCommands(row, own);
  };
  row.show(entry, referencedLabels(entry));
  return row;
}

// The titles of referenced entries, which a row displays besides its entry.
const referencedLabels = (entry) => referencedIds(entry).map(entryLabel).join();

// Shows the commands for one entry. The buttons are replaced only when the commands differ, because
// replacing them loses the focus.
function showCommands(row, own) {
  const commands = description().commands.filter(entryArgument);
  const now = JSON.stringify(commands);
  if (row.commands !== now) own.replaceChildren(...commands.map((command) => entryCommand(row, command)));
  row.commands = now;
  for (const button of own.children) button.ariaLabel = `${button.textContent}: ${row.entry.title}`;
}

// Computed values have no declared title, so the title is made from the name.
const titleFromName = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("-", " ");

function makeFact(title, value, kind) {
  return make("span", { textContent: value === true ? title : `${title}: ${formatValue(value, kind)}` });
}

// The date, the fields and the computed values, declared fields first and in declared order. A value equal
// to the group's heading is left out.
function makeFacts({ date, fields, computed = {} }, heading) {
  const facts = [];
  if (date) facts.push(make("time", { dateTime: date, textContent: formatDay(date) }));
  const schemas = new Map(description().fields.map((schema) => [schema.name, schema]));
  const values = { ...fields, ...computed };
  const declared = [...schemas.keys()].filter((name) => Object.hasOwn(values, name));
  for (const name of new Set([...declared, ...Object.keys(values)])) {
    const value = values[name], schema = schemas.get(name);
    if (value === false || value === heading) continue;
    facts.push(makeFact(schema ? titleOf(schema).label : titleFromName(name), value, schema?.kind));
  }
  return facts;
}

function makeSection(name) {
  const heading = make("h2"), rows = make("ul");
  return { name, heading, rows, element: make("section", {}, heading, rows), byId: new Map() };
}

// A group's count, as `2 of 3` where it has a limit, and its other computed values.
function makeCounts({ computed = {}, entries }) {
  const { count = entries.length, limit, ...others } = computed;
  const textContent = limit === undefined ? formatValue(count) : `${formatValue(count)} of ${formatValue(limit)}`;
  const element = make("span", { className: "count", textContent });
  element.classList.toggle("full", count >= limit);
  const computedFacts = Object.entries(others).filter(([, value]) => value !== false);
  return [element, ...computedFacts.map(([name, value]) => makeFact(titleFromName(name), value))];
}

// The row of an entry. An entry that did not change is the same object, unless it was read again.
function showRow(section, entry, group) {
  const row = section.byId.get(entry.id);
  if (!row) {
    section.byId.set(entry.id, makeRow(entry, group));
  } else {
    const labels = referencedLabels(entry);
    const isSame = row.labels === labels && (row.entry === entry || sameJson(row.entry, entry));
    if (state.redraw || !isSame) row.show(entry, labels);
  }
  return section.byId.get(entry.id).element;
}

function showGroup(group, alone) {
  if (!sections.has(group.name)) sections.set(group.name, makeSection(group.name));
  const section = sections.get(group.name);
  const title = isDate(group.title) ? formatDay(group.title) : group.title;
  // A single group's heading repeats the view's name.
  section.heading.hidden = (!title || alone) && Object.keys(group.computed ?? {}).length === 0;
  section.heading.replaceChildren(title || "All", ...makeCounts(group));
  const ids = new Set(group.entries.map((entry) => entry.id));
  for (const id of section.byId.keys()) if (!ids.has(id)) section.byId.delete(id);
  arrange(section.rows, group.entries.map((entry) => showRow(section, entry, group.name)));
  return section.element;
}

// Whether groups are laid side by side as columns. Groups by day, and more than `MAX_COLUMNS` groups, are
// stacked.
const isBoard = (groups) =>
  groups.length > 1 && groups.length <= MAX_COLUMNS && !groups.some(({ title }) => !title || isDate(title));

// Moves the focus to an entry: to the button of the given command if there is one, otherwise to its check box.
function focusOn(id, command) {
  const element = find("entries").querySelector(`.entry[data-id="${id}"]`);
  const button = command && element?.querySelector(`[data-command="${CSS.escape(command)}"]`);
  (button ?? element?.querySelector("input"))?.focus();
  return Boolean(element);
}

// Shows the groups. Entries that this window added after the last page come behind the button for more.
function showEntries(groups) {
  const all = find("entries");
  const control = document.activeElement, focused = control?.closest(".entry");
  const place = focused ? [...all.querySelectorAll(".entry")].indexOf(focused) : -1;
  if (movingForms(() => { arrangeGroups(groups); placeEditors(); })) return;
  if (focused && !focused.isConnected && !focusOn(focused.dataset.id, control.dataset.command)) {
    const rows = all.querySelectorAll(".entry");
    (rows[Math.min(place, rows.length - 1)]?.querySelector("input") ?? find("title")).focus();
  }
}

function arrangeGroups(groups) {
  const all = find("entries"), more = find("more");
  find("list").classList.toggle("board", isBoard(groups));
  const added = state.added.size > 0 ? [{ name: ADDED, title: "", entries: [...state.added.values()] }] : [];
  const names = new Set([...groups, ...added].map((group) => group.name));
  for (const name of sections.keys()) if (!names.has(name)) sections.delete(name);
  const shown = groups.map((group) => showGroup(group, groups.length === 1));
  if (added.length === 0) all.after(more);
  arrange(all, added.length === 0 ? shown : [...shown, more, showGroup(added[0], true)]);
}

const isShown = (id) => [...sections.values()].some((section) => section.byId.has(id));

const rowElement = (id) => find("entries").querySelector(`.entry[data-id="${id}"]`);

// Reads the entries as groups in the view's order, or as one unnamed group without a view.
async function readEntries() {
  const { name, view } = state;
  // As many as are shown, also where they became more than a page.
  const count = Math.max(state.shown, state.groups.reduce((sum, { entries }) => sum + entries.length, 0));
  if (view === null) {
    const { answers, next } = await readPages(`${listPath(name)}/entries`, "", count);
    const entries = answers.flat();
    return { groups: entries.length > 0 ? [{ name: "", title: "", entries }] : [], next };
  }
  const { answers, next } = await readPages(`${listPath(name)}/views/${encodeURIComponent(view)}`, "", count);
  const byName = new Map();
  for (const group of answers.flatMap((answer) => answer.groups)) {
    const earlier = byName.get(group.name);
    if (earlier) earlier.entries.push(...group.entries);
    else byName.set(group.name, { ...group, entries: [...group.entries] });
  }
  return { groups: [...byName.values()], next };
}

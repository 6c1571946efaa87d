// The entries of the list, as sections of rows. A row keeps its DOM element while its entry is shown, so
// that a change of the list loses neither the focus nor text that the user is typing.

const MAX_COLUMNS = 8; // more groups are stacked instead of laid side by side

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

// All that a row displays, for comparison. It includes the titles of referenced entries.
const rowFingerprint = (entry) => JSON.stringify([entry, referencedIds(entry).map(entryLabel)]);

function makeRow(entry, group) {
  const done = make("input", { type: "checkbox" });
  const title = make("button", { type: "button", className: "title" });
  const facts = make("span", { className: "facts" });
  const own = make("div", { className: "own" });
  const remove = make("button", { type: "button", className: "quiet remove", textContent: "×" });
  const text = make("div", { className: "text" }, title, facts, own);
  const element = make("li", { className: "entry", data: { id: entry.id } }, done, text, remove);
  const row = { element, entry };
  const path = `${listPath(state.name)}/entries/${entry.id}`;
  const change = async (method, body, verb) => {
    const { title } = row.entry;
    await submit(element, async () => {
      const { revision } = await send(method, path, body);
      if (verb) offerUndo(`“${title}” was ${verb}.`, revision, entry.id);
    });
    // After a refusal, too: the check box returns to the entry's state.
    done.checked = row.entry.completed;
    await refreshList();
  };
  done.onchange = () => change("PATCH", { completed: done.checked }, done.checked && "completed");
  remove.onclick = () => change("DELETE", undefined, "deleted");
  title.onclick = () => openEditor(row, path, title);
  row.show = (now) => {
    row.entry = now;
    row.shown = rowFingerprint(now);
    done.checked = now.completed;
    done.ariaLabel = `Completed: ${now.title}`;
    element.classList.toggle("done", now.completed);
    title.textContent = now.title;
    title.title = "Edit";
    remove.ariaLabel = `Delete: ${now.title}`;
    facts.replaceChildren(...makeFacts(now, group));
    showCommands(row, own);
  };
  row.show(entry);
  return row;
}

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

// Opens a form in the row. Saving sends only the attributes that differ.
function openEditor(row, path, title) {
  const { element, entry } = row;
  const text = make("input", { value: entry.title, ariaLabel: "Title", data: { name: "title", kind: "text" } });
  const date = make("input", { type: "date", ariaLabel: "Date", data: { name: "date", kind: "date" } });
  text.autocomplete = "off";
  date.value = entry.date ?? "";
  const save = make("button", { className: "primary", textContent: "Save" });
  const cancel = make("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const line = make("div", { className: "line" }, text, date, save, cancel);
  const fields = fieldControls(description().fields, entry.fields, entry.id);
  const form = make("form", { noValidate: true }, line, fields);
  const close = () => {
    const hadFocus = form.contains(document.activeElement);
    form.remove();
    element.classList.remove("editing");
    if (hadFocus) title.focus();
  };
  cancel.onclick = close;
  form.onkeydown = (event) => { if (event.key === "Escape") close(); };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const saved = await submit(form, async () => {
      const body = changedValues(readValues(line), { title: entry.title, date: entry.date });
      if (body.title === null) body.title = "";
      const own = changedValues(readValues(fields), entry.fields);
      if (Object.keys(own).length > 0) body.fields = own;
      if (Object.keys(body).length > 0) await send("PATCH", path, body);
    });
    if (saved) { await refreshList(); close(); }
  };
  clearErrors(element);
  element.classList.add("editing");
  element.append(form);
  text.focus();
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

function showGroup(group, alone) {
  if (!sections.has(group.name)) sections.set(group.name, makeSection(group.name));
  const section = sections.get(group.name);
  const title = isDate(group.title) ? formatDay(group.title) : group.title;
  const about = makeCounts(group);
  // A single group's heading repeats the view's name.
  section.heading.hidden = (!title || alone) && Object.keys(group.computed ?? {}).length === 0;
  section.heading.replaceChildren(title || "All", ...about);
  const ids = new Set(group.entries.map((entry) => entry.id));
  for (const id of section.byId.keys()) if (!ids.has(id)) section.byId.delete(id);
  const rows = group.entries.map((entry) => {
    const row = section.byId.get(entry.id);
    if (!row) section.byId.set(entry.id, makeRow(entry, group.name));
    else if (row.shown !== rowFingerprint(entry) || state.redraw) row.show(entry);
    return section.byId.get(entry.id).element;
  });
  arrange(section.rows, rows);
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

function showEntries(groups) {
  const all = find("entries");
  const control = document.activeElement, focused = control?.closest(".entry");
  find("list").classList.toggle("board", isBoard(groups));
  const place = focused ? [...all.querySelectorAll(".entry")].indexOf(focused) : -1;
  const names = new Set(groups.map((group) => group.name));
  for (const name of sections.keys()) if (!names.has(name)) sections.delete(name);
  arrange(all, groups.map((group) => showGroup(group, groups.length === 1)));
  if (focused && !focused.isConnected && !focusOn(focused.dataset.id, control.dataset.command)) {
    const rows = all.querySelectorAll(".entry");
    (rows[Math.min(place, rows.length - 1)]?.querySelector("input") ?? find("title")).focus();
  }
}

const isShown = (id) => [...sections.values()].some((section) => section.byId.has(id));

// Reads the entries as groups in the view's order, or as one unnamed group without a view.
async function readEntries() {
  const { name, list, view } = state;
  if (!list) return { groups: [], more: false };
  if (view === null) {
    const { answers, more } = await readPages(`${listPath(name)}/entries`, state.shown);
    const entries = answers.flat();
    return { groups: entries.length > 0 ? [{ name: "", title: "", entries }] : [], more };
  }
  const { answers, more } = await readPages(`${listPath(name)}/views/${encodeURIComponent(view)}`, state.shown);
  const byName = new Map();
  for (const group of answers.flatMap((answer) => answer.groups)) {
    const earlier = byName.get(group.name);
    if (earlier) earlier.entries.push(...group.entries);
    else byName.set(group.name, { ...group, entries: [...group.entries] });
  }
  return { groups: [...byName.values()], more };
}

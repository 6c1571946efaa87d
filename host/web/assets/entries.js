// The entries of the list: groups of rows, which stay the same elements for as long as they are
// shown, so that neither the focus nor what somebody is typing is lost when the list changes.

const MOST_COLUMNS = 8; // more groups than that do not lie side by side

const groups = new Map(); // by name: a section, and its rows by id

// Makes the children of an element these, in this order, without moving those that are in place.
function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const node of nodes) {
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}

// All that a row shows, to tell whether it is to be shown anew: other entries may have been renamed.
const looks = (entry) => JSON.stringify([entry, namedBy(entry).map(nameOf)]);

function rowOf(entry, group) {
  const done = make("input", { type: "checkbox" });
  const title = make("button", { type: "button", className: "title" });
  const facts = make("span", { className: "facts" });
  const own = make("div", { className: "own" });
  const remove = make("button", { type: "button", className: "quiet remove", textContent: "×" });
  const text = make("div", { className: "text" }, title, facts, own);
  const element = make("li", { className: "entry", data: { id: entry.id } }, done, text, remove);
  const row = { element, entry };
  const path = `${root(state.name)}/entries/${entry.id}`;
  const change = async (method, body, said) => {
    const { title: called } = row.entry;
    await act(element, async () => {
      const { revision } = await ask(method, path, body);
      if (said) offerUndo(`“${called}” was ${said}.`, revision, entry.id);
    });
    // Also when it was refused: the box then shows again what is the case.
    done.checked = row.entry.completed;
    await refresh();
  };
  done.onchange = () => change("PATCH", { completed: done.checked }, done.checked && "completed");
  remove.onclick = () => change("DELETE", undefined, "deleted");
  title.onclick = () => edit(row, path, title);
  row.show = (now) => {
    row.entry = now;
    row.shown = looks(now);
    done.checked = now.completed;
    done.ariaLabel = `Completed: ${now.title}`;
    element.classList.toggle("done", now.completed);
    title.textContent = now.title;
    title.title = "Edit";
    remove.ariaLabel = `Delete: ${now.title}`;
    facts.replaceChildren(...factsOf(now, group));
    showCommands(row, own);
  };
  row.show(entry);
  return row;
}

// The commands that are for one entry. The buttons stay the same for as long as the rules do, or the
// focus would be lost.
function showCommands(row, own) {
  const commands = description().commands.filter(subject);
  const now = JSON.stringify(commands);
  if (row.commands !== now) own.replaceChildren(...commands.map((command) => entryCommand(row, command)));
  row.commands = now;
  for (const button of own.children) button.ariaLabel = `${button.textContent}: ${row.entry.title}`;
}

// What was worked out has no title: its name is written as one.
const words = (name) => name[0].toUpperCase() + name.slice(1).replaceAll("-", " ");

function fact(title, value, kind) {
  return make("span", { textContent: value === true ? title : `${title}: ${shown(value, kind)}` });
}

// The date, and whatever the rules keep or have worked out, in the order in which they declare it; but
// for what the heading says already.
function factsOf({ date, fields, computed = {} }, heading) {
  const facts = [];
  if (date) facts.push(make("time", { dateTime: date, textContent: day(date) }));
  const schemas = new Map(description().fields.map((schema) => [schema.name, schema]));
  const values = { ...fields, ...computed };
  const declared = [...schemas.keys()].filter((name) => name in values);
  for (const name of new Set([...declared, ...Object.keys(values)])) {
    const value = values[name], schema = schemas.get(name);
    if (value === false || value === heading) continue;
    facts.push(fact(schema ? titleOf(schema).called : words(name), value, schema?.kind));
  }
  return facts;
}

// Makes a form of the row; what was changed, and only that, is sent.
function edit(row, path, title) {
  const { element, entry } = row;
  const text = make("input", { name: "title", value: entry.title, ariaLabel: "Title", data: { kind: "text" } });
  const date = make("input", { name: "date", type: "date", ariaLabel: "Date", data: { kind: "date" } });
  text.autocomplete = "off";
  date.value = entry.date ?? "";
  const save = make("button", { className: "primary", textContent: "Save" });
  const cancel = make("button", { type: "button", className: "quiet", textContent: "Cancel" });
  const line = make("div", { className: "line" }, text, date, save, cancel);
  const fields = fieldsOf(description().fields, entry.fields, entry.id);
  const form = make("form", { noValidate: true }, line, fields);
  const close = () => {
    const had = form.contains(document.activeElement);
    form.remove();
    element.classList.remove("editing");
    if (had) title.focus();
  };
  cancel.onclick = close;
  form.onkeydown = (event) => { if (event.key === "Escape") close(); };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const saved = await act(form, async () => {
      const body = changed(valuesIn(line), { title: entry.title, date: entry.date });
      if (body.title === null) body.title = "";
      const own = changed(valuesIn(fields), entry.fields);
      if (Object.keys(own).length > 0) body.fields = own;
      if (Object.keys(body).length > 0) await ask("PATCH", path, body);
    });
    if (saved) { await refresh(); close(); }
  };
  unsay(element);
  element.classList.add("editing");
  element.append(form);
  text.focus();
}

function groupOf(name) {
  const heading = make("h2"), rows = make("ul");
  return { name, heading, rows, element: make("section", {}, heading, rows), byId: new Map() };
}

// How many a group has, of how many it may have if the rules say so, and what else they worked out.
function countOf({ computed = {}, entries }) {
  const { count = entries.length, limit, ...others } = computed;
  const textContent = limit === undefined ? shown(count) : `${shown(count)} of ${shown(limit)}`;
  const said = make("span", { className: "count", textContent });
  said.classList.toggle("full", count >= limit);
  const told = Object.entries(others).filter(([, value]) => value !== false);
  return [said, ...told.map(([name, value]) => fact(words(name), value))];
}

function showGroup(shape, alone) {
  if (!groups.has(shape.name)) groups.set(shape.name, groupOf(shape.name));
  const group = groups.get(shape.name);
  const title = isDate(shape.title) ? day(shape.title) : shape.title;
  const about = countOf(shape);
  // A heading over everything says nothing that the view's own name does not.
  group.heading.hidden = (!title || alone) && Object.keys(shape.computed ?? {}).length === 0;
  group.heading.replaceChildren(title || "All", ...about);
  const ids = new Set(shape.entries.map((entry) => entry.id));
  for (const id of group.byId.keys()) if (!ids.has(id)) group.byId.delete(id);
  const rows = shape.entries.map((entry) => {
    const row = group.byId.get(entry.id);
    if (!row) group.byId.set(entry.id, rowOf(entry, shape.name));
    else if (row.shown !== looks(entry) || state.redraw) row.show(entry);
    return group.byId.get(entry.id).element;
  });
  arrange(group.rows, rows);
  return group.element;
}

// A few places that entries move between lie side by side where there is room; days, and many groups,
// one below the other.
const isBoard = (shapes) =>
  shapes.length > 1 && shapes.length <= MOST_COLUMNS && !shapes.some(({ title }) => !title || isDate(title));

// Puts the focus on an entry, wherever it is now; on the same control of it, if it had one.
function focusOn(id, command) {
  const element = find("entries").querySelector(`.entry[data-id="${id}"]`);
  const button = command && element?.querySelector(`[data-command="${CSS.escape(command)}"]`);
  (button ?? element?.querySelector("input"))?.focus();
  return Boolean(element);
}

function showEntries(shapes) {
  const all = find("entries");
  const control = document.activeElement, focused = control?.closest(".entry");
  find("list").classList.toggle("board", isBoard(shapes));
  const place = focused ? [...all.querySelectorAll(".entry")].indexOf(focused) : -1;
  const names = new Set(shapes.map((shape) => shape.name));
  for (const name of groups.keys()) if (!names.has(name)) groups.delete(name);
  arrange(all, shapes.map((shape) => showGroup(shape, shapes.length === 1)));
  if (focused && !focused.isConnected && !focusOn(focused.dataset.id, control.dataset.command)) {
    const rows = all.querySelectorAll(".entry");
    (rows[Math.min(place, rows.length - 1)]?.querySelector("input") ?? find("title")).focus();
  }
}

const isShown = (id) => [...groups.values()].some((group) => group.byId.has(id));

// The entries as groups, in the order of the view, or as one group without a title.
async function readEntries() {
  const { name, list, view } = state;
  if (!list) return { shapes: [], more: false };
  if (view === null) {
    const { answers, more } = await pages(`${root(name)}/entries`, state.shown);
    const entries = answers.flat();
    return { shapes: entries.length > 0 ? [{ name: "", title: "", entries }] : [], more };
  }
  const { answers, more } = await pages(`${root(name)}/views/${encodeURIComponent(view)}`, state.shown);
  const byName = new Map();
  for (const shape of answers.flatMap((answer) => answer.groups)) {
    const known = byName.get(shape.name);
    if (known) known.entries.push(...shape.entries);
    else byName.set(shape.name, { ...shape, entries: [...shape.entries] });
  }
  return { shapes: [...byName.values()], more };
}

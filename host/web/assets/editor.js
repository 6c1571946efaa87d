// Forms in which entries are edited. A form belongs to an entry, not to a row: it stays when the row moves or goes.
//
// A form knows what each of its controls showed at first. When another client changes the entry, controls that the user
// left alone show the new value. For the others the form shows both values, and the user chooses. A change is sent with
// the revision that the form knows, so that the server refuses it if it is for an older one.

const MAX_SAVES = 5; // attempts to save while other clients change the list

const editors = new Map(); // the open forms by entry id
let isMoving = false; // whether forms are being moved, which takes the focus from them for a moment

// A control for the title. Only one of several lines keeps line breaks.
function titleControl(title) {
  const rows = title.split("\n").length;
  const text = isMultiline(title) ? make("textarea", { rows, value: title }) : make("input", { value: title });
  Object.assign(text, { ariaLabel: "Title", autocomplete: "off" });
  Object.assign(text.dataset, { name: "title", kind: "text" });
  return text;
}

function dateControl(date) {
  const control = make("input", { type: "date", ariaLabel: "Date", data: { name: "date", kind: "date" } });
  control.value = date ?? "";
  return control;
}

// The attributes of an entry that a form edits, by place and name: how to make the control, and how to read the value.
function editedAttributes(id) {
  const attributes = [
    { place: "line", name: "title", make: titleControl, of: ({ title }) => title },
    { place: "line", name: "date", make: dateControl, of: ({ date }) => date ?? null },
  ];
  for (const schema of description().fields) {
    const of = ({ fields }) => valueOf(fields, schema.name) ?? null;
    attributes.push({ place: "fields", name: schema.name, schema, make: (value) => fieldControl(schema, value, id), of });
  }
  return attributes;
}

class Editor {
  constructor(entry) {
    this.entry = entry;
    this.list = state.name;
    this.base = state.list.revision;
    this.isDeleted = false;
    this.conflicts = new Map();
    this.save = make("button", { className: "primary", textContent: "Save" });
    this.cancel = make("button", { type: "button", className: "quiet", textContent: "Cancel" });
    this.line = make("div", { className: "line" });
    this.fields = make("div", { className: "fields" });
    this.notice = make("p", { className: "conflict", hidden: true });
    this.form = make("form", { noValidate: true, ariaLabel: `Edit: ${entry.title}` }, this.notice, this.line, this.fields);
    this.attributes = editedAttributes(entry.id);
    for (const attribute of this.attributes) {
      attribute.element = attribute.make(attribute.of(entry));
      this[attribute.place].append(attribute.element);
    }
    this.line.append(this.save, this.cancel);
    for (const attribute of this.attributes) attribute.shown = this.read(attribute);
    this.cancel.onclick = () => this.close();
    // The press would take the focus out of the form, which saves it.
    this.cancel.onmousedown = (event) => event.preventDefault();
    this.form.onsubmit = (event) => { event.preventDefault(); this.submit(); };
    this.form.onkeydown = (event) => this.onKey(event);
    this.form.addEventListener("focusout", ({ relatedTarget }) => this.onLeave(relatedTarget));
  }

  control({ name, element }) {
    const is = `[data-name="${CSS.escape(name)}"]`;
    return element.matches(is) ? element : element.querySelector(is);
  }

  read(attribute) {
    return readValue(this.control(attribute));
  }

  isChanged(attribute) {
    return !sameValue(this.read(attribute), attribute.shown);
  }

  onKey(event) {
    if (event.key === "Escape") this.close();
    // In a title of several lines, Enter saves like in any other, and Shift and Enter begin a line.
    if (event.key === "Enter" && !event.shiftKey && event.target.matches("textarea")) {
      event.preventDefault();
      this.form.requestSubmit();
    }
  }

  // Leaving the form saves it, unless there is something to choose first.
  onLeave(to) {
    if (isMoving || editors.get(this.entry.id) !== this || this.form.contains(to) || !document.hasFocus()) return;
    if (to?.closest("dialog, #toasts")) return;
    if (!this.isDeleted && this.conflicts.size === 0) this.submit();
  }

  // Takes in the entry as it is now, or null if it was deleted.
  update(now) {
    this.base = state.list?.revision ?? this.base;
    this.isDeleted = now === null;
    this.save.textContent = this.isDeleted ? "Add it anew" : "Save";
    this.notice.hidden = !this.isDeleted;
    this.notice.textContent = "This entry was deleted meanwhile. What you typed is still here.";
    if (now === null || now === this.entry) return;
    for (const attribute of this.attributes) {
      const theirs = attribute.of(now);
      if (!sameValue(theirs, attribute.of(this.entry))) this.takeIn(attribute, theirs);
    }
    this.entry = now;
  }

  takeIn(attribute, theirs) {
    let typed;
    try { typed = this.read(attribute); } catch { typed = undefined; }
    if (sameValue(typed, theirs)) {
      attribute.shown = typed;
      this.settle(attribute);
    } else if (sameValue(typed, attribute.shown)) {
      this.show(attribute, theirs);
    } else {
      this.ask(attribute, theirs);
    }
  }

  // Shows another value in the control.
  show(attribute, value) {
    const hadFocus = attribute.element.contains(document.activeElement);
    const made = attribute.make(value);
    attribute.element.replaceWith(made);
    attribute.element = made;
    attribute.shown = this.read(attribute);
    if (hadFocus) this.control(attribute).focus();
    this.settle(attribute);
  }

  settle(attribute) {
    this.conflicts.get(attribute)?.remove();
    this.conflicts.delete(attribute);
    if (this.conflicts.size === 0) clearErrors(this.form);
  }

  // Shows both values of an attribute that the user and another client changed, with a choice.
  ask(attribute, theirs) {
    this.conflicts.get(attribute)?.remove();
    const label = attribute.schema ? titleOf(attribute.schema).label : titleFromName(attribute.name);
    const value = theirs === null ? "nothing" : `“${formatValue(theirs, attribute.schema?.kind)}”`;
    const text = make("span", { textContent: `${label} was changed meanwhile to ${value}.` });
    const choice = (textContent, onclick) => make("button", { type: "button", className: "quiet", textContent, onclick });
    const take = choice("Take that", () => { this.show(attribute, theirs); this.control(attribute).focus(); });
    const keep = choice("Keep mine", () => {
      attribute.shown = theirs;
      this.settle(attribute);
      this.control(attribute).focus();
    });
    const asked = make("p", { className: "conflict", role: "alert" }, text, take, keep);
    this.conflicts.set(attribute, asked);
    if (attribute.place === "line") this.line.after(asked); else attribute.element.append(asked);
  }

  // The attributes that differ, as the body of a change.
  changes() {
    const body = {}, fields = {};
    for (const attribute of this.attributes.filter((one) => this.isChanged(one))) {
      const value = this.read(attribute);
      if (attribute.place === "fields") fields[attribute.name] = value;
      else body[attribute.name] = attribute.name === "title" ? (value ?? "").trim() : value;
    }
    if (body.title !== undefined && body.title === this.entry.title) delete body.title;
    return Object.keys(fields).length > 0 ? { ...body, fields } : body;
  }

  async submit() {
    const { id, title } = this.entry;
    let revision = null;
    const saved = await submit(this.form, async () => {
      if (this.isDeleted) revision = await this.addAnew();
      else revision = await this.send();
    }, { list: this.list, typed: this.control(this.attributes[0]).value });
    if (!saved) return;
    if (revision !== null) await untilShown(this.list, revision);
    this.close();
    showAdded(this.list, this.added);
    if (this.isRemoved) offerUndo(this.list, `“${title}” was deleted.`, [revision], id);
  }

  // Sends the change. Answers with its revision, or null if there is nothing to change.
  async send() {
    const path = `${listPath(this.list)}/entries/${this.entry.id}`;
    for (let attempt = 1; ; attempt += 1) {
      if (this.conflicts.size > 0) {
        this.conflicts.values().next().value.querySelector("button").focus();
        throw new Problem({ detail: "Someone else changed the same. Choose what to keep, and save again." });
      }
      const body = this.changes();
      if (Object.keys(body).length === 0) return null;
      this.isRemoved = body.title === "";
      try {
        const request = this.isRemoved ? ["DELETE", path, undefined] : ["PATCH", path, body];
        return (await send(...request, this.base)).revision;
      } catch (problem) {
        // The list is at another revision. What changed may concern other entries only.
        const isStale = problem.status === 412 || problem.status === 404;
        if (!isStale || attempt === MAX_SAVES || editors.get(this.entry.id) !== this) throw problem;
        await refreshList();
        if (this.isDeleted) throw new Problem({ detail: "Add it anew, or cancel." });
      }
    }
  }

  async addAnew() {
    const all = this.attributes.map((attribute) => [attribute, this.read(attribute)]).filter(([, value]) => value !== null && value !== false);
    const of = (place) => Object.fromEntries(all.filter(([one]) => one.place === place).map(([{ name }, value]) => [name, value]));
    const { title = "", ...line } = of("line"), fields = of("fields");
    const body = { title: title.trim(), ...line, ...(Object.keys(fields).length > 0 && { fields }) };
    const { answer, revision } = await send("POST", `${listPath(this.list)}/entries`, body);
    this.added = answer;
    return revision;
  }

  close() {
    const hadFocus = this.form.contains(document.activeElement);
    if (editors.get(this.entry.id) === this) editors.delete(this.entry.id);
    const place = this.form.parentElement;
    this.form.remove();
    place?.classList.remove("editing");
    if (hadFocus) (place?.querySelector(".title") ?? find("title")).focus();
    showDrafts();
  }
}

function openEditor(entry) {
  if (!editors.has(entry.id)) editors.set(entry.id, new Editor(entry));
  const editor = editors.get(entry.id);
  placeEditors();
  clearErrors(rowElement(entry.id));
  editor.control(editor.attributes[0]).focus();
}

function closeEditors() {
  editors.forEach(({ form }) => form.remove());
  editors.clear();
  showDrafts();
}

// Moves each form to the row of its entry, or above the entries if that is not shown, and takes in what changed.
function placeEditors() {
  for (const [id, editor] of editors) {
    const place = rowElement(id) ?? find("drafts");
    if (editor.form.parentElement !== place) {
      editor.form.parentElement?.classList.remove("editing");
      place.append(editor.form);
    }
    place.classList.toggle("editing", place !== find("drafts"));
    const now = entryCache.get(id);
    if (now !== undefined) editor.update(now);
  }
  showDrafts();
}

function showDrafts() {
  find("drafts").hidden = find("drafts").childElementCount === 0;
}

// Does what may move forms, and keeps the focus in them. Answers whether a form had it.
function movingForms(task) {
  const control = document.activeElement;
  const hadFocus = [...editors.values()].some(({ form }) => form.contains(control));
  const { selectionStart, selectionEnd } = control;
  isMoving = true;
  try {
    task();
    if (!hadFocus || document.activeElement === control || !control.isConnected) return hadFocus;
    control.focus();
    if (Number.isInteger(selectionStart)) control.setSelectionRange(selectionStart, selectionEnd);
    return true;
  } finally {
    isMoving = false;
  }
}

// Reads the entries whose forms are open and that are not among those just read: they may be deleted.
async function cacheEditedEntries(read) {
  const others = [...editors.keys()].filter((id) => !read.has(id));
  for (const id of others) entryCache.delete(id);
  await cacheEntriesById(others);
}

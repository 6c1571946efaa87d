// Telling the person, asking the person, and the values that go to and fro.

// Says something at the foot of the page, once, until it is taken back or its button is pressed.
function notice(id, text, action, run) {
  const old = document.querySelector(`.notice[data-id="${id}"]`);
  if (old?.firstChild.textContent === text) return null;
  const made = make("div", { className: "notice", data: { id } }, make("span", { textContent: text }));
  const close = () => made.remove();
  if (action) made.append(make("button", { type: "button", textContent: action, onclick: () => (close(), run?.()) }));
  old?.remove();
  find("notices").append(made);
  return close;
}

// Says something that need not be kept in sight.
function tell(id, text) {
  const close = notice(id, text, "Dismiss");
  if (close) setTimeout(close, 8_000);
}

const unnotice = (id) => document.querySelector(`.notice[data-id="${id}"]`)?.remove();

let offline = false;
function reachable(yes) {
  if (offline === !yes) return;
  offline = !yes;
  if (offline) {
    notice("offline", "The server does not answer. What you see may be old; trying again…");
    pollIn(RETRY);
  } else {
    unnotice("offline");
    refresh();
  }
}

// Takes back what was said at a place.
function unsay(place) {
  place.querySelectorAll(":scope > .problem").forEach((said) => said.remove());
  for (const marked of place.querySelectorAll("[aria-invalid]")) {
    marked.removeAttribute("aria-invalid");
    marked.removeAttribute("aria-describedby");
  }
}

function say(place, problem) {
  unsay(place);
  const said = make("p", { className: "problem", role: "alert", id: `problem-${newKey()}` });
  said.textContent = problem.message;
  place.append(said);
  const marked = problem.field && place.querySelector(`[name="${CSS.escape(problem.field)}"]`);
  if (!marked) return;
  marked.setAttribute("aria-invalid", "true");
  marked.setAttribute("aria-describedby", said.id);
  (marked.matches("fieldset") ? marked.querySelector("input") : marked)?.focus();
}

// Carries out what a person wants at a place of the page; says there why not, if not.
async function act(place, action) {
  if (place.ariaBusy === "true") return false;
  place.ariaBusy = "true";
  try {
    await action();
    unsay(place);
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    say(place, problem);
    return false;
  } finally {
    place.ariaBusy = "false";
  }
}

// Asks in a dialog for what else there is to know, then runs the action with it.
function consult({ title, text = "", fields = [], confirm, danger = false, run, after }) {
  const dialog = find("dialog"), form = find("dialog-form");
  unsay(form);
  find("dialog-title").textContent = title;
  find("dialog-text").textContent = text;
  find("dialog-text").hidden = !text;
  find("dialog-fields").replaceChildren(...fields);
  find("dialog-confirm").textContent = confirm;
  find("dialog-confirm").classList.toggle("danger", danger);
  find("dialog-cancel").onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (await act(form, () => run(valuesIn(find("dialog-fields"))))) { dialog.close(); after?.(); }
  };
  dialog.showModal();
}

// --- Values of the kinds that rules can declare ---

// What people call a field, and the example that its title may end with: `Rule, such as "daily"`.
function titleOf({ name, title }) {
  const [called, example] = (title || name).split(/, such as "?(.*?)"?$/);
  return { called, example };
}

// The control for a value, under its title; "itself" is the entry that it is of, if it is of one.
function field(schema, value, itself) {
  const { name, kind, choices, required } = schema;
  const { called, example } = titleOf(schema);
  const data = { kind };
  let control, words = [];
  if (isEntry(kind)) {
    control = chooser(schema, value, itself);
  } else if (choices.length > 0) {
    const chosen = [value ?? []].flat();
    const option = (text) => new Option(text, text, false, chosen.includes(text));
    const none = kind === "texts" ? [] : [new Option("", "")];
    control = make("select", { name, data, multiple: kind === "texts" }, ...none, ...choices.map(option));
  } else {
    const type = { boolean: "checkbox", number: "number", date: "date" }[kind] ?? "text";
    control = make("input", { name, data, type, autocomplete: "off" });
    if (kind === "boolean") control.checked = value === true;
    else control.value = kind === "texts" ? (value ?? []).join(", ") : (value ?? "");
    if (kind === "number") control.step = "any";
    if (kind === "text") words = [suggestions(control, name)];
    if (example) control.placeholder = example;
  }
  if (required && kind !== "entries") control.ariaRequired = "true";
  const hint = kind === "texts" ? " (separated by commas)" : "";
  const title = `${called}${choices.length > 0 ? "" : hint}${required ? " (required)" : ""}`;
  // What is ticked has labels of its own.
  if (kind === "entries") {
    control.ariaLabel = title;
    return make("div", {}, make("span", { className: "label", textContent: title }), control);
  }
  return make("label", {}, ...(kind === "boolean" ? [control, title] : [title, control]), ...words);
}

function fieldsOf(schemas, values = {}, itself = null) {
  const controls = schemas.map((schema) => field(schema, values[schema.name], itself));
  return make("div", { className: "fields" }, ...controls);
}

// What was typed in, by name; null where there is nothing.
function valuesIn(place) {
  const values = {};
  for (const control of place.querySelectorAll("[data-kind]")) {
    const { name, value } = control;
    if (control.validity.badInput) throw new Problem({ detail: `${name}: this is not complete.`, field: name });
    const split = () => value.split(",").map((text) => text.trim()).filter(Boolean);
    const texts = () => (control.multiple ? Array.from(control.selectedOptions, (option) => option.value) : split());
    switch (control.dataset.kind) {
      case "boolean": values[name] = control.checked; break;
      case "number": values[name] = value === "" ? null : Number(value); break;
      case "entry": values[name] = chosenIn(control)[0] ?? null; break;
      case "entries": values[name] = chosenIn(control).length > 0 ? chosenIn(control) : null; break;
      case "texts": values[name] = texts().length > 0 ? texts() : null; break;
      default: values[name] = value === "" ? null : value;
    }
  }
  return values;
}

// The values that are other than before. Nothing, no and never set are the same.
function changed(values, before = {}) {
  const plain = (value) => (value === undefined || value === false ? null : value);
  const other = ([name, value]) => !sameJson(plain(value), plain(before[name]));
  return Object.fromEntries(Object.entries(values).filter(other));
}

const isDate = (text) => /^\d{4}-\d\d-\d\d$/.test(text);

function day(text) {
  const date = new Date(`${text}T00:00`);
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short", year });
}

function shown(value, kind) {
  if (isEntry(kind) || isEntries(value)) return [value].flat().map(nameOf).join(", ");
  return Array.isArray(value) ? value.join(", ") : isDate(value) ? day(value) : String(value);
}

const time = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

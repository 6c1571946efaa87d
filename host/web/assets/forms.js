// Toasts, error messages, the dialog, and form controls for values of each declared kind.

// Shows a message at the foot of the page until it is closed or its button is pressed. A message that is
// already shown under the same id is not repeated. Answers with a function that closes it, or null.
function toast(id, text, action, run) {
  const old = document.querySelector(`.toast[data-id="${id}"]`);
  if (old?.firstChild.textContent === text) return null;
  const element = make("div", { className: "toast", data: { id } }, make("span", { textContent: text }));
  const close = () => element.remove();
  if (action) element.append(make("button", { type: "button", textContent: action, onclick: () => (close(), run?.()) }));
  old?.remove();
  find("toasts").append(element);
  return close;
}

// Shows a message that closes by itself after some seconds.
function toastBriefly(id, text) {
  const close = toast(id, text, "Dismiss");
  if (close) setTimeout(close, 8_000);
}

const closeToast = (id) => document.querySelector(`.toast[data-id="${id}"]`)?.remove();

let offline = false;
function setReachable(yes) {
  if (offline === !yes) return;
  offline = !yes;
  if (offline) {
    toast("offline", "The server does not answer. What you see may be out of date. Retrying…");
    pollIn(RETRY_DELAY);
  } else {
    closeToast("offline");
    refreshList();
  }
}

// Removes the error message from a place of the page, and the marks from its controls.
function clearErrors(place) {
  place.querySelectorAll(":scope > .problem").forEach((message) => message.remove());
  for (const marked of place.querySelectorAll("[aria-invalid]")) {
    marked.removeAttribute("aria-invalid");
    marked.removeAttribute("aria-describedby");
  }
}

// Shows a problem at the place of the page that caused it, and marks the control that the problem names.
function showError(place, problem) {
  clearErrors(place);
  const message = make("p", { className: "problem", role: "alert", id: `problem-${newKey()}` });
  message.textContent = problem.message;
  place.append(message);
  const marked = problem.field && place.querySelector(`[data-name="${CSS.escape(problem.field)}"]`);
  if (!marked) return;
  marked.setAttribute("aria-invalid", "true");
  marked.setAttribute("aria-describedby", message.id);
  (marked.matches("fieldset") ? marked.querySelector("input") : marked)?.focus();
}

// Runs an action for a place of the page, and shows its problem there. Answers whether the action succeeded.
async function submit(place, action) {
  if (place.ariaBusy === "true") return false;
  place.ariaBusy = "true";
  try {
    await action();
    clearErrors(place);
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showError(place, problem);
    return false;
  } finally {
    place.ariaBusy = "false";
  }
}

// Opens the dialog with the given fields. Confirming runs the action with their values. The dialog closes
// when the action succeeds.
function openDialog({ title, text = "", fields = [], confirm, danger = false, run, after }) {
  const dialog = find("dialog"), form = find("dialog-form");
  clearErrors(form);
  find("dialog-title").textContent = title;
  find("dialog-text").textContent = text;
  find("dialog-text").hidden = !text;
  find("dialog-fields").replaceChildren(...fields);
  find("dialog-confirm").textContent = confirm;
  find("dialog-confirm").classList.toggle("danger", danger);
  find("dialog-cancel").onclick = () => dialog.close();
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (await submit(form, () => run(readValues(find("dialog-fields"))))) { dialog.close(); after?.(); }
  };
  dialog.showModal();
}

// --- Controls and values ---

// Splits a declared title into label and example: `Rule, such as "daily"`.
function titleOf({ name, title }) {
  const [label, example] = (title || name).split(/, such as "?(.*?)"?$/);
  return { label, example };
}

// A labelled control for a value. `itself` is the id of the entry that has the field, or null.
//
// The field's name is in `data-name`. A `name` would hide a property of the form: in a form with a control whose name is
// "append", form.append is that control. No form is sent without the script, so no control needs a `name`.
function fieldControl(schema, value, itself) {
  const { name, kind, choices, required } = schema;
  const { label, example } = titleOf(schema);
  const data = { name, kind };
  let control, datalists = [];
  if (isEntry(kind)) {
    control = entryPicker(schema, value, itself);
  } else if (choices.length > 0) {
    const chosen = [value ?? []].flat();
    const option = (text) => new Option(text, text, false, chosen.includes(text));
    const none = kind === "texts" ? [] : [new Option("", "")];
    control = make("select", { data, multiple: kind === "texts" }, ...none, ...choices.map(option));
  } else {
    const type = { boolean: "checkbox", number: "number", date: "date" }[kind] ?? "text";
    control = make("input", { data, type, autocomplete: "off" });
    if (kind === "boolean") control.checked = value === true;
    else control.value = kind === "texts" ? (value ?? []).join(", ") : (value ?? "");
    if (kind === "number") control.step = "any";
    if (kind === "text") datalists = [suggestions(control, name)];
    if (example) control.placeholder = example;
  }
  if (required && kind !== "entries") control.ariaRequired = "true";
  const hint = kind === "texts" ? " (separated by commas)" : "";
  const title = `${label}${choices.length > 0 ? "" : hint}${required ? " (required)" : ""}`;
  // Each check box has a label of its own, so that the group cannot be inside one.
  if (kind === "entries") {
    control.ariaLabel = title;
    return make("div", {}, make("span", { className: "label", textContent: title }), control);
  }
  return make("label", {}, ...(kind === "boolean" ? [control, title] : [title, control]), ...datalists);
}

// The value of a field. A field may have the name of a property that all objects have, such as "constructor".
const valueOf = (values, name) => (Object.hasOwn(values, name) ? values[name] : undefined);

function fieldControls(schemas, values = {}, itself = null) {
  const controls = schemas.map((schema) => fieldControl(schema, valueOf(values, schema.name), itself));
  return make("div", { className: "fields" }, ...controls);
}

// The values of the controls in a place, by name. An empty control gives null.
function readValues(place) {
  const values = {};
  for (const control of place.querySelectorAll("[data-kind]")) {
    const { value, dataset: { name } } = control;
    if (control.validity.badInput) throw new Problem({ detail: `${name}: the value is incomplete.`, field: name });
    const split = () => value.split(",").map((text) => text.trim()).filter(Boolean);
    const texts = () => (control.multiple ? Array.from(control.selectedOptions, (option) => option.value) : split());
    switch (control.dataset.kind) {
      case "boolean": values[name] = control.checked; break;
      case "number": values[name] = value === "" ? null : Number(value); break;
      case "entry": values[name] = pickedIds(control)[0] ?? null; break;
      case "entries": values[name] = pickedIds(control).length > 0 ? pickedIds(control) : null; break;
      case "texts": values[name] = texts().length > 0 ? texts() : null; break;
      default: values[name] = value === "" ? null : value;
    }
  }
  return values;
}

// The values that differ from those before. Null, false and absent count as the same.
function changedValues(values, before = {}) {
  const normalized = (value) => (value === undefined || value === false ? null : value);
  const differs = ([name, value]) => !sameJson(normalized(value), normalized(valueOf(before, name)));
  return Object.fromEntries(Object.entries(values).filter(differs));
}

const isDate = (text) => /^\d{4}-\d\d-\d\d$/.test(text);

function formatDay(text) {
  const date = new Date(`${text}T00:00`);
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short", year });
}

function formatValue(value, kind) {
  if (isEntry(kind) || isEntries(value)) return [value].flat().map(entryLabel).join(", ");
  return Array.isArray(value) ? value.join(", ") : isDate(value) ? formatDay(value) : String(value);
}

const formatTime = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

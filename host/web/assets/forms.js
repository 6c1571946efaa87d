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
    retry();
  } else {
    closeToast("offline");
    clearPassedErrors();
    refreshList();
  }
}

// Asks the server again until it answers.
const retry = coalesce(async () => {
  while (offline) {
    await pause(RETRY_DELAY);
    if (!document.hidden) await refreshOverview();
  }
});

// The messages of a place of the page. A message can be inside a form, at the control that it names.
const messagesOf = (place) => document.querySelectorAll(`.problem[data-of="${place.dataset.place}"]`);

// Removes the error message from a place of the page, and the marks from its controls.
function clearErrors(place) {
  if (!place?.dataset.place) return;
  for (const message of messagesOf(place)) {
    const marked = place.querySelector(`[aria-describedby="${message.id}"]`);
    marked?.removeAttribute("aria-invalid");
    marked?.removeAttribute("aria-describedby");
    message.remove();
  }
}

// Ends the messages of an outage that is over. What a write led to is not known, so its message stays as a hint.
function clearPassedErrors() {
  for (const message of document.querySelectorAll(".problem[data-passes]")) {
    message.className = "problem passed";
    delete message.dataset.passes;
    if (message.dataset.of === find("list").dataset.place) message.remove();
    else message.textContent = "The server answers again. Check whether the change is there; it is safe to try again.";
  }
}

// Shows a problem at the place of the page that caused it: at the control that the problem names, or at the end.
function showError(place, problem) {
  clearErrors(place);
  place.dataset.place ??= newKey();
  const message = make("p", { className: "problem", role: "alert", id: `problem-${newKey()}`, data: { of: place.dataset.place } });
  message.textContent = problem.message;
  if (problem.status === 0 || problem.status === 503) message.dataset.passes = "";
  // A problem may name the member that holds the field, too.
  const named = [problem.field, problem.field?.split(/[./]/).at(-1)].filter(Boolean);
  const marked = named.map((name) => place.querySelector(`[data-name="${CSS.escape(name)}"]`)).find(Boolean);
  const around = marked && (marked.closest(".line") ?? marked.closest(".fields > *"));
  if (!around) place.append(message);
  else if (around.matches(".line")) around.after(message);
  else around.append(message);
  message.scrollIntoView({ block: "nearest" });
  if (!marked) return;
  marked.setAttribute("aria-invalid", "true");
  marked.setAttribute("aria-describedby", message.id);
  (marked.matches("fieldset") ? marked.querySelector("input") : marked)?.focus();
}

// A message about a control ends when the user corrects the control.
document.addEventListener("input", ({ target }) => {
  const message = document.getElementById(target.getAttribute("aria-describedby"));
  if (target.ariaInvalid !== "true" || !message) return;
  target.removeAttribute("aria-invalid");
  target.removeAttribute("aria-describedby");
  message.remove();
});

// Runs an action for a place of the page, and shows its problem there. Answers whether the action succeeded. If the user has
// left the list, or the place has gone with what was `typed` in it, a toast shows the problem.
async function submit(place, action, { list = state.name, typed = "" } = {}) {
  // A place of the page may still be busy with the list that it showed before.
  if (place.ariaBusy === "true" && place.dataset.busyWith === String(list)) return false;
  place.ariaBusy = "true";
  place.dataset.busyWith = list;
  try {
    await action();
    clearErrors(place);
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    const about = typed === "" ? `“${list}”` : `“${typed}” in “${list}”`;
    const isLeft = list !== state.name || (typed !== "" && !place.isConnected);
    if (isLeft) toast(`unsaved-${newKey()}`, `About ${about}: ${problem.message}`, "Dismiss");
    else showError(place, problem);
    return false;
  } finally {
    if (place.dataset.busyWith === String(list)) place.ariaBusy = "false";
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
  const confirmed = form.onsubmit = async (event) => {
    event.preventDefault();
    const isDone = await submit(form, () => run(readValues(find("dialog-fields"))));
    // Another dialog may be open by then.
    if (isDone && form.onsubmit === confirmed) { dialog.close(); after?.(); }
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
    // An input of one line would lose line breaks.
    const isLong = kind === "text" && isMultiline(String(value ?? ""));
    control = isLong ? make("textarea", { data, rows: 3 }) : make("input", { data, type, autocomplete: "off" });
    if (kind === "boolean") control.checked = value === true;
    else control.value = kind === "texts" ? (value ?? []).join(", ") : (value ?? "");
    if (kind === "number") control.step = "any";
    if (kind === "text" && !isLong) datalists = [suggestions(control, name)];
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

// The value of a control. An empty control gives null.
function readValue(control) {
  const { value, dataset: { name } } = control;
  if (control.validity.badInput) throw new Problem({ detail: `${name}: the value is incomplete.`, field: name });
  const split = () => value.split(",").map((text) => text.trim()).filter(Boolean);
  const texts = () => (control.multiple ? Array.from(control.selectedOptions, (option) => option.value) : split());
  switch (control.dataset.kind) {
    case "boolean": return control.checked;
    case "number": return value === "" ? null : Number(value);
    case "entry": return pickedIds(control)[0] ?? null;
    case "entries": return pickedIds(control).length > 0 ? pickedIds(control) : null;
    case "texts": return texts().length > 0 ? texts() : null;
    default: return value === "" ? null : value;
  }
}

// The values of the controls in a place, by name.
function readValues(place) {
  const controls = [...place.querySelectorAll("[data-kind]")];
  return Object.fromEntries(controls.map((control) => [control.dataset.name, readValue(control)]));
}

// Whether two values are the same. Null, false and absent count as the same.
function sameValue(one, other) {
  const normalized = (value) => (value === undefined || value === false ? null : value);
  return sameJson(normalized(one), normalized(other));
}

// The values that differ from those before.
function changedValues(values, before = {}) {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => !sameValue(value, valueOf(before, name))));
}

const isMultiline = (text) => text.includes("\n");
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

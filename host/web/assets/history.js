// The history panel: the list's revisions as sentences, newest first.

let revisions = []; // the revisions shown, oldest first

async function readRevisions(name, after, limit) {
  const { answers } = await readPages(`${listPath(name)}/history`, `after=${after}`, limit);
  return answers.flat();
}

// Describes revisions as sentences. An entry's earlier state is known only from the revisions given.
function describeRevisions(revisions) {
  const earlier = new Map(), removed = new Set();
  const quoted = (id) => (earlier.has(id) ? `“${earlier.get(id).title}”` : `entry ${id}`);
  const commands = new Map(description().commands.map((command) => [command.name, command.title || command.name]));
  const put = (now, isNew) => {
    const before = earlier.get(now.id), title = quoted(now.id);
    earlier.set(now.id, now);
    if (removed.delete(now.id)) return `restored “${now.title}”`;
    if (isNew && !before) return `added “${now.title}”`;
    if (!before) return `changed “${now.title}”`;
    if (before.title !== now.title) return `renamed ${title} to “${now.title}”`;
    if (before.completed !== now.completed) return `${now.completed ? "completed" : "reopened"} ${title}`;
    if (before.date !== now.date) return now.date ? `put ${title} on ${formatDay(now.date)}` : `removed the date of ${title}`;
    return `changed ${title}`;
  };
  const kinds = new Map(description().settings.map(({ name, kind }) => [name, kind]));
  const setting = ([name, value]) => `${name} to ${formatValue(value, kinds.get(name))}`;
  const step = (change, isNew) => {
    switch (change.type) {
      case "put": return put(change.entry, isNew);
      case "remove": removed.add(change.id); return `deleted ${quoted(change.id)}`;
      case "set": return `set ${Object.entries(change.settings).map(setting).join(", ")}`;
      case "unset": return `cleared ${change.setting}`;
      case "bind-logic": return `set the rules to ${change.logic}`;
      case "pin": return change.pin ? `pinned version ${change.pin}` : "removed the pin";
      default: return "deleted the list";
    }
  };
  // A revision that is larger than a page has the numbers of its changes instead of the changes.
  const counted = { put: "added or changed", remove: "deleted" };
  const countedSteps = (counts) => Object.entries(counted).filter(([type]) => counts[type])
    .map(([type, verb]) => `${verb} ${counts[type]} ${counts[type] === 1 ? "entry" : "entries"}`);
  return revisions.map(({ command, changes, counts, undone }) => {
    const isNew = command === "add-entry";
    const steps = changes
      ? changes.filter((change) => isUserChoice(change, command)).map((change) => step(change, isNew))
      : countedSteps(counts);
    const some = steps.length > 4 ? [...steps.slice(0, 3), `and ${steps.length - 3} more changes`] : steps;
    const summary = some.join(", ") || "changed nothing";
    if (undone !== undefined) return `undid revision ${undone}: ${summary}`;
    return commands.has(command) ? `${commands.get(command)}: ${summary}` : summary;
  });
}

function revisionItems(revisions) {
  const texts = describeRevisions(revisions), undoing = undoneBy(revisions);
  const item = (it, at) => {
    const { caller, time: when, logic, revision } = it;
    const timestamp = make("time", { dateTime: when, textContent: formatTime(when) });
    const hint = make("p", { className: "hint", title: logic }, timestamp);
    hint.append(` · ${logic.split("+")[0]} · revision ${revision}`);
    const sentence = `${caller} ${texts[at]}`;
    const made = make("li", {}, make("p", { textContent: sentence }), hint);
    if (undoing.has(revision)) {
      made.className = "undone";
      hint.append(` · undone by revision ${undoing.get(revision)}`);
    } else if (it.may_undo && canBeUndone(it)) {
      made.append(undoButton(made, revision, sentence));
    }
    return made;
  };
  return revisions.map(item).reverse();
}

// A button that undoes a revision. The focus moves to the new revision, which can be undone in turn.
function undoButton(place, revision, sentence) {
  const onclick = async () => {
    const { name } = state;
    if (!await submit(place, () => undo(name, [revision]))) return;
    await showHistory();
    if (name !== state.name) return;
    find("revisions").querySelector("button")?.focus();
  };
  const label = { ariaLabel: `Undo revision ${revision}: ${sentence}`, data: { revision } };
  return make("button", { type: "button", className: "quiet", textContent: "Undo", onclick, ...label });
}

function showRevisions() {
  const list = find("revisions"), focused = list.contains(document.activeElement) ? document.activeElement : null;
  list.replaceChildren(...revisionItems(revisions));
  if (focused) list.querySelector(`[data-revision="${focused.dataset.revision}"]`)?.focus();
  find("revisions-more").hidden = (revisions[0]?.revision ?? 1) <= 1;
}

// Shows the history: the newest page when the panel opens, afterwards only newer revisions.
const showHistory = coalesce(async () => {
  if (find("history").hidden || !state.list) return;
  // Closing the panel and choosing another list begin another array.
  const { name } = state, shown = revisions;
  const last = state.list.revision, newest = shown.at(-1)?.revision;
  if (newest >= last) return;
  try {
    const newer = await readRevisions(name, newest ?? Math.max(0, last - PAGE), newest === undefined ? PAGE : MAX_PAGE);
    if (shown !== revisions) return;
    clearErrors(find("history"));
    if (newer.length === 0) return; // the rows stay, with their messages
    revisions.push(...newer);
    showRevisions();
  } catch (problem) {
    if (shown === revisions) showError(find("history"), problem);
  }
});

// Shows the revision of an event, which is the same as in the history.
function noteRevision(revision) {
  if (find("history").hidden || revisions.at(-1)?.revision !== revision.revision - 1) return;
  revisions.push(revision);
  showRevisions();
}

const showOlder = () => submit(find("history"), async () => {
  const shown = revisions, first = shown[0].revision;
  const older = await readRevisions(state.name, Math.max(0, first - 1 - PAGE), PAGE);
  if (shown !== revisions) return;
  revisions.unshift(...older.filter(({ revision }) => revision < first));
  showRevisions();
  // An empty answer means that older revisions are no longer retained.
  if (revisions[0].revision === first) find("revisions-more").hidden = true;
});

function toggleHistory(open) {
  const panel = find("history");
  if (panel.hidden === !open) return;
  panel.hidden = !open;
  find("history-open").ariaExpanded = String(open);
  revisions = [];
  find("revisions").replaceChildren();
  if (open) showHistory().then(() => panel.focus());
}

find("history-open").onclick = () => toggleHistory(find("history").hidden);
find("history-close").onclick = () => { toggleHistory(false); find("history-open").focus(); };
find("history").onkeydown = (event) => { if (event.key === "Escape") find("history-close").click(); };
find("revisions-more").onclick = showOlder;

// The history of the list, the newest first, in words.

let revisions = []; // those that are shown, the oldest first

async function readRevisions(after, limit) {
  const { answer } = await ask("GET", `${root(state.name)}/history?after=${after}&limit=${limit}`);
  return answer;
}

// What the revisions did, as sentences; of what an entry was before, only these revisions are asked.
function sentences(revisions) {
  const known = new Map(), gone = new Set();
  const quoted = (id) => (known.has(id) ? `“${known.get(id).title}”` : `entry ${id}`);
  const commands = new Map(description().commands.map((command) => [command.name, command.title || command.name]));
  const put = (now, isNew) => {
    const before = known.get(now.id), title = quoted(now.id);
    known.set(now.id, now);
    if (gone.delete(now.id)) return `brought back “${now.title}”`;
    if (isNew && !before) return `added “${now.title}”`;
    if (!before) return `changed “${now.title}”`;
    if (before.title !== now.title) return `renamed ${title} to “${now.title}”`;
    if (before.completed !== now.completed) return `${now.completed ? "completed" : "reopened"} ${title}`;
    if (before.date !== now.date) return now.date ? `put ${title} on ${day(now.date)}` : `took the date from ${title}`;
    return `changed ${title}`;
  };
  const kinds = new Map(description().settings.map(({ name, kind }) => [name, kind]));
  const setting = ([name, value]) => `${name} to ${shown(value, kinds.get(name))}`;
  const step = (change, isNew) => {
    switch (change.type) {
      case "put": return put(change.entry, isNew);
      case "remove": gone.add(change.id); return `deleted ${quoted(change.id)}`;
      case "set": return `set ${Object.entries(change.settings).map(setting).join(", ")}`;
      case "unset": return `took away ${change.setting}`;
      case "bind-logic": return `chose the rules ${change.logic}`;
      case "pin": return change.pin ? `chose version ${change.pin}` : "chose whichever version is live";
      default: return "deleted the list";
    }
  };
  return revisions.map(({ command, changes, undone }) => {
    const isNew = command === "add-entry";
    const steps = changes.filter((change) => isChosen(change, command)).map((change) => step(change, isNew));
    const some = steps.length > 4 ? [...steps.slice(0, 3), `and ${steps.length - 3} changes more`] : steps;
    const said = some.join(", ") || "changed nothing";
    if (undone !== undefined) return `took back revision ${undone}: ${said}`;
    return commands.has(command) ? `${commands.get(command)}: ${said}` : said;
  });
}

function show(revisions) {
  const words = sentences(revisions), taken = takenBack(revisions);
  const item = (its, at) => {
    const { caller, time: when, logic, revision } = its;
    const moment = make("time", { dateTime: when, textContent: time(when) });
    const hint = make("p", { className: "hint", title: logic }, moment);
    hint.append(` · ${logic.split("+")[0]} · revision ${revision}`);
    const said = `${caller} ${words[at]}`;
    const made = make("li", {}, make("p", { textContent: said }), hint);
    if (taken.has(revision)) {
      made.className = "taken-back";
      hint.append(` · taken back by ${taken.get(revision)}`);
    } else if (canBeUndone(its)) {
      made.append(undoButton(made, revision, said));
    }
    return made;
  };
  return revisions.map(item).reverse();
}

// Takes the revision back; the focus goes to what that made, where it can be done again.
function undoButton(place, revision, said) {
  const onclick = async () => {
    if (!await act(place, () => undo(state.name, revision))) return;
    await showHistory();
    find("revisions").querySelector("button")?.focus();
  };
  const label = { ariaLabel: `Undo revision ${revision}: ${said}`, data: { revision } };
  return make("button", { type: "button", className: "quiet", textContent: "Undo", onclick, ...label });
}

function showRevisions() {
  const list = find("revisions"), focused = list.contains(document.activeElement) ? document.activeElement : null;
  list.replaceChildren(...show(revisions));
  if (focused) list.querySelector(`[data-revision="${focused.dataset.revision}"]`)?.focus();
  find("revisions-more").hidden = (revisions[0]?.revision ?? 1) <= 1;
}

// The newest page when it is opened; later only what came since then.
const showHistory = once(async () => {
  if (find("history").hidden || !state.list) return;
  const last = state.list.revision, newest = revisions.at(-1)?.revision;
  try {
    revisions.push(...await readRevisions(newest ?? Math.max(0, last - PAGE), newest === undefined ? PAGE : MOST));
    unsay(find("history"));
    showRevisions();
  } catch (problem) {
    say(find("history"), problem);
  }
});

const showOlder = () => act(find("history"), async () => {
  const first = revisions[0].revision;
  const older = await readRevisions(Math.max(0, first - 1 - PAGE), PAGE);
  revisions.unshift(...older.filter(({ revision }) => revision < first));
  showRevisions();
  // When nothing came, what is older is not kept any more.
  if (revisions[0].revision === first) find("revisions-more").hidden = true;
});

function foldHistory(open) {
  const panel = find("history");
  if (panel.hidden === !open) return;
  panel.hidden = !open;
  find("history-open").ariaExpanded = String(open);
  revisions = [];
  find("revisions").replaceChildren();
  if (open) showHistory().then(() => panel.focus());
}

find("history-open").onclick = () => foldHistory(find("history").hidden);
find("history-close").onclick = () => { foldHistory(false); find("history-open").focus(); };
find("history").onkeydown = (event) => { if (event.key === "Escape") find("history-close").click(); };
find("revisions-more").onclick = showOlder;

// The history of the list, the newest first, in words.

let revisions = []; // those that are shown, the oldest first

async function readRevisions(after, limit) {
  const { answer } = await ask("GET", `${root(state.name)}/history?after=${after}&limit=${limit}`);
  return answer;
}

// What the revisions did, as sentences; of what an entry was before, only these revisions are asked.
function sentences(revisions) {
  const known = new Map();
  const quoted = (id) => (known.has(id) ? `“${known.get(id).title}”` : `entry ${id}`);
  const commands = new Map(description().commands.map((command) => [command.name, command.title || command.name]));
  const put = (now, isNew) => {
    const before = known.get(now.id), title = quoted(now.id);
    known.set(now.id, now);
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
      case "remove": return `deleted ${quoted(change.id)}`;
      case "set": return `set ${Object.entries(change.settings).map(setting).join(", ")}`;
      case "unset": return `took away ${change.setting}`;
      case "adopt": return `chose the rules ${change.logic}`;
      default: return "deleted the list";
    }
  };
  return revisions.map(({ command, changes }) => {
    const isNew = command === "add-entry";
    // That the first entry made the list goes without saying.
    const told = changes.filter(({ type }) => !isNew || type !== "adopt");
    const steps = told.map((change) => step(change, isNew));
    const some = steps.length > 4 ? [...steps.slice(0, 3), `and ${steps.length - 3} changes more`] : steps;
    const said = some.join(", ") || "changed nothing";
    return commands.has(command) ? `${commands.get(command)}: ${said}` : said;
  });
}

function show(revisions) {
  const words = sentences(revisions);
  const item = ({ caller, time: when, logic, revision }, at) => {
    const moment = make("time", { dateTime: when, textContent: time(when) });
    const hint = make("p", { className: "hint", title: logic }, moment);
    hint.append(` · ${logic.split("+")[0]} · revision ${revision}`);
    return make("li", {}, make("p", { textContent: `${caller} ${words[at]}` }), hint);
  };
  return revisions.map(item).reverse();
}

function showRevisions() {
  find("revisions").replaceChildren(...show(revisions));
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

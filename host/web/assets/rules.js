// The list's logic: its version, and the views, commands, fields and settings that it declares.

// Notes the version that a response or an event names as its decider. If the list is described by another one, the list is
// read again, once for each such version.
let notedDecider = null;
function noteDecider(decider) {
  if (!state.list?.version || state.list.version === decider || notedDecider === decider) return;
  notedDecider = decider;
  refreshList();
}

const short = (digest) => digest.replace(/^sha256:/, "").slice(0, 8);

// Reads the rollout of the list's logic.
async function readRules(name) {
  const { name: list } = state;
  const { answer: rules } = await send("GET", `/logic/${encodeURIComponent(name)}`);
  if (state.name !== list) return;
  const old = state.rules;
  state.rules = rules;
  showRules();
  if (old?.name !== name || old.live?.digest === rules.live?.digest || !rules.live) return;
  // The live version does not decide about a list that is pinned to another one.
  if (state.list?.pin) return;
  find("rules").dataset.fresh = "";
  const { title, version, digest } = rules.live;
  const same = old.live?.version === version;
  const now = same ? `${version} (${short(digest)})` : version;
  const before = same || !old.live ? "" : `, no longer ${old.live.version}`;
  toastBriefly("rules", `New rules are live: ${title} ${now} decides from now on${before}.`);
}

const MAX_DESCRIPTIONS = 16; // descriptions that are kept; a description never changes
const descriptions = new Map(); // by path

// Reads the description of the version that decides about a list: the one that the list is pinned to, a canary, or the live
// one. Where that cannot be read, the live version's description has to do.
async function readDescription({ description_url: url = "" }) {
  const path = /\/logic\/[^/]+\/versions\/[^/]+\/description$/.exec(url)?.[0];
  if (!path) return null;
  if (!descriptions.has(path)) {
    try {
      const { answer } = await send("GET", path);
      if (descriptions.size === MAX_DESCRIPTIONS) descriptions.clear();
      descriptions.set(path, answer);
    } catch (problem) {
      if (problem.status !== 404) throw problem;
    }
  }
  return descriptions.get(path) ?? null;
}

async function describeBy(list) {
  const { name, rules } = state;
  const described = await readDescription(list);
  if (state.name !== name) return;
  if (described !== state.described || rules !== state.shownRules) state.redraw = true;
  Object.assign(state, { described, shownRules: rules });
  showTools();
  find("rules-text").textContent = description().summary ?? "";
}

// Shows the version that decides the next command.
function showDecider() {
  const { rules: { name, live }, list, described } = state;
  const [, number, digest] = /@(.+)\+(sha256:.+)$/.exec(list?.version ?? "") ?? [];
  const version = number ?? live?.version;
  find("rules-name").textContent = version ? `${described?.title || live?.title || name} ${version}` : name;
  find("rules-digest").textContent = digest || live ? short(digest ?? live.digest) : "";
  const pinned = /^\d/.test(list?.pin) ? `version ${list.pin}` : "this version";
  const isOther = digest && live && !live.digest.startsWith(digest);
  find("rules-pin").textContent = list?.pin ? `· pinned to ${pinned}` : isOther ? "· not the live version" : "";
}

function showRules() {
  const { live, failure } = state.rules;
  showDecider();
  const failed = live?.faults > 0 ? `; failures: ${live.faults}, the last failure was: ${live.last_fault}` : "";
  const counts = live ? `Changes made: ${live.accepted}; refused: ${live.rejected}${failed}.` : "";
  find("rules-since").textContent = live ? `Live since ${formatTime(live.since)}, from ${live.source}. ${counts}` : "";
  const goesOn = live ? ` Version ${live.version} stays live.` : " Nothing can be changed until it loads.";
  const what = live ? "A newer version of these rules could not be loaded" : "These rules could not be loaded";
  const end = /[.!?]$/.test(failure) ? "" : ".";
  find("rules-failure").textContent = failure ? `${what}: ${failure}${end}${goesOn}` : "";
  find("rules-failure").hidden = !failure;
}

// --- Views, commands, fields and settings ---

function showTools() {
  const { views, commands, fields } = description();
  if (!views.some(({ name }) => name === state.view)) leaveView();
  const tab = ({ name, title }) =>
    make("a", { href: addressOf(state.name, name), textContent: title || name, data: { view: name ?? "" } });
  // Replaced only when they differ, because replacing them loses the focus and typed text.
  const now = JSON.stringify([state.name, views, commands, fields]);
  if (find("tools").dataset.now !== now) {
    find("tools").dataset.now = now;
    find("views").replaceChildren(tab({ name: null, title: "All" }), ...views.map(tab));
    find("commands").replaceChildren(...commands.filter((command) => !entryArgument(command)).map(commandButton));
    find("add-fields").replaceChildren(...fields.map((schema) => fieldControl(schema)));
  }
  showViews();
}

function showViews() {
  for (const tab of find("views").children) {
    if (tab.dataset.view === (state.view ?? "")) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
}

// Shows the list without a view, because its logic has none of that name.
function leaveView() {
  if (state.view === null) return;
  state.view = null;
  history.replaceState(null, "", addressOf(state.name, null));
  showViews();
}

// The required argument of kind `entry`, if the command has one. Such a command is shown at every entry.
const entryArgument = ({ arguments: schemas }) => schemas.find(({ kind, required }) => kind === "entry" && required);

// Sends a command, and reports its effect unless `quiet`. A command without effect is always reported.
async function runCommand({ name, title }, values, quiet) {
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
  const { name: list } = state, path = `${listPath(list)}/commands/${encodeURIComponent(name)}`;
  const { answer, revision } = await send("POST", path, given);
  await untilShown(list, revision);
  if (list !== state.name) return;
  const effects = [[answer.entries.length, "changed"], [answer.removed.length, "removed"]].filter(([count]) => count > 0);
  const summary = effects.map(([count, what]) => `${count} ${what}`).join(", ");
  if (!summary) toastBriefly("command", `${title || name}: nothing to do.`);
  else if (!quiet) offerUndo(list, `${title || name}: ${summary}.`, [revision]);
}

// A button for a command at an entry. With further arguments it opens the dialog first.
function entryCommand(row, it) {
  const about = entryArgument(it);
  const others = it.arguments.filter((schema) => schema !== about);
  const label = it.title || it.name;
  const run = (values) => runCommand(it, { ...values, [about.name]: row.entry.id }, true);
  const openArguments = () => {
    const { id, title } = row.entry;
    const after = () => focusOn(id, button.dataset.command);
    openDialog({ title: label, text: `“${title}”`, fields: [fieldControls(others, {}, id)], confirm: label, run, after });
  };
  const onclick = () => (others.length > 0 ? openArguments() : submit(row.element, () => run({})));
  const textContent = others.length > 0 ? `${label}…` : label, data = { command: it.name };
  const button = make("button", { type: "button", className: "quiet", textContent, onclick, data });
  return button;
}

// A button for a command on the whole list.
function commandButton(it) {
  const label = it.title || it.name;
  const run = (values) => runCommand(it, values, false);
  const openArguments = () => openDialog({ title: label, fields: [fieldControls(it.arguments)], confirm: label, run });
  const onclick = () => (it.arguments.length > 0 ? openArguments() : submit(find("tools"), () => run({})));
  return make("button", { type: "button", className: "quiet", textContent: label, onclick, data: { command: it.name } });
}

// The settings of the list, and the choice of other rules. The choice comes last and has a confirmation of its own name,
// so that neither an arrow key nor Enter hands the list over by mistake.
find("settings").onclick = () => {
  const { name, list } = state;
  const logics = overview.logics.filter(({ live }) => live);
  const options = logics.map((logic) => new Option(logicLabel(logic.name, logic.live), logic.name));
  const rules = make("select", { data: { name: "logic" } }, ...options);
  rules.value = list.logic;
  const own = fieldControls(description().settings, list.settings);
  const hint = make("p", { className: "hint", textContent: "Other rules keep the entries, and decide from the next change on." });
  const save = async () => {
    const logic = rules.value, settings = logic === list.logic ? changedValues(readValues(own), list.settings) : {};
    const { revision } = await send("PUT", listPath(name), logic === list.logic ? { settings } : { logic });
    await untilShown(name, revision);
  };
  rules.onchange = () => {
    const isOther = rules.value !== list.logic;
    own.hidden = isOther;
    find("dialog-confirm").textContent = isOther ? `Change the rules to ${rules.selectedOptions[0].textContent}` : "Save";
  };
  // Enter in a choice is for the choice, and does not send the form.
  rules.onkeydown = (event) => { if (event.key === "Enter") event.preventDefault(); };
  const fields = [own, make("div", {}, make("label", {}, "Rules", rules), hint)];
  openDialog({ title: "Settings", fields, confirm: "Save", run: save });
  (own.querySelector("input, select, textarea") ?? find("dialog-cancel")).focus();
};

find("delete").onclick = () => {
  const { name, list } = state;
  const entries = list.entries === 1 ? "its entry" : `its ${list.entries} entries`;
  const text = `The list and ${entries} will be deleted for everyone. This cannot be undone.`;
  const run = async () => {
    await send("DELETE", listPath(name));
    if (name === state.name) location.hash = "";
    if (!isLive()) refreshOverview();
  };
  openDialog({ title: `Delete “${name}”?`, text, confirm: "Delete list", danger: true, run });
};

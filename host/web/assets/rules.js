// The rules of the list: who decides, and the views, commands, fields and settings they offer.

// What an answer or event says of who decided. When it is somebody new, the rules are read anew.
function heard(decider) {
  const { name, live } = state.rules ?? {};
  // An answer names only the beginning of the digest.
  if (!live || `${name}@${live.version}+${live.digest}`.startsWith(decider)) return;
  readRules(name).catch(() => {});
}

const short = (digest) => digest.replace(/^sha256:/, "").slice(0, 8);

async function readRules(name) {
  const { answer: rules } = await ask("GET", `/logic/${encodeURIComponent(name)}`);
  if (state.list?.logic !== name) return;
  const old = state.rules;
  state.rules = rules;
  state.redraw = true;
  showRules();
  if (old?.name !== name || old.live?.digest === rules.live?.digest || !rules.live) return;
  find("rules").dataset.fresh = "";
  const { title, version, digest } = rules.live;
  const same = old.live?.version === version;
  const now = same ? `${version} (${short(digest)})` : version;
  const before = same || !old.live ? "" : `, no longer ${old.live.version}`;
  tell("rules", `New rules are live: ${title} ${now} decides from now on${before}.`);
  refresh();
}

// Who decides about the list next: the version that is live, or the one that the list insists on.
function showKeeper() {
  const { rules: { name, live }, list } = state;
  const [, number, digest] = /@(.+)\+(sha256:.+)$/.exec((list?.pin && list.version) || "") ?? [];
  find("rules-name").textContent = live ? `${live.title || name} ${number ?? live.version}` : name;
  find("rules-digest").textContent = digest || live ? short(digest ?? live.digest) : "";
  const chosen = /^\d/.test(list?.pin) ? `version ${list.pin}` : "this version";
  find("rules-pin").textContent = list?.pin ? `· stays with ${chosen}` : "";
}

function showRules() {
  const { name, live, failure, description: said } = state.rules;
  showKeeper();
  find("rules-text").textContent = said?.summary ?? "";
  const failed = live?.faults > 0 ? `; failed: ${live.faults}, the last time because ${live.last_fault}` : "";
  const counts = live ? `Changes made: ${live.accepted}; refused: ${live.rejected}${failed}.` : "";
  find("rules-since").textContent = live ? `Live since ${time(live.since)}, from ${live.source}. ${counts}` : "";
  const goesOn = live ? ` Version ${live.version} goes on deciding.` : " Nothing can be changed until it loads.";
  const what = live ? "A newer version of these rules was not taken" : "These rules were not taken";
  const end = /[.!?]$/.test(failure) ? "" : ".";
  find("rules-failure").textContent = failure ? `${what}: ${failure}${end}${goesOn}` : "";
  find("rules-failure").hidden = !failure;
  showTools();
}

// --- What the rules offer: views, commands, fields, settings ---

function showTools() {
  const { views, commands, fields } = description();
  if (!views.some(({ name }) => name === state.view)) leaveView();
  const tab = ({ name, title }) =>
    make("a", { href: addressOf(state.name, name), textContent: title || name, data: { view: name ?? "" } });
  // Made anew only when they differ, or the focus would be lost and what was typed with it.
  const now = JSON.stringify([state.name, views, commands, fields]);
  if (find("tools").dataset.now !== now) {
    find("tools").dataset.now = now;
    find("views").replaceChildren(tab({ name: null, title: "All" }), ...views.map(tab));
    find("commands").replaceChildren(...commands.filter((command) => !subject(command)).map(commandButton));
    find("add-fields").replaceChildren(...fields.map((schema) => field(schema)));
  }
  showViews();
}

function showViews() {
  for (const tab of find("views").children) {
    if (tab.dataset.view === (state.view ?? "")) tab.setAttribute("aria-current", "true");
    else tab.removeAttribute("aria-current");
  }
}

// Shows the list without a view, because there is none of that name.
function leaveView() {
  if (state.view === null) return;
  state.view = null;
  history.replaceState(null, "", addressOf(state.name, null));
  showViews();
}

// The argument of a command that says which entry it is for, if it must be told of one. Such a command
// is offered at every entry.
const subject = ({ arguments: schemas }) => schemas.find(({ kind, required }) => kind === "entry" && required);

// Gives a command to the rules, and says what came of it where that is not to be seen.
async function command({ name, title }, values, quiet) {
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
  const path = `${root(state.name)}/commands/${encodeURIComponent(name)}`;
  const { answer, revision } = await ask("POST", path, given);
  await refresh();
  const did = [[answer.entries.length, "changed"], [answer.removed.length, "removed"]].filter(([count]) => count > 0);
  const words = did.map(([count, what]) => `${count} ${what}`).join(", ");
  if (!words) tell("command", `${title || name}: nothing to do.`);
  else if (!quiet) offerUndo(`${title || name}: ${words}.`, revision);
}

// A command at an entry: pressed it is done, or what else there is to know is asked for.
function entryCommand(row, its) {
  const about = subject(its);
  const others = its.arguments.filter((schema) => schema !== about);
  const label = its.title || its.name;
  const run = (values) => command(its, { ...values, [about.name]: row.entry.id }, true);
  const consultFirst = () => {
    const { id, title } = row.entry;
    const after = () => focusOn(id, button.dataset.command);
    consult({ title: label, text: `“${title}”`, fields: [fieldsOf(others, {}, id)], confirm: label, run, after });
  };
  const onclick = () => (others.length > 0 ? consultFirst() : act(row.element, () => run({})));
  const textContent = others.length > 0 ? `${label}…` : label, data = { command: its.name };
  const button = make("button", { type: "button", className: "quiet", textContent, onclick, data });
  return button;
}

// A command for the whole list.
function commandButton(its) {
  const label = its.title || its.name;
  const run = (values) => command(its, values, false);
  const consultFirst = () => consult({ title: label, fields: [fieldsOf(its.arguments)], confirm: label, run });
  const onclick = () => (its.arguments.length > 0 ? consultFirst() : act(find("tools"), () => run({})));
  return make("button", { type: "button", className: "quiet", textContent: label, onclick });
}

find("settings").onclick = async () => {
  const { name, list } = state;
  const logics = await ask("GET", "/logic").then(({ answer }) => answer.filter(({ live }) => live), () => []);
  const options = logics.map((logic) => new Option(called(logic.name, logic.live), logic.name));
  const rules = make("select", { name: "logic" }, ...options);
  rules.value = list.logic;
  const own = fieldsOf(description().settings, list.settings);
  const save = async () => {
    const logic = rules.value, settings = logic === list.logic ? changed(valuesIn(own), list.settings) : {};
    await ask("PUT", root(name), logic === list.logic ? { settings } : { logic });
    await refresh();
  };
  rules.onchange = () => { own.hidden = rules.value !== list.logic; };
  const fields = [make("label", {}, "Rules", rules), own];
  const text = "Other rules take the list as it is, and decide from the next change on.";
  consult({ title: "Settings", text, fields, confirm: "Save", run: save });
};

find("delete").onclick = () => {
  const { name, list } = state;
  const entries = list.entries === 1 ? "its entry" : `its ${list.entries} entries`;
  const text = `The list and ${entries} will be gone for everybody. This cannot be taken back.`;
  const run = async () => {
    await ask("DELETE", root(name));
    location.hash = "";
    readSide();
  };
  consult({ title: `Delete “${name}”?`, text, confirm: "Delete list", danger: true, run });
};

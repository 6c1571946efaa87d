// The page: the lists in the sidebar, and the chosen list with live updates.
//
// The page decides nothing. It sends each change to the server, where the list's logic decides it, and shows
// a refusal at the control that caused it. What changed comes back as an event, whether this page or another
// client made the change. So there is one path from the server's state to the screen.
// Text from users and logic becomes DOM text, never markup.

// The address of a list, or of one of its views.
function addressOf(name, view) {
  return `#${encodeURIComponent(name)}${view === null ? "" : `/${encodeURIComponent(view)}`}`;
}

// Parses the page's address. A part with malformed percent-encoding is taken literally.
function parseAddress() {
  const parts = location.hash.slice(1).split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: parts[0] || null, view: parts[1] || null };
}

function openList() {
  const { name, view } = parseAddress();
  if (name !== null && name === state.name) return void openView(view);
  Object.assign(state, { name, list: null, rules: null, described: null, view, groups: [], next: null, added: new Map(), shown: PAGE });
  laterCounts = readAt = null;
  problems = readFailures = 0;
  waiting = []; // revisions of the list before
  clearEntryCache();
  closeToast("undo");
  find("dialog").close();
  closeEditors();
  sections.clear();
  for (const id of ["entries", "views", "commands", "add-fields"]) find(id).replaceChildren();
  for (const id of [...ONLY_OF_LISTS, "empty", "more", "rules-failure"]) find(id).hidden = true;
  for (const id of ["add", "list", "tools"]) clearErrors(find(id));
  find("counts").textContent = find("live").textContent = "";
  toggleMenu(false);
  delete find("tools").dataset.now;
  delete find("rules").dataset.fresh;
  find("add").reset();
  toggleHistory(false);
  find("list").hidden = name === null;
  find("welcome").hidden = name !== null;
  document.body.classList.toggle("chosen", name !== null);
  document.title = name === null ? "Hotlist" : `${name} · Hotlist`;
  find("name").textContent = name ?? "";
  if (isLive() && name !== null) showLive("live", "live");
  showLists();
  if (name === null) followList(); else refreshList();
  // On a touch screen the focus would open the keyboard over the list.
  if (!matchMedia("(pointer: coarse)").matches) (name === null ? find("create-name") : find("title")).focus();
}

function openView(view) {
  if (view === state.view) return;
  Object.assign(state, { view, shown: PAGE });
  showViews();
  refreshList();
}

// On narrow screens the actions of the list are behind a button.
function toggleMenu(open) {
  find("menu").ariaExpanded = String(open);
  find("actions").classList.toggle("open", open);
}

find("menu").onclick = () => toggleMenu(find("menu").ariaExpanded !== "true");
find("actions").onclick = () => toggleMenu(false);
find("skip").onclick = (event) => { event.preventDefault(); find("main").focus(); };
addEventListener("hashchange", openList);
openList();
// At once, and again when events are followed.
refreshOverview();

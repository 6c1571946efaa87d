// Live updates: this window's part of the browser's event stream.

const LOST_AFTER = 4_000; // a stream may end at any time and is opened again; only a longer loss is shown

let hub = null, lost = null, isStreamOpen = false;
let problems = 0; // how often in a row the server could not follow the list
let readAt = null; // the revision of the last event that made this window read the list, which may not exist

const isLive = () => isStreamOpen;

function showLive(now, text) {
  find("live").dataset.state = now;
  find("live").textContent = state.name === null ? "" : text;
}

function noteOpen() {
  clearTimeout(lost);
  lost = null;
  isStreamOpen = true;
  showLive("live", "live");
  refreshOverview();
}

function noteLost() {
  isStreamOpen = false;
  lost ??= setTimeout(() => {
    showLive("lost", "reconnecting…");
    refreshOverview();
  }, LOST_AFTER);
}

function receive({ event, data }) {
  if (event === "open") return noteOpen();
  if (event === "lost") return noteLost();
  if (event === "list") return noteList(data);
  if (event === "lists") return refreshOverviewLater();
  if (event === "logic") return noteLogic(data);
  if (data.list !== state.name) return;
  if (event === "problem") return void setTimeout(() => data.list === state.name && followList(), retryDelay(problems++));
  problems = 0;
  if (event === "revision") return applyRevision(data);
  // The stream starts at another revision than this window has, or revisions are missing.
  if (data.revision === (state.list ? state.list.revision : readAt)) return;
  readAt = data.revision;
  clearEntryCache();
  refreshList();
}

// Follows the list from the revision that this window has. A window that is not seen follows nothing.
function followList() {
  hub ??= connectToHub(receive);
  if (document.hidden) hub.leave();
  else hub.follow(state.name, state.list?.revision ?? null);
}

document.onvisibilitychange = followList;
addEventListener("pagehide", () => hub?.leave());
addEventListener("pageshow", ({ persisted }) => persisted && followList());

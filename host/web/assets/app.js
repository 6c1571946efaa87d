// The list that the address names behind "#", or the one called "home".
const list = () => decodeURIComponent(location.hash.slice(1)) || "home";
const root = () => `/lists/${encodeURIComponent(list())}`;
const find = (id) => document.getElementById(id);
let events;

async function send(method, path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const failed = !response.ok;
  const answer = response.status === 204 ? null : await response.json();
  find("problem").textContent = failed ? answer.detail : "";
  return failed ? null : answer;
}

function row(entry) {
  const item = document.createElement("li");
  const done = Object.assign(document.createElement("input"), { type: "checkbox", checked: entry.completed });
  const path = `${root()}/entries/${entry.id}`;
  done.onchange = () => send("PATCH", path, { completed: done.checked });
  const remove = Object.assign(document.createElement("button"), { textContent: "Delete" });
  remove.onclick = () => send("DELETE", path);
  item.append(done, ` ${entry.title} ${entry.date ?? ""} `, remove);
  return item;
}

async function show() {
  const entries = await send("GET", `${root()}/entries?limit=1000`);
  if (entries) find("entries").replaceChildren(...entries.map(row));
}

function open() {
  events?.close();
  events = new EventSource(`${root()}/events`);
  for (const name of ["ready", "reset", "revision"]) events.addEventListener(name, show);
}

find("add").onsubmit = async (event) => {
  event.preventDefault();
  if (await send("POST", `${root()}/entries`, { title: find("title").value })) find("title").value = "";
};
addEventListener("hashchange", open);
open();

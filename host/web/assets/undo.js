// Undo: offered for some seconds after a change, and in the history for each retained revision.

const UNDO_OFFER = 10_000; // how long an undo is offered; longer while the toast is hovered or focused

// Undoes revisions, the last one first.
async function undo(name, revisions) {
  let shown = null;
  for (const revision of revisions.toReversed()) {
    ({ revision: shown } = await send("POST", `${listPath(name)}/undo`, { revision }));
  }
  await untilShown(name, shown);
}

const undoToast = () => document.querySelector(".toast[data-id=undo]");

// Shows what was done to a list with an Undo button, unless the user has left the list. After an undo the focus moves to
// the entry `id`.
function offerUndo(name, text, revisions, id = null) {
  if (name !== state.name) return;
  closeToast("undo");
  toast("undo", text, "Undo", async () => {
    try {
      await undo(name, revisions);
      if (name === state.name && !focusOn(id)) find("title").focus();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      toast("undo", problem.message, "Dismiss");
    }
  });
  const element = undoToast();
  const button = element.querySelector("button");
  button.setAttribute("aria-keyshortcuts", "Control+Z Meta+Z");
  button.title = "Ctrl+Z";
  const expire = () => {
    if (element.matches(":hover, :focus-within")) setTimeout(expire, UNDO_OFFER);
    else element.remove();
  };
  setTimeout(expire, UNDO_OFFER);
}

// Ctrl+Z and Cmd+Z undo the list's change unless the focus is in text that the user is editing.
addEventListener("keydown", (event) => {
  const { key, ctrlKey, metaKey, shiftKey, altKey, target } = event;
  if (key.toLowerCase() !== "z" || !(ctrlKey || metaKey) || shiftKey || altKey) return;
  const button = undoToast()?.querySelector("[aria-keyshortcuts]");
  const typing = target.matches("input:not([type=checkbox], :placeholder-shown), textarea");
  if (!button || typing || target.closest("dialog, .editing, #drafts")) return;
  event.preventDefault();
  button.click();
});

// The revisions that a later one undid, each with that later revision. `revisions` are ascending. An undo
// that was itself undone does not count.
function undoneBy(revisions) {
  const undoing = new Map();
  for (const { revision, undone } of revisions.toReversed()) {
    if (undone !== undefined && !undoing.has(revision)) undoing.set(undone, revision);
  }
  return undoing;
}

// Whether a change belongs to what the caller asked for. A `bind-logic` that came along with another command
// does not: it records which version decided.
const isUserChoice = ({ type }, command) => type !== "bind-logic" || ["configure", "migrate", "undo"].includes(command);

// Whether a revision has changes to undo. `may_undo` says whether the caller is the one who may. Only the server knows
// whether later revisions prevent it.
function canBeUndone({ command, changes, counts, revision }) {
  const types = changes ?? Object.keys(counts).map((type) => ({ type }));
  const isUndoable = (change) => change.type !== "bind-logic" || (revision > 1 && isUserChoice(change, command));
  return types.some((change) => change.type !== "delete-list" && isUndoable(change));
}

// Taking back what was done: for a while where it was done, and for as long as it is kept in the history.

const OFFERED = 10_000; // how long an undo is offered when nobody is about to take it

async function undo(name, revision) {
  await ask("POST", `${root(name)}/undo`, { revision });
  await refresh();
  readSide();
}

const offered = () => document.querySelector(".notice[data-id=undo]");

// Says what was done, with a way back; "id" is the entry that the focus goes to if it is taken.
function offerUndo(text, revision, id = null) {
  const { name } = state;
  unnotice("undo");
  notice("undo", text, "Undo", async () => {
    try {
      await undo(name, revision);
      if (name === state.name && !focusOn(id)) find("title").focus();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      notice("undo", problem.message, "Dismiss");
    }
  });
  const made = offered();
  const button = made.querySelector("button");
  button.setAttribute("aria-keyshortcuts", "Control+Z Meta+Z");
  button.title = "Ctrl+Z";
  const expire = () => {
    if (made.matches(":hover, :focus-within")) setTimeout(expire, OFFERED);
    else made.remove();
  };
  setTimeout(expire, OFFERED);
}

// The keys that people press for it, where they do not mean what they are typing.
addEventListener("keydown", (event) => {
  const { key, ctrlKey, metaKey, shiftKey, altKey, target } = event;
  if (key.toLowerCase() !== "z" || !(ctrlKey || metaKey) || shiftKey || altKey) return;
  const button = offered()?.querySelector("[aria-keyshortcuts]");
  const typing = target.matches("input:not([type=checkbox], :placeholder-shown)");
  if (!button || typing || target.closest("dialog, .editing")) return;
  event.preventDefault();
  button.click();
});

// Which of some revisions, the oldest first, count no more because a later one took them back; that one
// may be taken back in turn.
function takenBack(revisions) {
  const taken = new Map();
  for (const { revision, undone } of revisions.toReversed()) {
    if (undone !== undefined && !taken.has(revision)) taken.set(undone, revision);
  }
  return taken;
}

// That a version was replaced by a like one on the way is no part of what people did.
const isChosen = ({ type }, command) => type !== "bind-logic" || ["configure", "migrate", "undo"].includes(command);

// Whether there is anything in a revision to take back. What stands in the way only the server knows.
function canBeUndone({ command, changes, revision }) {
  const matters = (change) => change.type !== "bind-logic" || (revision > 1 && isChosen(change, command));
  return changes.some((change) => change.type !== "delete-list" && matters(change));
}

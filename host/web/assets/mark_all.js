// Marks all entries as complete, or none. Each entry is a change of its own, because the list's logic decides each.

const MAX_MARKED = 500; // the most entries that are marked at a time
const AT_ONCE = 4; // requests at a time; a browser has six connections

// Sends the changes. Answers with their revisions. A refusal ends it, and what was changed before stays.
async function markEach(name, entries, completed, revisions) {
  const path = `${listPath(name)}/entries`;
  const left = [...entries];
  const work = async () => {
    for (let entry = left.shift(); entry; entry = left.shift()) {
      try {
        revisions.push((await send("PATCH", `${path}/${entry.id}`, { completed })).revision);
      } catch (problem) {
        left.length = 0;
        throw problem;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

find("all").onchange = async () => {
  const { name, list } = state, completed = find("all").checked, revisions = [];
  const wanted = completed ? list.open : list.entries - list.open;
  await submit(find("tools"), async () => {
    // Read now, because entries that are not shown are marked, too.
    const { answers } = await readPages(`${listPath(name)}/entries`, `completed=${!completed}`, MAX_MARKED);
    await markEach(name, answers.flat(), completed, revisions);
  });
  if (name !== state.name) return;
  if (revisions.length > 0) {
    revisions.sort((one, other) => one - other);
    const verb = completed ? "completed" : "reopened";
    const done = revisions.length === 1 ? `1 entry was ${verb}` : `${revisions.length} entries were ${verb}`;
    const left = revisions.length === MAX_MARKED ? wanted - MAX_MARKED : 0;
    offerUndo(name, left > 0 ? `${done}, ${left} are left. Choose it again to go on.` : `${done}.`, revisions);
    await untilShown(name, revisions.at(-1));
  }
  showCounts();
};

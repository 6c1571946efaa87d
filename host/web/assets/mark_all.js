// Marks all entries as complete, or none. Each entry is a change of its own, because the list's logic decides each.

const MAX_MARKED = 500; // the most entries that are marked at a time
const AT_ONCE = 4; // requests at a time; a browser has six connections

// Sends the changes. Answers with their revisions. A refusal ends it, and what was changed before stays.
async function markEach(entries, completed, revisions) {
  const path = `${listPath(state.name)}/entries`;
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
  const { name } = state, completed = find("all").checked, revisions = [];
  await submit(find("tools"), async () => {
    // Read now, because entries that are not shown are marked, too.
    const { answers } = await readPages(`${listPath(name)}/entries`, `completed=${!completed}`, MAX_MARKED);
    await markEach(answers.flat(), completed, revisions);
  });
  if (name !== state.name) return;
  if (revisions.length > 0) {
    revisions.sort((one, other) => one - other);
    const verb = completed ? "completed" : "reopened";
    offerUndo(revisions.length === 1 ? `1 entry was ${verb}.` : `${revisions.length} entries were ${verb}.`, revisions);
    await untilShown(revisions.at(-1));
  }
  showCounts();
};

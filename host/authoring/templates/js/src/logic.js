// The rules of `{{name}}`. Start in `check`, which is called before an entry is added or changed.

import { cutPage, list, logic, matches, put, reject } from "hotlist-plugin";
import { version } from "../package.json";

/** The most urgent entries at a time. */
const MOST_URGENT = 3;

export const todoListLogic = logic({
  title: "{{title}}",
  summary: "Entries have a title, and some are urgent.",
  version,

  fields: {
    urgent: { title: "Urgent", kind: "boolean" },
  },

  /** Rejects an entry with a message for the user, or accepts it. */
  check(cx, entry, before) {
    if (entry.title.trim() === "") {
      reject("title-empty", "Give the entry a title.", "title");
    }
    const becomesUrgent = isUrgent(entry) && !(before && isUrgent(before));
    if (becomesUrgent && urgentOnes().length >= MOST_URGENT) {
      reject("too-urgent", `${MOST_URGENT} entries are urgent already. Finish one first.`, "urgent");
    }
  },

  commands: {
    "calm-down": {
      title: "Nothing is urgent",
      run: () => urgentOnes().map((entry) => put({ ...entry, fields: { ...entry.fields, urgent: undefined } })),
    },
  },

  views: {
    urgent: {
      title: "Urgent first",
      page(cx, query) {
        const entries = [...list.all()].filter((entry) => matches(entry, query));
        const urgent = { name: "urgent", title: "Urgent", rows: entries.filter(isUrgent) };
        const other = { name: "other", title: "Everything else", rows: entries.filter((entry) => !isUrgent(entry)) };
        return cutPage([urgent, other], query);
      },
    },
  },
});

/** @param {import("hotlist-plugin").Entry} entry */
function isUrgent(entry) {
  return !entry.completed && entry.fields.urgent === true;
}

function urgentOnes() {
  return [...list.all()].filter(isUrgent);
}

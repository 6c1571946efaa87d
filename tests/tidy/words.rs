//! Words that this project has replaced, and a search for them.

/// Names of types that are gone, with what to write instead. They are found as whole names, in this spelling only.
pub(crate) const OLD_NAMES: &[(&str, &str)] = &[
    ("Keeper", "LogicBinding"),
    ("Adopt", "BindLogic"),
    ("Standing", "RolloutState"),
    ("Unready", "ResolveError"),
    ("Shelf", "VersionSource"),
    ("Desk", "LoaderHandle"),
    ("Seat", "SessionSlot"),
    ("Told", "MeasuredAnswer"),
    ("Letter", "Message"),
    ("Alarm", "WakeScheduler"),
    ("Brief", "ListMeta"),
    ("Tails", "LogIndex"),
    ("Sweep", "Compaction"),
    ("Weight", "InstanceClass"),
    ("Pretended", "VirtualResource"),
    ("Bench", "Publisher"),
    ("Wish", "RolloutUpdate"),
    ("Offer", "Submission"),
    ("Taking", "UploadOptions"),
    ("Edits", "ProjectWatcher"),
    ("Asking", "WriteRequest"),
    ("Narrator", "dev_log"),
    ("Workshop", "DevSession"),
];

/// Words and phrases that are gone, with what to write instead. They are found in any case, as whole words.
pub(crate) const OLD_WORDS: &[(&str, &str)] = &[
    ("keeper", "binding"),
    ("keepers", "background tasks"),
    ("on trial", "candidate"),
    ("take over", "migrate"),
    ("takes over", "migrates"),
    ("taken over", "migrated"),
    ("taking over", "migrating"),
    ("took over", "migrated"),
    ("takeover", "migration"),
    ("battery", "conformance"),
    ("shelf", "artifact store"),
    ("narrator", "decision log"),
    ("workshop", "session"),
    ("wish", "update"),
    ("wishes", "updates"),
    ("wished", "requested"),
    ("stand-in", "baseline"),
    ("stand_in", "baseline"),
    ("whoever", "name the component that acts"),
    ("nobody", "name the component that acts"),
    ("somebody", "name the component that acts"),
    ("what came of it", "the outcome"),
];

/// Words that are right elsewhere and not in a place: the beginning of a path, the words, and what to write instead.
pub(crate) const PLACE_WORDS: &[(&str, &[&str], &str)] = &[
    ("host/actor", &["answer", "answers", "answered"], "reply: only a component answers"),
    ("host/cache.rs", &["answer", "answers", "answered"], "reply: only a component answers"),
    ("host/cache/wake_scheduler", &["answer", "answers", "answered"], "reply: only a component answers"),
    ("host/cache/undo.rs", &["answer", "answers", "answered"], "reply: only a component answers"),
    ("host/store/embedded/discard.rs", &["removal", "removals"], "deletion"),
    ("host/store/embedded/writer/discards.rs", &["removal", "removals"], "deletion"),
];

/// Files of those places that speak of answers of components.
pub(crate) const OF_COMPONENTS: &[&str] = &["host/actor/ask.rs"];

/// The words in the text of a file that are not right in its place.
pub(crate) fn misplaced(path: &str, text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let lower = text.to_lowercase();
    let places = PLACE_WORDS.iter().filter(|(place, ..)| path.starts_with(place) && !OF_COMPONENTS.contains(&path));
    let words = places.flat_map(|(_, words, new)| words.iter().map(move |word| (*word, *new)));
    let found = words.flat_map(|(word, new)| {
        let lines = lower.lines().enumerate().filter(move |(_, line)| is_in(line, word));
        lines.map(move |(number, _)| (number + 1, word, new))
    });
    found.collect()
}

/// The old words in a text, each with its line and what to write instead.
pub(crate) fn found(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let lower = text.to_lowercase();
    let names: Vec<_> = OLD_NAMES.iter().filter(|(name, _)| text.contains(name)).collect();
    let words: Vec<_> = OLD_WORDS.iter().filter(|(word, _)| lower.contains(word)).collect();
    let mut found = Vec::new();
    for (number, (line, lower)) in text.lines().zip(lower.lines()).enumerate() {
        let names = names.iter().filter(|(name, _)| is_in(line, name));
        let words = words.iter().filter(|(word, _)| is_in(lower, word));
        found.extend(names.chain(words).map(|(old, new)| (number + 1, *old, *new)));
    }
    found
}

/// Whether a line has a word that is not part of a longer one.
fn is_in(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
}

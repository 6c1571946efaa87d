//! Which file of a module needs which other, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::source::{Target, Tree};

/// The lines on which one file names items of another.
type Edges<'a> = BTreeMap<&'a Path, BTreeMap<&'a Path, BTreeSet<usize>>>;

/// A way from a file back to itself, each step with the lines that make it.
pub(crate) struct Circle {
    steps: Vec<(PathBuf, BTreeSet<usize>)>,
}

/// The files of each module that need each other in a circle: the shortest circle through each such group of files.
///
/// A file needs another one when its code names an item that is defined there, also through a re-export. Neither
/// `mod child;` nor `pub use child::Item` counts, because both only say where an item is found.
pub(crate) fn circles(tree: &Tree) -> BTreeMap<String, Vec<Circle>> {
    let mut modules: BTreeMap<&str, Edges<'_>> = BTreeMap::new();
    for named in tree.named() {
        let Some(Target::Item(to)) = tree.resolve(named.from, named.path) else { continue };
        let (from_file, to_file) = (tree.modules[named.from].file.as_path(), tree.modules[to].file.as_path());
        let Some(module) = tree.top_module(named.from) else { continue };
        if from_file != to_file && tree.top_module(to) == Some(module) {
            let edges = modules.entry(module).or_default();
            edges.entry(from_file).or_default().entry(to_file).or_default().insert(named.line);
        }
    }
    let found = modules.into_iter().map(|(module, edges)| (module.to_owned(), in_module(&edges)));
    found.filter(|(_, circles)| !circles.is_empty()).collect()
}

fn in_module(edges: &Edges<'_>) -> Vec<Circle> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys().copied() {
        let Some(way) = way_back(start, edges) else { continue };
        let is_new = way.iter().any(|file| !seen.contains(file));
        seen.extend(way.iter().copied());
        if is_new {
            let next = way.iter().cycle().skip(1);
            let step = |(from, to): (&&Path, &&Path)| (from.to_path_buf(), edges[from][to].clone());
            found.push(Circle { steps: way.iter().zip(next).map(step).collect() });
        }
    }
    found
}

/// The shortest way from a file back to itself, without the file at its end.
fn way_back<'a>(start: &'a Path, edges: &Edges<'a>) -> Option<Vec<&'a Path>> {
    let mut came_from: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in edges.get(file).into_iter().flat_map(BTreeMap::keys).copied() {
            if next == start {
                let mut way = vec![file];
                while let Some(before) = came_from.get(way.last().unwrap()) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

impl Circle {
    /// The circle in one line: `list.rs:12 → list/entry.rs:3,9 → list.rs`.
    pub(crate) fn render(&self, root: &Path) -> String {
        let name = |file: &Path| file.strip_prefix(root).unwrap_or(file).display().to_string();
        let step = |(file, lines): &(PathBuf, BTreeSet<usize>)| {
            let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
            format!("{}:{}", name(file), lines.join(","))
        };
        let steps: Vec<_> = self.steps.iter().map(step).collect();
        format!("{} → {}", steps.join(" → "), name(&self.steps[0].0))
    }
}

//! The places at which a database is damaged, by the kind of the bytes.

use std::collections::BTreeMap;
use std::ops::Range;

use super::image::Image;
use crate::store::embedded::schema;

/// The size of a page.
const PAGE: usize = 4_096;

/// The header of the file, on the first page.
const FILE_HEADER: usize = 100;

/// The kinds of damage and the places of each.
pub(super) struct Places {
    bits: Vec<(&'static str, Vec<Range<usize>>)>,
    pages: Vec<(&'static str, Vec<PageWrite>)>,
    log: usize,
}

/// The state of a page that a lost write leaves.
#[derive(Clone)]
struct PageWrite {
    number: usize,
    bytes: Vec<u8>,
}

/// One kind of damage at one place.
pub(super) enum Damage {
    Bit { class: &'static str, byte: usize, bit: u32 },
    LogBit { byte: usize, bit: u32 },
    Page { class: &'static str, number: usize, bytes: Vec<u8> },
}

impl std::fmt::Debug for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bit { class, byte, bit } => write!(f, "{class}: byte {byte} bit {bit}"),
            Self::LogBit { byte, bit } => write!(f, "write-ahead log: byte {byte} bit {bit}"),
            Self::Page { class, number, .. } => write!(f, "{class}: page {number}"),
        }
    }
}

impl Damage {
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Bit { class, .. } | Self::Page { class, .. } => class,
            Self::LogBit { .. } => "bit: write-ahead log",
        }
    }

    pub(super) fn is_in_log(&self) -> bool {
        matches!(self, Self::LogBit { .. })
    }

    pub(super) fn apply(&self, database: &mut [u8], log: &mut [u8]) {
        match self {
            Self::Bit { byte, bit, .. } => database[*byte] ^= 1 << bit,
            Self::LogBit { byte, bit } => log[*byte] ^= 1 << bit,
            Self::Page { number, bytes, .. } => {
                database[number * PAGE..(number + 1) * PAGE].copy_from_slice(bytes);
            }
        }
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

/// The parts of a page of a tree, whose header begins at `at`.
fn parts(page: &[u8], at: usize) -> [(&'static str, Range<usize>); 4] {
    let is_leaf = page[at] & 8 != 0;
    let pointers = at + if is_leaf { 8 } else { 12 };
    let cells = pointers + 2 * number(page, at + 3);
    let content = match number(page, at + 5) {
        0 => PAGE,
        content => content,
    };
    // Bit 1 tells a table from an index, and a table without row numbers is an index.
    let names = match (is_leaf, page[at] & 1 != 0) {
        (true, true) => ["bit: table leaf, header", "bit: table leaf, pointers", "bit: table leaf, content"],
        (true, false) => ["bit: index leaf, header", "bit: index leaf, pointers", "bit: index leaf, content"],
        (false, true) => {
            ["bit: table interior, header", "bit: table interior, pointers", "bit: table interior, content"]
        }
        (false, false) => {
            ["bit: index interior, header", "bit: index interior, pointers", "bit: index interior, content"]
        }
    };
    [(names[0], at..pointers), (names[1], pointers..cells), (names[2], content..PAGE), ("bit: unused", cells..content)]
}

impl Places {
    pub(super) fn of(image: &Image, killed: &Image) -> Self {
        let trees = trees(&image.database);
        let (mut bits, mut pages) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        bits.entry("bit: file header").or_default().push(0..FILE_HEADER);
        for (page, bytes) in image.database.chunks(PAGE).enumerate() {
            let base = page * PAGE;
            let (tree, kind) = trees.get(&page).map_or(("freelist", "free"), |(tree, kind)| (tree.as_str(), *kind));
            match kind {
                "free" => bits.entry("bit: freelist").or_default().push(base..base + PAGE),
                "overflow" => bits.entry("bit: overflow").or_default().push(base..base + PAGE),
                _ => {
                    for (class, part) in parts(bytes, if page == 0 { FILE_HEADER } else { 0 }) {
                        if !part.is_empty() {
                            bits.entry(class).or_default().push(base + part.start..base + part.end);
                        }
                    }
                }
            }
            let zeros = PageWrite { number: page, bytes: vec![0; PAGE] };
            pages.entry("page: zeros").or_default().push(zeros);
            if let Some(earlier) = image.earlier.get(base..base + PAGE)
                && earlier != bytes
            {
                let earlier = PageWrite { number: page, bytes: earlier.to_vec() };
                pages.entry(older(tree)).or_default().push(earlier);
            }
        }
        Self { bits: bits.into_iter().collect(), pages: pages.into_iter().collect(), log: killed.log.len() }
    }

    /// Chooses the kind of damage in turn, and its place at random.
    pub(super) fn choose(&self, trial: usize, random: &mut fastrand::Rng) -> Damage {
        let kinds = self.bits.len() + self.pages.len() + 1;
        let kind = trial % kinds;
        if let Some((class, ranges)) = self.bits.get(kind) {
            let range = random.choice(ranges).expect("each kind has a place").clone();
            return Damage::Bit { class, byte: random.usize(range), bit: random.u32(0..8) };
        }
        match self.pages.get(kind - self.bits.len()) {
            Some((class, writes)) => {
                let PageWrite { number, bytes } = random.choice(writes).expect("each kind has a place").clone();
                Damage::Page { class, number, bytes }
            }
            None => Damage::LogBit { byte: random.usize(0..self.log), bit: random.u32(0..8) },
        }
    }
}

/// The kind of damage in which a page of a tree is that of an earlier state.
fn older(tree: &str) -> &'static str {
    match tree {
        "lists" => "earlier page: lists",
        "gone" => "earlier page: gone",
        "history" => "earlier page: history",
        "sqlite_autoindex_history_1" => "earlier page: history, index",
        "receipts" => "earlier page: receipts",
        "receipts_by_time" => "earlier page: receipts, index",
        "timers" => "earlier page: timers",
        "digest" => "earlier page: digest",
        "log" => "earlier page: log",
        "freelist" => "earlier page: freelist",
        _ => "earlier page: others",
    }
}

/// The pages of trees: the tree of each, and whether the page is a leaf, internal or overflow. Pages are numbered from 0.
fn trees(database: &[u8]) -> BTreeMap<usize, (String, &'static str)> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(schema::FILE);
    std::fs::write(&file, database).expect("it is written");
    let sql = rusqlite::Connection::open(file).expect("it opens");
    let mut select = sql.prepare("SELECT pageno, name, pagetype FROM dbstat").expect("dbstat");
    let page = |row: &rusqlite::Row<'_>| -> rusqlite::Result<_> {
        let kind = match row.get::<_, String>(2)?.as_str() {
            "overflow" => "overflow",
            _ => "tree",
        };
        Ok((row.get::<_, usize>(0)? - 1, (row.get(1)?, kind)))
    };
    select.query_map([], page).expect("pages").collect::<Result<_, _>>().expect("they are numbers")
}

//! The seals of compiled code: which file has the code of which component, and what the file's SHA-256 is.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::super::compile::code_file::CODE_DIRECTORY;
use crate::files::{self, Durability};
use crate::list::digest::{Digest, hex, parse_digest};

/// The extension that the name of the directory gets for the file of the seals. The file is beside the directory, because
/// wasmtime removes files that it does not know from it.
const SEALS_EXTENSION: &str = "seals";

/// The most bytes of the file of the seals that are read. A seal has less than 300 bytes.
const MAX_SEALS_BYTES: u64 = 2 << 20;

/// The bytes of a file that are hashed at a time.
const CHUNK: usize = 64 << 10;

/// What is known of the compiled code of one component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seal {
    /// The SHA-256 of the component.
    pub(super) component: Digest,
    /// The SHA-256 of the file.
    pub(super) code: Digest,
    /// The file, relative to the directory of compiled code.
    pub(super) file: String,
}

/// Reads the seals, and removes the files that have none.
pub(super) fn open_seals(directory: &Path) -> io::Result<Vec<Seal>> {
    let seals = read_seals(directory);
    let unsealed = unsealed(directory, &seals)?;
    for file in &unsealed {
        remove(&directory.join(file))?;
    }
    if !unsealed.is_empty() {
        let files = unsealed.len();
        tracing::warn!(files, "removed compiled code without a seal; its components are compiled again");
    }
    Ok(seals)
}

pub(super) fn seals_file(directory: &Path) -> PathBuf {
    directory.with_added_extension(SEALS_EXTENSION)
}

/// Reads the seals. If their file is damaged, there are none.
pub(super) fn read_seals(directory: &Path) -> Vec<Seal> {
    let path = seals_file(directory);
    let mut text = String::new();
    let read = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        file => file.and_then(|file| file.take(MAX_SEALS_BYTES).read_to_string(&mut text)),
    };
    let seals = read.ok().and_then(|_| parse(&text));
    if seals.is_none() {
        tracing::warn!(file = %path.display(), "the seals of compiled code are damaged");
    }
    seals.unwrap_or_default()
}

/// Writes the seals of a directory.
pub(super) fn write_seals(directory: &Path, seals: &[Seal]) -> io::Result<()> {
    files::replace(&seals_file(directory), format(seals).as_bytes(), Durability::Crash)
}

/// Formats seals as text: the SHA-256 of all other lines, then a line for each seal.
fn format(seals: &[Seal]) -> String {
    let line = |seal: &Seal| format!("{} {} {}\n", hex(&seal.component), hex(&seal.code), seal.file);
    let lines: String = seals.iter().map(line).collect();
    format!("{}\n{lines}", hex(&Sha256::digest(&lines)))
}

/// Reads what [`format`] writes. `None` if it was damaged.
fn parse(text: &str) -> Option<Vec<Seal>> {
    let (digits, lines) = text.split_once('\n')?;
    if parse_digest(digits)? != *Sha256::digest(lines) {
        return None;
    }
    let seal = |line: &str| {
        let (component, rest) = line.split_once(' ')?;
        let (code, file) = rest.split_once(' ')?;
        Some(Seal { component: parse_digest(component)?, code: parse_digest(code)?, file: file.into() })
    };
    lines.lines().map(seal).collect()
}

/// The files of compiled code that have no seal, relative to the directory.
pub(super) fn unsealed(directory: &Path, seals: &[Seal]) -> io::Result<Vec<String>> {
    let sealed: HashSet<&str> = seals.iter().map(|seal| seal.file.as_str()).collect();
    let mut found = Vec::new();
    for compiler in entries(&directory.join(CODE_DIRECTORY))?.iter().filter(|compiler| compiler.is_dir()) {
        // The names of statistics and of unfinished files have a dot. wasmtime takes no code from these.
        for path in entries(compiler)?.iter().filter(|path| path.extension().is_none() && !path.is_dir()) {
            let file = path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned();
            if !sealed.contains(file.as_str()) {
                found.push(file);
            }
        }
    }
    Ok(found)
}

/// The paths in a directory. None if it is not there.
fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

pub(super) fn hash_file(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&chunk[..read]),
        }
    }
}

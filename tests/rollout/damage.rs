//! The real program on a data directory in which files of its logics are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::process::{Process, send};

/// A data directory, and the log of the server that ran on it last.
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn start(&self) -> Process {
        Process::logging_to(&self.0.path().join("log"), &self.data(), &[])
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.path().join("log")).expect("the log is text")
    }
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("the file is there");
    bytes[at] ^= 1;
    fs::write(file, bytes).expect("the file is written");
}

#[test]
fn a_server_with_damaged_compiled_code_compiles_it_again_and_says_so() {
    let directory = Directory::new();
    directory.start().terminate();
    assert_eq!(directory.log(), "");
    let code = directory.data().join("compiled/modules");
    let compilers = fs::read_dir(code).expect("a directory").map(|entry| entry.expect("an entry").path());
    let files = compilers.flat_map(|compiler| fs::read_dir(compiler).expect("a directory"));
    let files: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    let code: Vec<_> = files.iter().filter(|file| file.extension().is_none()).collect();
    assert_eq!(code.len(), 5, "the code of each built-in logic: {files:?}");
    for (at, file) in code.iter().enumerate() {
        let bytes = fs::read(file).expect("the file is there").len();
        flip(file, (at + 1) * bytes / 7);
    }
    let server = directory.start();
    let (status, _) = send(server.address, "POST", "/lists/bob/entries", r#"{"title": "bread"}"#);
    assert_eq!(status, 201);
    server.terminate();
    assert_eq!(directory.log().matches("compiled code is damaged").count(), 5, "{}", directory.log());

    directory.start().terminate();
    assert_eq!(directory.log(), "", "the code was sealed anew");
}

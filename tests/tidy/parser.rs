//! Tests of the parser itself, on small crates, so that its silence can be trusted.

use std::path::Path;

use super::circles::circles;
use super::source::Tree;
use super::{table, words};

/// Reads a crate from texts instead of files.
fn tree(files: &[(&str, &str)]) -> Tree {
    let text = |file: &Path| files.iter().find(|(name, _)| Path::new(name) == file).map(|(_, text)| (*text).to_owned());
    Tree::read(Path::new("lib.rs"), &text)
}

/// The circles of a crate as text.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    circles(&tree(files)).values().flatten().map(|circle| circle.render(Path::new(""))).collect()
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod a; mod b;"),
        ("room/a.rs", "use super::b::B;\npub struct A;"),
        ("room/b.rs", "\nuse super::a::A;\npub struct B;"),
    ]);
    assert_eq!(found, ["room/a.rs:1 → room/b.rs:2 → room/a.rs"]);
}

#[test]
fn a_way_through_a_third_file_is_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod a; mod b; mod c;"),
        ("room/a.rs", "use super::b;\npub fn a() { b::b(); }"),
        ("room/b.rs", "pub fn b() { crate::room::c::c(); }"),
        ("room/c.rs", "use super::a::{self as first};\npub fn c() { first::a() }"),
    ]);
    assert_eq!(found, ["room/a.rs:2 → room/b.rs:1 → room/c.rs:2 → room/a.rs"]);
}

#[test]
fn a_child_that_uses_what_its_caller_defines_is_in_a_circle() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod child;\npub struct Mine;\nfn call() { child::work(); }"),
        ("room/child.rs", "use super::Mine;\npub fn work() {}"),
    ]);
    assert_eq!(found, ["room/child.rs:1 → room.rs:3 → room/child.rs"]);
}

#[test]
fn a_grandchild_is_a_file_of_the_module() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod child;\npub struct Mine;\nfn call() { child::grand::work(); }"),
        ("room/child.rs", "pub mod grand;"),
        ("room/child/grand.rs", "pub fn work(_: super::super::Mine) {}"),
    ]);
    assert_eq!(found, ["room/child/grand.rs:1 → room.rs:3 → room/child/grand.rs"]);
}

#[test]
fn a_name_through_a_re_export_counts_to_the_file_that_defines_it() {
    let files = |a: &'static str| {
        [
            ("lib.rs", "mod room;"),
            ("room.rs", "mod a; mod b; mod error;\npub use error::Error; pub use b::B as Renamed;"),
            ("room/a.rs", a),
            ("room/b.rs", "use super::a::A;\npub struct B;"),
            ("room/error.rs", "pub struct Error;"),
        ]
    };
    assert_eq!(circles_of(&files("pub struct A(super::Error);")), [""; 0]);
    let found = circles_of(&files("pub struct A(super::Renamed);"));
    assert_eq!(found, ["room/a.rs:1 → room/b.rs:1 → room/a.rs"]);
}

#[test]
fn a_parent_that_uses_what_it_re_exports_needs_the_child() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod child;\npub use child::work;\npub struct Mine;\nfn call() { work(); }"),
        ("room/child.rs", "pub fn work(_: super::Mine) {}"),
    ]);
    assert_eq!(found, ["room/child.rs:1 → room.rs:4 → room/child.rs"]);
}

#[test]
fn a_glob_and_a_nested_group_bind_names() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod a; mod b;"),
        ("room/a.rs", "use super::{b::{self, inner::*}};\npub struct A;\nfn f(_: Deep) {}\nfn g() { b::b(); }"),
        ("room/b.rs", "pub mod inner;\npub fn b() {}"),
        ("room/b/inner.rs", "pub struct Deep(crate::room::a::A);"),
    ]);
    assert_eq!(found, ["room/a.rs:3 → room/b/inner.rs:1 → room/a.rs"]);
}

#[test]
fn a_path_in_the_arguments_of_a_macro_is_seen() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod a; mod b;"),
        ("room/a.rs", "pub struct A;\nfn f() { println!(\"{}\", super::b::text()); }"),
        ("room/b.rs", "use super::a::A;\npub fn text() {}"),
    ]);
    assert_eq!(found, ["room/a.rs:2 → room/b.rs:1 → room/a.rs"]);
}

#[test]
fn code_of_tests_is_not_seen() {
    let found = circles_of(&[
        ("lib.rs", "mod room;"),
        ("room.rs", "mod a; mod b;\n#[cfg(test)]\nmod tests;"),
        (
            "room/a.rs",
            "pub struct A;\n#[cfg(test)]\nmod tests { use super::super::b::B; }\n#[test]\nfn f() { super::b::g(); }",
        ),
        (
            "room/b.rs",
            "use super::a::A;\npub struct B;\nimpl B {\n#[cfg(any(test, fuzzing))]\nfn f() { super::a::g(); }\n}",
        ),
    ]);
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_module_of_a_path_is_the_one_that_defines_the_item() {
    let tree = tree(&[
        ("lib.rs", "mod upper; mod lower; mod third;"),
        (
            "upper.rs",
            "use crate::lower::Thing;\nuse wasmtime as engine;\nfn f() -> engine::Store { serde_json::json!({}) }",
        ),
        ("lower.rs", "pub use crate::third::Thing;"),
        ("third.rs", "pub struct Thing;"),
    ]);
    let modules = tree.named().filter_map(|named| tree.resolve(named.from, named.path));
    let modules: Vec<_> = modules.filter_map(|target| tree.top_module(target.module())).collect();
    assert_eq!(modules, ["third"]);
    let outside: Vec<_> = tree.named().filter_map(|named| tree.outside(named.from, named.path)).collect();
    assert_eq!(outside, ["wasmtime", "wasmtime", "serde_json"]);
}

#[test]
fn a_table_is_read_and_drawn() {
    let document = "| a | b |\n| --- | --- |\n| `list` | what | nothing |\n| `web` | how | `list` `cache` |\n\nmore";
    let rows = table::rows(document, "| a | b |");
    assert_eq!(rows[1].0, "web");
    assert!(rows[0].1.is_empty() && rows[1].1.contains("cache") && rows.len() == 2);
    assert_eq!(table::draw(&rows), "```text\n      l\n      i w\n      s e\n      t b\nlist  ╲ ·\nweb   ● ╲\n```\n");
}

#[test]
fn an_old_word_is_found_as_a_whole_word() {
    let old = ["Who", "ever reads a Sh", "elf"].concat();
    let found = words::found(&format!("fine\n{old}\nshelves, Shelfish"));
    assert_eq!(found.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [2, 2, 2]);
}

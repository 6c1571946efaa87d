//! Tests of the documents: their commands run from top to bottom and print what the documents say.

mod documents {
    pub(crate) mod guide;
    pub(crate) mod shell;
}

use documents::guide::Guide;
use documents::shell::run;

#[test]
fn the_readme_prints_what_it_says_until_a_reader_writes_rules() {
    check("README.md", "## Write your own rules");
}

#[test]
fn the_examples_with_curl_print_what_they_say() {
    check("examples/curl.md", "");
}

#[test]
fn every_shell_takes_the_commands_of_the_documents() {
    for path in ["README.md", "examples/curl.md", "docs/plugins.md", "docs/rollouts.md"] {
        let guide = Guide::read(path);
        let unsafe_lines: Vec<_> = guide.commands("").flat_map(|block| block.lines_that_zsh_refuses()).collect();
        assert!(unsafe_lines.is_empty(), "{path}: quote these, and put comments before the block: {unsafe_lines:#?}");
    }
}

/// Runs the commands of a document up to a line, and compares what they print.
fn check(path: &str, end: &str) {
    let guide = Guide::read(path);
    let blocks: Vec<_> = guide.commands(end).collect();
    assert!(blocks.len() > 5, "{path} has commands");
    let scripts: Vec<_> = blocks.iter().map(|block| block.script).collect();
    for (block, done) in blocks.iter().zip(run(&scripts)) {
        match block.output {
            Some(expected) => assert!(
                documents::guide::matches(expected, &done.output),
                "{path}, line {}: `{}` printed\n{}\ninstead of\n{expected}",
                block.line,
                block.script,
                done.output,
            ),
            None => {
                assert_eq!(done.failures, [""; 0], "{path}, line {}: `{}`\n{}", block.line, block.script, done.output)
            }
        }
    }
}

//! A shell that runs the commands of a document against a server of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The address that documents use.
const ADDRESS: &str = "127.0.0.1:8080";

/// What a block of commands did.
pub(crate) struct Done {
    /// What it printed.
    pub(crate) output: String,
    /// The answers of the server with a status of 400 or more.
    pub(crate) failures: Vec<String>,
}

/// Functions in place of programs. `cargo run` starts the server of the test, and stops the one before. `curl` notes the status
/// of each answer, and follows an event stream for a second only.
const FUNCTIONS: &str = r#"
stop() { if [ -n "$server" ]; then kill "$server"; wait "$server"; server=; fi; }
trap stop EXIT
cargo() {
    [ "$1 $2" = "run --release" ] || { echo "unknown: cargo $*"; return 1; }
    shift 2
    [ "$1" != -- ] || shift
    stop 2>/dev/null
    rm -f url
    "$HOTLIST" serve --listen 127.0.0.1:0 --deadline 20s "$@" >url 2>>log &
    server=$!
    until grep -q http url 2>/dev/null; do kill -0 "$server" || return 1; read -r -t 0.05 <> <(:); done
    ADDRESS=$(sed -n 's,^hotlist listens on http://,,p' url)
    cat url
}
curl() {
    case " $* " in
        *" -sN "*) command curl --max-time 1 "$@" ;;
        *" -w "*) command curl "$@" ;;
        *) command curl "$@" --write-out '%{stderr}status %{http_code} of %{method} %{url}\n' ;;
    esac
}
"#;

/// Runs blocks of commands one after the other in one shell.
pub(crate) fn run(blocks: &[&str]) -> Vec<Done> {
    let directory = tempfile::tempdir().expect("a directory");
    for linked in ["plugins", "examples", "docs"] {
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(linked), directory.path().join(linked)).expect("a link");
    }
    let mut script = FUNCTIONS.to_owned();
    if !blocks.iter().any(|block| block.contains("cargo run")) {
        script += "cargo run --release >/dev/null\n";
    }
    for (number, block) in blocks.iter().enumerate() {
        let block = block.replace(ADDRESS, "$ADDRESS");
        script += &format!("exec >out.{number} 2>err.{number}\n{block}\n");
    }
    fs::write(directory.path().join("script"), script).expect("it is written");
    let status = Command::new("bash")
        .arg("script")
        .env("HOTLIST", env!("CARGO_BIN_EXE_hotlist"))
        .current_dir(directory.path())
        .status()
        .expect("bash starts");
    assert!(status.code().is_some(), "{status}");
    let read = |name: String| fs::read_to_string(directory.path().join(name)).unwrap_or_default();
    let done = |number| {
        let output = read(format!("out.{number}"));
        let address = read("url".to_owned());
        let address = address.trim().rsplit("//").next().unwrap_or_default().to_owned();
        let is_failure = |line: &&str| line.starts_with("status 4") || line.starts_with("status 5");
        let errors = read(format!("err.{number}"));
        let failures = errors.lines().filter(is_failure).map(str::to_owned).collect();
        Done { output: addresses_as_documented(&output, &address), failures }
    };
    (0..blocks.len()).map(done).collect()
}

/// An output with the address that documents use instead of those of the test's servers.
fn addresses_as_documented(output: &str, last: &str) -> String {
    let mut output = output.replace(last, ADDRESS);
    // Those of servers before the last one.
    while let Some(at) =
        output.match_indices("127.0.0.1:").map(|(at, _)| at).find(|at| !output[*at..].starts_with(ADDRESS))
    {
        let end = output[at + 10..].find(|c: char| !c.is_ascii_digit()).map_or(output.len(), |end| at + 10 + end);
        output.replace_range(at..end, ADDRESS);
    }
    output
}

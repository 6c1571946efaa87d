//! An operator's first hour, as docs/rollouts.md tells it: each command is run against a real server, and its output is
//! compared with the document.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::component;
use crate::support::process::{Process, program, send};
use crate::support::rules::renumbered;

/// The document with the transcript.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rollouts.md");

/// The beginning and the end of the transcript.
const BEGIN: &str = "```console\n$ hotlist logic push rules";
const END: &str = "```\n";

const LISTS: [&str; 3] = ["home", "team", "work"];

/// A server with the files that the transcript names, and the people who use its lists.
struct Hour {
    server: Process,
    folder: tempfile::TempDir,
    /// The number of comments so far. People do something at each of them.
    comments: usize,
}

impl Hour {
    fn begin() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        for (version, rules) in [("1.0.0", "todo"), ("1.1.0", "strict"), ("1.2.0", "hostile")] {
            let file = folder.path().join(format!("rules-{version}.wasm"));
            let bytes = if version == "1.0.0" { component(rules) } else { renumbered(rules, version) };
            fs::write(file, bytes).expect("it is written");
        }
        let server = Process::start(&folder.path().join("data"), &[]);
        Self { server, folder, comments: 0 }
    }

    /// What people do at a comment.
    async fn go_on(&mut self) {
        self.comments += 1;
        let (one, other) = ("127.0.0.1", "127.0.0.2");
        match self.comments {
            1 => {
                for list in LISTS {
                    let made = send(self.server.address, "PUT", &format!("/lists/{list}"), r#"{"logic":"rules"}"#);
                    assert_eq!(made.0, 201, "{}", made.1);
                    self.add(list, "milk", one).await;
                }
            }
            2 => {
                for (list, title) in [("home", "bread"), ("home", "milk"), ("team", "milk"), ("work", "tea")] {
                    self.add(list, title, one).await;
                }
                while self.logic()["candidate"]["shadow"]["waiting"] != 0 {
                    tokio::task::yield_now().await;
                }
            }
            _ => {
                for title in ["trap", "unreachable"] {
                    for (list, address) in [("home", one), ("team", other), ("work", other)] {
                        self.add(list, title, address).await;
                    }
                }
            }
        }
    }

    fn logic(&self) -> Value {
        send(self.server.address, "GET", "/logic/rules", "").1
    }

    /// Adds an entry as a client at an address of this machine.
    async fn add(&self, list: &str, title: &str, address: &str) {
        let client = reqwest::Client::builder().no_proxy();
        let client = client.local_address(Some(address.parse().expect("an address"))).build().expect("a client");
        let url = format!("http://{}/lists/{list}/entries", self.server.address);
        let added = client.post(url).json(&json!({ "title": title })).send().await.expect("a reply");
        assert_eq!(added.status(), 201, "{title} in {list}: the live version decides where the candidate fails");
    }

    /// Does what a line of the transcript says. Returns what a terminal would show.
    async fn run(&mut self, line: &str) -> String {
        let Some(command) = line.strip_prefix("$ hotlist ") else {
            self.go_on().await;
            return String::new();
        };
        let mut hotlist = program();
        hotlist.args(command.split_whitespace()).current_dir(self.folder.path());
        hotlist.env("HOTLIST_SERVER", format!("http://{}", self.server.address));
        let output = hotlist.output().expect("the program starts");
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text")).concat()
    }
}

/// A transcript without what is different in each run: digests, times and measurements. Columns may be wider or narrower.
fn masked(transcript: &str) -> String {
    let word = |word: &str| {
        let is_hex = |text: &str| text.starts_with(|c: char| c.is_ascii_hexdigit());
        let is_time = word.len() >= 20 && word.contains('T') && word.starts_with("20");
        match word.split_once("sha256:") {
            Some((before, digits)) if is_hex(digits) => {
                format!("{before}DIGEST{}", digits.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
            }
            _ if is_time => "TIME".into(),
            _ if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) => "N".into(),
            _ => word.to_owned(),
        }
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    transcript.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_first_hour_of_an_operator_goes_as_the_guide_tells_it() {
    let document = fs::read_to_string(Path::new(DOCUMENT)).expect("the guide");
    let (before, rest) = document.split_once(BEGIN).expect("the guide has a transcript");
    let (rest, after) = rest.split_once(END).expect("it ends");
    let told = format!("{}{rest}", BEGIN.trim_start_matches("```console\n"));
    let mut hour = Hour::begin();
    let mut happened = String::new();
    for line in told.lines().filter(|line| line.starts_with("$ ") || line.starts_with("# ")) {
        happened += &format!("{line}\n{}", hour.run(line).await);
    }
    assert_eq!(hour.comments, 3, "people do something at each of them");
    assert_eq!(hour.logic()["live"]["version"], "1.0.0", "the hour ends with a rollback");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(DOCUMENT, format!("{before}```console\n{happened}{END}{after}")).expect("it is written");
    } else {
        let (told, happened) = (masked(&told), masked(&happened));
        assert!(told == happened, "run UPDATE=1 cargo test --test cli first_hour, and read what changed:\n{happened}");
    }
}

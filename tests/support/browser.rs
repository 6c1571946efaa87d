//! A browser without a window, told what to do: Chromium's own protocol over two pipes.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A browser takes seconds to start on a busy machine, but not minutes.
pub const BROWSER_PATIENCE: Duration = Duration::from_secs(60);

/// What every run is told: that nobody looks at it, and to keep to itself.
pub const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with one page. Ended when it is dropped.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<Value>,
    asked: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one, if there is one on this machine. Its page is so many pixels wide.
    pub fn start(width: u32) -> Option<Self> {
        match Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            other => assert!(other.expect("it runs").success()),
        }
        let profile = tempfile::tempdir().expect("a directory");
        let of_profile = format!("--user-data-dir={}", profile.path().display());
        let mut command = Command::new("sh");
        // It listens on the third of its files and speaks on the fourth.
        command.args(["-c", "exec chromium --remote-debugging-pipe \"$@\" 3<&0 4>&1 >/dev/null", "sh"]);
        command.args(FLAGS).args([of_profile, format!("--window-size={width},900")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("it starts");
        let output = process.stdout.take().expect("it is piped");
        let (said, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("its messages are JSON");
                if said.send(message).is_err() {
                    break;
                }
            }
        });
        let to = process.stdin.take().expect("it is piped");
        let mut browser = Self { process, to, from, session: None, asked: 0, _profile: profile };
        let page = browser.ask("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": page["targetId"], "flatten": true });
        browser.session = Some(browser.ask("Target.attachToTarget", attached)["sessionId"].clone());
        Some(browser)
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.asked += 1;
        let mut question = json!({ "id": self.asked, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            question["sessionId"] = session.clone();
        }
        write!(self.to, "{question}\0").expect("it listens");
        loop {
            let message = self.from.recv_timeout(BROWSER_PATIENCE).expect("it answers");
            if message["id"] == self.asked {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Goes to an address.
    pub fn open(&mut self, url: &str) {
        self.ask("Page.navigate", json!({ "url": url }));
    }

    /// What an expression comes to on the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.ask("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        // While one page gives way to another there may be no element yet.
        while self.value(&format!("(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"))
            != true
        {
            let seen = || self.value("document.body?.innerText");
            assert!(begun.elapsed() < BROWSER_PATIENCE, "{expression} never came to be; there is: {}", { seen }());
        }
    }

    /// Presses a key where the focus is, or a key together with Control.
    pub fn press(&mut self, key: &str) {
        let (modifiers, key) = key.strip_prefix("Control+").map_or((0, key), |key| (2, key));
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            " " => (32, " "),
            _ => (0, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text, "modifiers": modifiers });
            self.ask("Input.dispatchKeyEvent", key);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

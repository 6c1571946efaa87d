//! A headless Chromium, driven over its DevTools protocol through two pipes.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Limit for each answer of the browser. It takes seconds to start on a busy machine.
pub const BROWSER_TIMEOUT: Duration = Duration::from_secs(60);

/// Command-line flags of every run: no window, and no network traffic of its own.
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

/// A browser with one page. Dropping it ends the process.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<Value>,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser whose page is `width` pixels wide. Returns `None` where chromium is not installed.
    pub fn start(width: u32) -> Option<Self> {
        match Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            other => assert!(other.expect("it runs").success()),
        }
        let profile = tempfile::tempdir().expect("a directory");
        let of_profile = format!("--user-data-dir={}", profile.path().display());
        let mut command = Command::new("sh");
        // Chromium reads commands from file descriptor 3 and writes messages to 4.
        command.args(["-c", "exec chromium --remote-debugging-pipe \"$@\" 3<&0 4>&1 >/dev/null", "sh"]);
        command.args(FLAGS).args([of_profile, format!("--window-size={width},900")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("it starts");
        let output = process.stdout.take().expect("it is piped");
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("its messages are JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let to = process.stdin.take().expect("it is piped");
        let mut browser = Self { process, to, from, session: None, last_id: 0, _profile: profile };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": page["targetId"], "flatten": true });
        browser.session = Some(browser.call("Target.attachToTarget", attached)["sessionId"].clone());
        Some(browser)
    }

    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let mut request = json!({ "id": self.last_id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = session.clone();
        }
        write!(self.to, "{request}\0").expect("it listens");
        loop {
            let message = self.from.recv_timeout(BROWSER_TIMEOUT).expect("it answers");
            if message["id"] == self.last_id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Navigates to an address.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// Evaluates a JavaScript expression on the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until a JavaScript expression is truthy.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        // During a navigation the elements may not exist yet, so exceptions count as false.
        while self.value(&format!("(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"))
            != true
        {
            let seen = || self.value("document.body?.innerText");
            assert!(begun.elapsed() < BROWSER_TIMEOUT, "{expression} is still false; the page shows: {}", { seen }());
        }
    }

    /// Presses a key in the focused element. `Control+` before the key's name holds Control down.
    pub fn press(&mut self, key: &str) {
        let (modifiers, key) = key.strip_prefix("Control+").map_or((0, key), |key| (2, key));
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            " " => (32, " "),
            _ => (0, ""),
        };
        for kind in ["keyDown", "keyUp"] {
            let key = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "text": text, "modifiers": modifiers });
            self.call("Input.dispatchKeyEvent", key);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

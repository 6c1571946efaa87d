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

/// A browser with windows, of which one is used. Dropping it ends the process.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    /// The target and the session of each window.
    windows: Vec<(Value, Value)>,
    session: Option<Value>,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser whose windows are `width` pixels wide. Returns `None` where chromium is not installed, unless
    /// `HOTLIST_TEST_BROWSER` is `required`, and where it is `none`.
    pub fn start(width: u32) -> Option<Self> {
        let wanted = std::env::var("HOTLIST_TEST_BROWSER").unwrap_or_default();
        if wanted == "none" {
            return None;
        }
        match Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                assert_ne!(wanted, "required", "chromium is not installed, and HOTLIST_TEST_BROWSER requires it");
                return None;
            }
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
        let windows = Vec::new();
        let mut browser = Self { process, to, from, windows, session: None, last_id: 0, _profile: profile };
        browser.open_window();
        Some(browser)
    }

    /// Opens a further window, and uses it. Returns its number.
    pub fn open_window(&mut self) -> usize {
        self.session = None;
        let page = self.call("Target.createTarget", json!({ "url": "about:blank", "newWindow": true }));
        let attached = json!({ "targetId": page["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attached)["sessionId"].clone();
        self.windows.push((page["targetId"].clone(), session));
        self.use_window(self.windows.len() - 1);
        self.windows.len() - 1
    }

    /// Uses another window from now on.
    pub fn use_window(&mut self, number: usize) {
        self.session = Some(self.windows[number].1.clone());
    }

    /// Closes a window that is not used any more.
    pub fn close_window(&mut self, number: usize) {
        let used = self.session.take();
        self.call("Target.closeTarget", json!({ "targetId": self.windows[number].0 }));
        self.session = used;
    }

    /// Runs a script before those of each page that the window opens.
    pub fn before_scripts(&mut self, script: &str) {
        self.call("Page.enable", json!({}));
        self.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
    }

    /// Runs no scripts of pages from now on.
    pub fn disable_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    }

    /// Cuts the window off from the server, or ends that.
    pub fn go_offline(&mut self, offline: bool) {
        self.call("Network.enable", json!({}));
        let conditions = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.call("Network.emulateNetworkConditions", conditions);
    }

    /// Types text into the focused element.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Emulates a screen of another size.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Clicks where an element is, as a user does. `element` is a JavaScript expression.
    pub fn click(&mut self, element: &str) {
        let place = format!(
            "(() => {{ const element = {element}; element.scrollIntoView({{ block: 'nearest' }}); \
             const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        );
        // Chromium drops clicks on a page that it has not painted yet.
        self.value("new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(painted)))");
        let place = self.value(&place);
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
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
            "Escape" => (27, ""),
            "ArrowDown" => (40, ""),
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

//! What a running server has recorded, asked for over HTTP.

use std::collections::VecDeque;
use std::str::FromStr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, StatusCode};

use crate::list::List;
use crate::list::digest::{hex, parse_digest};
use crate::list::history::ListHistory;
use crate::list::name::{ListName, LogicName};
use crate::replay::{ReplayItem, Unreadable};
use crate::store::{MAX_PAGE, recording};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes of an answer: a page of a recording may have one revision, and the list, of any size
/// that lists have.
const MAX_ANSWER_BYTES: u64 = 512 << 20;

/// How often a server is asked that has too much to do, or a list is read that changes meanwhile.
const MAX_TRIES: usize = 5;

/// How long a server that has too much to do is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of what a server says instead of an answer is repeated.
const MAX_TOLD_CHARS: usize = 300;

/// A header for every request.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Header(HeaderName, HeaderValue);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is no header; write it as 'Name: value'");
        let (name, value) = text.split_once(':').ok_or_else(form)?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| form())?;
        // What it is for is often a secret, and an error must not tell it.
        value.set_sensitive(true);
        Ok(Self(name.trim().parse().map_err(|_| form())?, value))
    }
}

/// A server.
pub(super) struct Remote {
    agent: Agent,
    url: String,
    headers: Vec<Header>,
}

/// What a server answers with.
struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Remote {
    pub(super) fn new(url: &str, headers: &[Header]) -> anyhow::Result<Self> {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            anyhow::bail!("--server {url:?} is no address of a server; write it as https://todo.example");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Headers may say who asks: they are for this server.
            .max_redirects(0)
            .timeout_global(Some(PATIENCE));
        let agent = config.build().new_agent();
        Ok(Self { agent, url: url.trim_end_matches('/').to_owned(), headers: headers.to_vec() })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The digest of the version that decides for a logic now.
    pub(super) fn live(&self, logic: &LogicName) -> anyhow::Result<[u8; 32]> {
        let answer = self.get(&format!("/logic/{logic}"))?.json()?;
        let digest = answer["live"]["digest"].as_str().and_then(|text| text.strip_prefix("sha256:"));
        digest
            .and_then(parse_digest)
            .with_context(|| format!("no version of {logic} is live on {}; name one with --against", self.url))
    }

    /// The component of one version.
    pub(super) fn component(&self, logic: &LogicName, digest: &[u8; 32]) -> anyhow::Result<Vec<u8>> {
        let answer = self.get(&format!("/logic/{logic}/versions/{}", hex(digest)));
        let answer = answer.and_then(Answer::done);
        answer.map(|answer| answer.body).with_context(|| {
            format!("the live version of {logic} cannot be had from {}; name one with --against", self.url)
        })
    }

    /// The wanted ones of the lists that exist, by name, each with its history as it is when it is read.
    pub(super) fn lists<'a>(
        &'a self,
        wanted: impl Fn(&ListName) -> bool + 'a,
    ) -> impl Iterator<Item = anyhow::Result<ReplayItem>> + 'a {
        let names = Names { remote: self, waiting: VecDeque::new(), after: None, over: false };
        names.filter_map(move |name| match name {
            Ok(name) if wanted(&name) => self.recorded(&name).transpose(),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// A list with its history, unless it is gone by now.
    fn recorded(&self, name: &ListName) -> anyhow::Result<Option<ReplayItem>> {
        let unreadable =
            |why: String| Ok(Some(ReplayItem::Unreadable(Unreadable { name: name.as_str().to_owned(), why })));
        for _ in 0..MAX_TRIES {
            let mut revisions = Vec::new();
            let mut after = 0;
            loop {
                let answer = self.get(&format!("{}/recording?after={after}&limit={MAX_PAGE}", path_of(name)))?;
                match answer.status {
                    StatusCode::NOT_FOUND => return Ok(None),
                    StatusCode::INTERNAL_SERVER_ERROR => return unreadable(answer.told()),
                    _ => {}
                }
                let page = match recording::take(name, &answer.done()?.body) {
                    Ok(page) => page,
                    Err(why) => return unreadable(why),
                };
                let next = page.revisions.last().map(|revision| revision.number);
                revisions.extend(page.revisions);
                if let Some(folded) = page.list {
                    let list = List::from(folded);
                    return Ok(Some(ReplayItem::List(Box::new(ListHistory { name: name.clone(), list, revisions }))));
                }
                // Neither the end nor a step towards it: the list was deleted and made anew meanwhile.
                match next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        unreadable(format!("it was deleted and made anew each of {MAX_TRIES} times that it was read"))
    }

    /// Asks for a resource; again where the server has too much to do.
    fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let mut answer = self.try_get(path)?;
        for _ in 1..MAX_TRIES {
            if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                break;
            }
            pause();
            answer = self.try_get(path)?;
        }
        Ok(answer)
    }

    fn try_get(&self, path: &str) -> anyhow::Result<Answer> {
        let what = || format!("cannot ask {} for {path}", self.url);
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for Header(name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = request.call().with_context(what)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec().with_context(what)?;
        Ok(Answer { status, body })
    }
}

impl Answer {
    fn done(self) -> anyhow::Result<Self> {
        if self.status == StatusCode::OK { Ok(self) } else { Err(anyhow::anyhow!("the server says {}", self.told())) }
    }

    fn json(self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.done()?.body).context("the server's answer is not JSON; is it Hotlist's address?")
    }

    /// What it says instead of what was asked for.
    fn told(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("without a reason");
        let detail: String = detail.chars().filter(|c| !c.is_control()).take(MAX_TOLD_CHARS).collect();
        format!("{}: {detail}", self.status)
    }
}

/// The names of a server's lists, in order, a page at a time.
struct Names<'a> {
    remote: &'a Remote,
    waiting: VecDeque<ListName>,
    after: Option<ListName>,
    over: bool,
}

impl Names<'_> {
    fn refill(&mut self) -> anyhow::Result<()> {
        let behind = self.after.as_ref().map_or_else(String::new, |name| format!("&after={}", escaped(name)));
        let page = self.remote.get(&format!("/lists?limit={MAX_PAGE}{behind}"))?.json()?;
        let lists = page.as_array().context("the server's lists are not an array; is it Hotlist's address?")?;
        for list in lists {
            let name = list["name"].as_str().context("a list of the server has no name")?;
            self.waiting.push_back(ListName::new(name).with_context(|| format!("a list is called {name:?}"))?);
        }
        self.over = self.waiting.is_empty();
        self.after = self.waiting.back().cloned().or(self.after.take());
        Ok(())
    }
}

impl Iterator for Names<'_> {
    type Item = anyhow::Result<ListName>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.waiting.is_empty()
            && !self.over
            && let Err(error) = self.refill()
        {
            self.over = true;
            return Some(Err(error));
        }
        self.waiting.pop_front().map(Ok)
    }
}

fn path_of(name: &ListName) -> String {
    format!("/lists/{}", escaped(name))
}

fn escaped(name: &ListName) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC)
}

/// Waits for a while, as nobody ever sends anything.
fn pause() {
    let (_nobody, nothing) = mpsc::channel::<()>();
    let _ = nothing.recv_timeout(PAUSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let Header(name, value) = "X-Forwarded-User:  ann: b ".parse().unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-forwarded-user", "ann: b"));
        for bad in ["ann", "a b: c", ": c", "a: b\nc"] {
            assert!(bad.parse::<Header>().unwrap_err().contains("'Name: value'"), "{bad}");
        }
    }

    #[test]
    fn a_header_that_says_who_asks_is_not_shown() {
        let header: Header = "Authorization: Bearer secret".parse().unwrap();
        assert!(!format!("{header:?}").contains("secret"));
    }

    #[test]
    fn a_path_is_no_address() {
        assert!(Remote::new("todo.example", &[]).is_err());
        assert_eq!(Remote::new("https://todo.example/", &[]).unwrap().url(), "https://todo.example");
    }
}

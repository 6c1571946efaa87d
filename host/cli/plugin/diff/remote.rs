//! Reads recorded lists and components from a running server.

use std::collections::VecDeque;

use anyhow::Context as _;
use ureq::http::StatusCode;

use crate::cli::remote::{MAX_TRIES, Remote, list_path};
use crate::list::List;
use crate::list::digest::{Digest, hex, parse_digest};
use crate::list::history::ListHistory;
use crate::list::name::{ListName, LogicName};
use crate::replay::{ReplayItem, Unreadable};
use crate::store::{MAX_PAGE, recording};

/// The recorded lists and the components of one server.
pub(super) struct Recorded(pub(super) Remote);

impl Recorded {
    /// The address of the server.
    pub(super) fn address(&self) -> &str {
        self.0.address()
    }

    /// The digest of the live version of a logic.
    pub(super) fn live(&self, logic: &LogicName) -> anyhow::Result<[u8; 32]> {
        let reply = self.0.get(&format!("/logic/{logic}"))?.json()?;
        let digest = reply["live"]["digest"].as_str().and_then(|text| text.strip_prefix("sha256:"));
        digest
            .and_then(parse_digest)
            .with_context(|| format!("no version of {logic} is live on {}; name one with --against", self.address()))
    }

    /// Why the server quarantined a version, if it knows the version and did.
    pub(super) fn quarantine_of(&self, logic: &LogicName, digest: &Digest) -> anyhow::Result<Option<String>> {
        let reply = self.0.get(&format!("/logic/{logic}"))?;
        if reply.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let (reply, digest) = (reply.json()?, format!("sha256:{}", hex(digest)));
        let mut versions = reply["versions"].as_array().into_iter().flatten();
        let version = versions.find(|version| version["digest"] == digest && version["state"] == "quarantined");
        Ok(version.and_then(|version| version["why"].as_str()).map(str::to_owned))
    }

    /// The component of one version.
    pub(super) fn component(&self, logic: &LogicName, digest: &[u8; 32]) -> anyhow::Result<Vec<u8>> {
        let reply = self.0.get(&format!("/logic/{logic}/versions/{}", hex(digest)));
        let reply = reply.and_then(|reply| Ok(reply.ok()?));
        reply.map(|reply| reply.body).with_context(|| {
            format!("cannot download the live version of {logic} from {}; name one with --against", self.address())
        })
    }

    /// The lists that `wanted` selects, ordered by name, each with its history at the time of the request.
    pub(super) fn lists<'a>(
        &'a self,
        wanted: impl Fn(&ListName) -> bool + 'a,
    ) -> impl Iterator<Item = anyhow::Result<ReplayItem>> + 'a {
        let names = Names { remote: &self.0, page: VecDeque::new(), next: Some(format!("/lists?limit={MAX_PAGE}")) };
        names.filter_map(move |name| match name {
            Ok(name) if wanted(&name) => self.recorded(&name).transpose(),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// A list with its history. `None` if the list was deleted meanwhile.
    fn recorded(&self, name: &ListName) -> anyhow::Result<Option<ReplayItem>> {
        let unreadable =
            |why: String| Ok(Some(ReplayItem::Unreadable(Unreadable { name: name.as_str().to_owned(), why })));
        for _ in 0..MAX_TRIES {
            let mut revisions = Vec::new();
            let mut next = Some(format!("{}/recording?limit={MAX_PAGE}", list_path(name)));
            while let Some(path) = next {
                let reply = self.0.get(&path)?;
                match reply.status {
                    StatusCode::NOT_FOUND => return Ok(None),
                    StatusCode::INTERNAL_SERVER_ERROR => return unreadable(reply.problem().to_string()),
                    _ => {}
                }
                let reply = reply.ok()?;
                // The last page has none. One without the list is not the last: the list was deleted and created again.
                next = reply.next;
                let page = match recording::take(name, &reply.body) {
                    Ok(page) => page,
                    Err(why) => return unreadable(why),
                };
                revisions.extend(page.revisions);
                if let Some(folded) = page.list {
                    let list = List::from(folded);
                    return Ok(Some(ReplayItem::List(Box::new(ListHistory { name: name.clone(), list, revisions }))));
                }
            }
        }
        unreadable(format!("it was deleted and created again during each of {MAX_TRIES} attempts to read it"))
    }
}

/// The names of a server's lists, in order, a page at a time.
struct Names<'a> {
    remote: &'a Remote,
    page: VecDeque<ListName>,
    /// The path of the next page. `None` at the end.
    next: Option<String>,
}

impl Names<'_> {
    fn refill(&mut self) -> anyhow::Result<()> {
        let Some(path) = self.next.take() else { return Ok(()) };
        let reply = self.remote.get(&path)?;
        let next = reply.next.clone();
        let page = reply.json()?;
        let lists = page.as_array().context("the server's lists are not an array; is it Hotlist's address?")?;
        for list in lists {
            let name = list["name"].as_str().context("a list of the server has no name")?;
            self.page
                .push_back(ListName::new(name).with_context(|| format!("a list of the server has the name {name:?}"))?);
        }
        self.next = next;
        Ok(())
    }
}

impl Iterator for Names<'_> {
    type Item = anyhow::Result<ListName>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.page.is_empty() && self.next.is_some() {
            if let Err(error) = self.refill() {
                return Some(Err(error));
            }
        }
        self.page.pop_front().map(Ok)
    }
}

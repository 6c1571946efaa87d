//! Reads a list as its logic shows it: from the snapshot, by the version that decides about the list.

use std::sync::Arc;

use super::filter::EntryFilter;
use super::{Cache, View, ViewOptions};
use crate::actor::CallError;
use crate::actor::decision_log::{self, LoggedDecision, Outcome, log_failure};
use crate::list::List;
use crate::list::change::Rejection;
use crate::list::command::{Context, Group, Page, Query, Row};
use crate::list::entry::Entry;
use crate::list::id::EntryId;
use crate::list::name::{ListName, LogicName};
use crate::list::schema::Reading;
use crate::list::selector::Pin;
use crate::logic::Refusal;
use crate::logic::read::{MAX_ROWS, read};
use crate::render::case::Question;
use crate::rollout::{Asked, Failure, ResolveError, Version};

/// The most entries that a request names beside `after`, and after which a version is asked to begin a page.
pub const MAX_STARTS: usize = 16;

/// How many times a version is loaded that is unloaded again before it is used.
const MAX_LOADS: usize = 3;

impl Cache {
    /// A page of a list. The host makes it where the logic leaves that to the host, else the logic does. Both work on
    /// the snapshot, so no reader waits for a writer.
    ///
    /// Slow logic answers in turns, as it decides, and a large list is filtered in turns. `client` is the one whose turn it is.
    pub async fn view(
        &self,
        name: &ListName,
        caller: Arc<str>,
        client: &Arc<str>,
        query: &Query,
    ) -> Result<View, CallError> {
        self.view_with(name, caller, client, query, &ViewOptions::default()).await
    }

    /// Like [`Cache::view`], with options.
    pub async fn view_with(
        &self,
        name: &ListName,
        caller: Arc<str>,
        client: &Arc<str>,
        query: &Query,
        options: &ViewOptions,
    ) -> Result<View, CallError> {
        let list = self.read(name).await?;
        let version = self.version(name, &list).await?;
        if query.view.is_none() && version.logic.description().reading == Reading::Host {
            let make = || plain_page(&list, query, &options.filter);
            let (page, total) = if options.filter.is_slow(&list) {
                let _turn = self.environment.turn(client).await?;
                self.environment.block(make)
            } else {
                make()
            };
            return Ok(View { list, page, logic: None, total: Some(total) });
        }
        if !version.is_slow(&list) {
            return self.ask_from(name, &list, &version, &caller, client, query, options);
        }
        let _turn = self.environment.turn(client).await?;
        // The rollout may have changed meanwhile.
        let version = self.version(name, &list).await?;
        self.environment.block(|| self.ask_from(name, &list, &version, &caller, client, query, options))
    }

    /// Has a version make a page that begins after the first entry that is in the view.
    #[expect(clippy::too_many_arguments, reason = "they are what a page depends on")]
    fn ask_from(
        &self,
        name: &ListName,
        list: &Arc<List>,
        version: &Arc<Version>,
        caller: &Arc<str>,
        client: &Arc<str>,
        query: &Query,
        options: &ViewOptions,
    ) -> Result<View, CallError> {
        let ask = |query: &Query| self.ask(name, list.clone(), version.clone(), caller.clone(), client, query);
        let (Some(or_after), Some(after)) = (&options.or_after, query.after) else { return ask(query) };
        let starts = [after].into_iter().chain(or_after.iter().copied()).filter(|id| list.get(*id).is_some());
        for start in starts.take(1 + MAX_STARTS) {
            let answer = ask(&Query { after: Some(start), ..query.clone() });
            let is_gone = |rejection: &Rejection| rejection.field.as_deref() == Some("after");
            match &answer {
                Err(CallError::Refused { refusal: Refusal::Rejected(rejection), .. }) if is_gone(rejection) => {}
                _ => return answer,
            }
        }
        ask(&Query { after: None, ..query.clone() })
    }

    /// Has a version make a page. Its fallback makes it if the version fails.
    fn ask(
        &self,
        name: &ListName,
        list: Arc<List>,
        version: Arc<Version>,
        caller: Arc<str>,
        client: &Arc<str>,
        query: &Query,
    ) -> Result<View, CallError> {
        if let Some(why) = self.environment.registry.quarantine_of(&version) {
            return Err(CallError::Quarantined { logic: version.id().name.clone(), why });
        }
        let now = self.environment.clock.now();
        let (today, utc_offset) = self.environment.clock.local_at(now);
        let context = Context { now, today, utc_offset, caller, seed: self.environment.clock.seed() };
        let ask = |version: &Version| {
            let started = version.start_timer(&list, &*self.environment.clock);
            let mut session = version.logic.session()?;
            let page = read(session.as_mut(), &list, &context, query);
            let took = version.stop_timer(&list, &started, &*self.environment.clock);
            if decision_log::is_enabled() {
                let outcome = match &page {
                    Ok(Ok(page)) => Outcome::Page(page),
                    Ok(Err(rejection)) => Outcome::Rejected(rejection),
                    Err(fault) => Outcome::Failed(fault),
                };
                let (caller, question) = (&*context.caller, Question::View(query));
                let (logic, printed) = (&**version.logic.id(), session.take_printed());
                LoggedDecision { name, list: &list, caller, question, outcome, logic, took, printed }.log();
            }
            page
        };
        let (version, answer) = match ask(&version) {
            Err(fault) => {
                // A read changes nothing, so the fallback may answer it.
                let can_answer = |other: &Arc<Version>| {
                    let description = other.logic.description();
                    query
                        .view
                        .as_ref()
                        .map_or(description.reading == Reading::Logic, |view| description.view(view).is_some())
                };
                let fallback = self.environment.registry.resolve_fallback(&version, &list).filter(can_answer);
                let second = fallback.map(|fallback| match fallback.is_slow(&list) {
                    // The read waited for no turn if the failed version is quick.
                    true => (self.environment.block(|| ask(&fallback)), fallback),
                    false => (ask(&fallback), fallback),
                });
                let shared = second.as_ref().map(|(answer, _)| answer.is_err());
                let asked = Asked { revision: list.revision(), question: Question::View(query) };
                let failure = Failure { list: name, client: Some(client), shared, asked: Some(asked) };
                self.environment.registry.failed(&version, failure, &fault, &*self.environment.clock);
                let decided_by = second.as_ref().filter(|(answer, _)| answer.is_ok());
                let decided_by = decided_by.map(|(_, fallback)| &**fallback.logic.id());
                log_failure(name, asked, &fault, version.logic.id(), decided_by);
                match second {
                    Some((Ok(page), fallback)) => (fallback, Ok(page)),
                    _ => (version, Err(fault)),
                }
            }
            answer => (version, answer),
        };
        let logic = version.logic.id().clone();
        match answer {
            Ok(Ok(page)) => Ok(View { list, page, logic: Some(logic), total: None }),
            Ok(Err(rejection)) => Err(CallError::Refused { refusal: Refusal::Rejected(rejection), logic }),
            Err(fault) => Err(CallError::Refused { refusal: Refusal::Fault(fault), logic }),
        }
    }

    /// The version that describes a list in its current state, and decides about it unless it is quarantined. That is the
    /// version that is resolved for the list, or the one that it is bound to if the resolved one would have to migrate it
    /// first.
    pub async fn version(&self, name: &ListName, list: &List) -> Result<Arc<Version>, CallError> {
        let logic = list.logic().unwrap_or(&self.environment.default_logic);
        self.resolve(|| {
            let resolved = match self.environment.registry.resolve(logic, name, list.pin()) {
                Ok(selection) => selection.version,
                // It decides nothing, but describes the list as before.
                Err(error @ ResolveError::Quarantined(..)) => self.environment.registry.live(logic).ok_or(error)?,
                Err(error) => return Err(error),
            };
            match list.binding() {
                Some(binding) if !binding.is_schema_compatible(resolved.logic.binding()) => {
                    Ok(self.environment.registry.resolve_bound(list)?.unwrap_or(resolved))
                }
                _ => Ok(resolved),
            }
        })
        .await
    }

    /// The version that would decide about a list with this logic and this pin.
    pub async fn version_for(
        &self,
        name: &ListName,
        logic: &LogicName,
        pin: Option<&Pin>,
    ) -> Result<Arc<Version>, CallError> {
        self.resolve(|| Ok(self.environment.registry.resolve(logic, name, pin)?.version)).await
    }

    /// Resolves a version, and loads it first where it is not in memory.
    async fn resolve(
        &self,
        resolve: impl Fn() -> Result<Arc<Version>, ResolveError>,
    ) -> Result<Arc<Version>, CallError> {
        for _ in 0..MAX_LOADS {
            match resolve() {
                Ok(version) => {
                    version.touch(self.environment.clock.uptime());
                    return Ok(version);
                }
                Err(ResolveError::NoLogic(logic)) => return Err(self.environment.no_logic(logic)),
                Err(ResolveError::NoVersion(logic, pin)) => return Err(CallError::NoVersion { logic, pin }),
                Err(ResolveError::Quarantined(logic, why)) => return Err(CallError::Quarantined { logic, why }),
                Err(ResolveError::NotLoaded(logic, digest)) => {
                    let loaded = self.environment.registry.fetch(&logic, digest).await;
                    loaded.map_err(|why| CallError::NotLoaded { logic, why })?;
                }
            }
        }
        let logic = self.environment.default_logic.clone();
        Err(CallError::NotLoaded { logic, why: "it was loaded and is gone again; try again in a moment".into() })
    }
}

/// A page of the plain list: ids ascending, filtered by date, completion and content. And the number of entries on all pages.
fn plain_page(list: &List, query: &Query, filter: &EntryFilter) -> (Page, usize) {
    let after = query.after.unwrap_or(0);
    let limit = query.limit.min(MAX_ROWS);
    let is_wanted =
        |entry: &Entry| query.completed.is_none_or(|wanted| wanted == entry.completed) && filter.accepts(entry);
    let rows = |after: EntryId| {
        let (on_date, all) = match query.date {
            Some(day) => (Some(list.on_date(day, after)), None),
            None => (None, Some(list.scan(after))),
        };
        let entries = on_date.into_iter().flatten().chain(all.into_iter().flatten());
        entries.filter(|entry| is_wanted(entry)).map(|entry| entry.id)
    };
    let known = match (query.date, query.completed, filter.is_empty()) {
        (None, None, true) => Some(list.count()),
        (None, Some(false), true) => Some(list.count_open()),
        (None, Some(true), true) => Some(list.count() - list.count_open()),
        _ => None,
    };
    let mut ids: Vec<EntryId> = Vec::new();
    let total = if let Some(known) = known {
        ids.extend(rows(after).take(limit + 1));
        known
    } else {
        // One pass finds the page and counts. A filter may have to read each title.
        let mut total = 0;
        for id in rows(0) {
            total += 1;
            if id > after && ids.len() <= limit {
                ids.push(id);
            }
        }
        total
    };
    let more = ids.len() > limit;
    ids.truncate(limit);
    let rows = ids.into_iter().map(|id| Row { id, computed: Vec::new() }).collect();
    (
        Page { groups: vec![Group { name: String::new(), title: String::new(), computed: Vec::new(), rows }], more },
        total,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::change::Change;

    #[test]
    fn a_plain_page_and_its_total_agree_with_all_entries_that_pass() {
        let titled = |id: EntryId| {
            let title = if id.is_multiple_of(3) { "Milk" } else { "Bread" }.to_owned();
            Change::put(Entry {
                id,
                title,
                date: None,
                completed: id.is_multiple_of(2),
                order: None,
                fields: Vec::new(),
            })
        };
        let list = List::default().apply(&(1..=30).map(titled).collect::<Vec<_>>()).unwrap();
        for (text, completed) in [(Some("MILK"), None), (Some("milk"), Some(true)), (None, Some(false)), (None, None)] {
            let filter = EntryFilter::new(text, Vec::new());
            let passes =
                |entry: &Entry| filter.accepts(entry) && completed.is_none_or(|wanted| wanted == entry.completed);
            let all: Vec<_> = list.scan(0).filter(|entry| passes(entry)).map(|entry| entry.id).collect();
            for (after, limit) in [(0, 3), (7, 2), (29, 1), (0, 30), (30, 1)] {
                let query = Query { completed, after: Some(after), limit, ..Query::default() };
                let (page, total) = plain_page(&list, &query, &filter);
                let rest: Vec<_> = all.iter().copied().filter(|id| *id > after).collect();
                let shown: Vec<_> = page.groups[0].rows.iter().map(|row| row.id).collect();
                assert_eq!(shown, rest[..limit.min(rest.len())], "{text:?} {completed:?} {after} {limit}");
                assert_eq!((page.more, total), (rest.len() > limit, all.len()));
            }
        }
    }
}

//! Reading a list the way its logic shows it: on the snapshot, by the version that decides about it.

use std::sync::Arc;

use super::{Cache, View};
use crate::actor::CallError;
use crate::list::List;
use crate::list::command::{Context, Group, Page, Query, Row};
use crate::list::name::{ListName, LogicName};
use crate::list::schema::Reading;
use crate::list::selector::Pin;
use crate::logic::Refusal;
use crate::logic::read::{MAX_ROWS, read};
use crate::rollout::{ResolveError, Version};

/// How often a version is loaded that is gone again when it is needed.
const MAX_FETCHES: usize = 3;

impl Cache {
    /// A page of a list: from the host where the logic leaves that to it, else from the logic. Runs
    /// on the snapshot, so no reader waits for a writer.
    pub async fn view(&self, name: &ListName, caller: Arc<str>, query: &Query) -> Result<View, CallError> {
        let list = self.read(name).await?;
        let version = self.version(name, &list).await?;
        if query.view.is_none() && version.logic.description().reading == Reading::Host {
            let page = plain_page(&list, query);
            return Ok(View { list, page, logic: None });
        }
        let now = self.environment.clock.now();
        let (today, utc_offset) = self.environment.clock.local_at(now);
        let context = Context { now, today, utc_offset, caller, seed: self.environment.clock.seed() };
        let ask = |version: &Version| {
            let mut session = version.logic.session()?;
            read(session.as_mut(), &list, &context, query)
        };
        let (version, answer) = match ask(&version) {
            Err(fault) => {
                // A reading changes nothing, so the last good version may answer it as well.
                let knows = |other: &Arc<Version>| {
                    let described = other.logic.description();
                    query
                        .view
                        .as_ref()
                        .map_or(described.reading == Reading::Logic, |view| described.view(view).is_some())
                };
                let instead = self.environment.registry.instead_of(&version, &list).filter(knows);
                let second = instead.map(|instead| (ask(&instead), instead));
                let shared = second.as_ref().map(|(answer, _)| answer.is_err());
                self.environment.registry.failed(&version, name, &fault, shared, now);
                match second {
                    Some((Ok(page), instead)) => (instead, Ok(page)),
                    _ => (version, Err(fault)),
                }
            }
            answer => (version, answer),
        };
        let logic = version.logic.id().clone();
        match answer {
            Ok(Ok(page)) => Ok(View { list, page, logic: Some(logic) }),
            Ok(Err(rejection)) => Err(CallError::Refused { refusal: Refusal::Rejected(rejection), logic }),
            Err(fault) => Err(CallError::Refused { refusal: Refusal::Fault(fault), logic }),
        }
    }

    /// The version that decides about a list as it is: the one chosen for it, or the one that keeps it where
    /// the chosen one would have to take it over first.
    pub async fn version(&self, name: &ListName, list: &List) -> Result<Arc<Version>, CallError> {
        let logic = list.logic().unwrap_or(&self.environment.default_logic);
        self.ready(|| {
            let chosen = self.environment.registry.resolve(logic, name, list.pin())?.version;
            match list.binding() {
                Some(binding) if !binding.is_schema_compatible(chosen.logic.binding()) => {
                    Ok(self.environment.registry.keeping(list)?.unwrap_or(chosen))
                }
                _ => Ok(chosen),
            }
        })
        .await
    }

    /// The version that would decide about a list if it were given this logic and pinned so.
    pub async fn version_for(
        &self,
        name: &ListName,
        logic: &LogicName,
        pin: Option<&Pin>,
    ) -> Result<Arc<Version>, CallError> {
        self.ready(|| Ok(self.environment.registry.resolve(logic, name, pin)?.version)).await
    }

    /// Finds a version; has it loaded first where it is not in memory.
    async fn ready(&self, find: impl Fn() -> Result<Arc<Version>, ResolveError>) -> Result<Arc<Version>, CallError> {
        for _ in 0..MAX_FETCHES {
            match find() {
                Ok(version) => {
                    version.touch(self.environment.clock.now());
                    return Ok(version);
                }
                Err(ResolveError::NoLogic(logic)) => return Err(CallError::NoLogic(logic)),
                Err(ResolveError::NoVersion(logic, pin)) => return Err(CallError::NoVersion { logic, pin }),
                Err(ResolveError::NotLoaded(logic, digest)) => {
                    let fetched = self.environment.registry.fetch(&logic, digest).await;
                    fetched.map_err(|why| CallError::NotLoaded { logic, why })?;
                }
            }
        }
        let logic = self.environment.default_logic.clone();
        Err(CallError::NotLoaded { logic, why: "it was loaded and is gone again; try again in a moment".into() })
    }
}

/// The plain list: ids ascending, filtered by date and completion.
fn plain_page(list: &List, query: &Query) -> Page {
    let after = query.after.unwrap_or(0);
    let fits = |completed: bool| query.completed.is_none_or(|wanted| wanted == completed);
    let limit = query.limit.min(MAX_ROWS);
    let mut ids: Vec<u64> = match query.date {
        Some(day) => list.on_date(day, after).filter(|e| fits(e.completed)).map(|e| e.id).take(limit + 1).collect(),
        None => list.scan(after).filter(|e| fits(e.completed)).map(|e| e.id).take(limit + 1).collect(),
    };
    let more = ids.len() > limit;
    ids.truncate(limit);
    let rows = ids.into_iter().map(|id| Row { id, computed: Vec::new() }).collect();
    Page { groups: vec![Group { name: String::new(), title: String::new(), computed: Vec::new(), rows }], more }
}

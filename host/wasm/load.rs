//! Loads a component: inspects, compiles, describes and smoke-tests it.

use std::sync::Arc;

use super::component::{ComponentLogic, Isolation};
use super::engine::{Engine, Source};
use super::error::LoadError;
use super::inspect::inspect;
use crate::list::change::Rejection;
use crate::list::command::{Command, Context, Query};
use crate::list::date::Date;
use crate::list::digest::digest_of;
use crate::list::entry::Draft;
use crate::list::name::LogicName;
use crate::list::schema::Reading;
use crate::list::{Limits, List};
use crate::logic::decide::Decider;
use crate::logic::{Fault, Logic, Refusal};

/// How a component is loaded.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Which lists may share an instance.
    pub isolation: Isolation,
    /// Whether the component is part of the program. The others are compiled where the settings say.
    pub is_trusted: bool,
    /// Whether the component is not wanted any more. Asked while it is compiled in a child process.
    pub is_cancelled: &'a dyn Fn() -> bool,
}

impl From<Isolation> for LoadOptions<'_> {
    fn from(isolation: Isolation) -> Self {
        Self { isolation, is_trusted: false, is_cancelled: &|| false }
    }
}

/// Loads a component as logic. Blocks while the component is compiled: call it outside the asynchronous runtime.
pub fn load<'a>(
    engine: &Engine,
    name: LogicName,
    bytes: &[u8],
    options: impl Into<LoadOptions<'a>>,
) -> Result<Box<dyn Logic>, LoadError> {
    let LoadOptions { isolation, is_trusted, is_cancelled } = options.into();
    let limit = engine.settings().component_bytes;
    if bytes.len() > limit {
        return Err(LoadError::TooLarge { bytes: bytes.len(), limit });
    }
    let contents = inspect(bytes)?;
    contents.check()?;
    let class = contents.needs.class(engine.settings());
    let source = Source { digest: digest_of(bytes), bytes, is_trusted, is_cancelled };
    let logic = ComponentLogic::compile(engine, name, &source, isolation, class)?;
    logic.description().check()?;
    smoke_test(&logic)?;
    logic.probe(false);
    Ok(Box::new(logic))
}

/// Lets a new component decide a command and read a list, so that a component that always fails is never published.
/// A rejection is a pass.
fn smoke_test(logic: &dyn Logic) -> Result<(), Fault> {
    let today = Date::new(2001, 1, 1).expect("the calendar has new year's day");
    let context = Context { now: 978_307_200_000, today, utc_offset: 0, caller: "hotlist".into(), seed: 1 };
    let list = Arc::new(List::absent(0));
    let mut session = logic.session()?;
    let entry = Draft { title: "Trial".into(), ..Draft::default() };
    let mut decider = Decider { logic, session: session.as_mut(), limits: Limits::default() };
    let list = match decider.decide(&list, &context, &Command::Add(entry)) {
        Ok(decided) => decided.list,
        Err(Refusal::Fault(fault)) => return Err(fault),
        Err(_) => list,
    };
    if logic.description().reading == Reading::Logic {
        session.begin();
        let query = Query { limit: 10, ..Query::default() };
        let _: Result<_, Rejection> = session.view(&list, &context, &query)?;
    }
    Ok(())
}

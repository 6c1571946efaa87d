//! A component as [`Logic`]. Sessions share warm instances, or each session has an instance of its own.

use std::sync::Arc;

use parking_lot::Mutex;

use super::engine::{Engine, InstanceClass, Source};
use super::error::LoadError;
use super::instance::{Instance, Prepared};
use super::v0_1_0;
use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::Rejection;
use crate::list::command::{Context, Page, Query};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::schema::Description;
use crate::logic::{Call, Cost, Decision, Fault, Logic, Session};

/// Which lists may share an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Isolation {
    /// An instance serves any list, one command after the other. Fast, and safe as long as the logic has no state
    /// between calls. A sample of commands is checked for that.
    #[default]
    Shared,
    /// An instance never serves two lists. For code that may not see more than one.
    List,
}

/// One compiled component.
pub(super) struct ComponentLogic {
    binding: Arc<LogicBinding>,
    description: Description,
    prepared: Prepared,
    isolation: Isolation,
    /// Unused instances. The last one used is on top, because its memory is in the processor's cache.
    warm: Mutex<Vec<Instance>>,
}

impl ComponentLogic {
    pub(super) fn compile(
        engine: &Engine,
        name: LogicName,
        source: &Source<'_>,
        isolation: Isolation,
        class: InstanceClass,
    ) -> Result<Self, LoadError> {
        let prepared = Prepared::compile(engine, class, name.clone(), source)?;
        let description = describe(&prepared)?;
        if description != describe(&prepared)? {
            return Err(Fault::Impure.into());
        }
        let id = LogicId { name, version: description.version.clone(), digest: source.digest };
        let binding = LogicBinding::new(id, &description);
        Ok(Self { binding, description, prepared, isolation, warm: Mutex::new(Vec::new()) })
    }

    /// Whether the first call of the instance's current command, or part of one, is repeated.
    fn is_sampled(&self, instance: &Instance) -> bool {
        instance.commands.is_multiple_of(self.prepared.engine().settings().check_every)
    }

    fn put_back(&self, instance: Instance) {
        let settings = self.prepared.engine().settings();
        if self.isolation == Isolation::List || instance.commands >= settings.recycle_after {
            return;
        }
        let mut warm = self.warm.lock();
        if warm.len() < settings.warm && self.prepared.engine().acquire_warm_slot(self.prepared.class()) {
            warm.push(instance);
        }
    }
}

impl Drop for ComponentLogic {
    fn drop(&mut self) {
        for _ in self.warm.lock().drain(..) {
            self.prepared.engine().release_warm_slot(self.prepared.class());
        }
    }
}

fn describe(prepared: &Prepared) -> Result<Description, LoadError> {
    let mut instance = prepared.instantiate()?;
    v0_1_0::describe(&mut instance)
}

impl Logic for ComponentLogic {
    fn binding(&self) -> &Arc<LogicBinding> {
        &self.binding
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn is_heavy(&self) -> bool {
        self.prepared.class() == InstanceClass::Heavy
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        let warm = self.warm.lock().pop();
        let instance = match warm {
            Some(instance) => {
                self.prepared.engine().release_warm_slot(instance.class());
                instance
            }
            None => self.prepared.instantiate()?,
        };
        Ok(Box::new(ComponentSession::new(self, instance)))
    }

    fn fresh_session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        Ok(Box::new(ComponentSession::new(self, self.prepared.instantiate()?)))
    }
}

/// A session with its instance, which it gives back when it ends. After a failed call the instance is dropped
/// instead, because the content of its memory is unknown.
struct ComponentSession<'a> {
    logic: &'a ComponentLogic,
    instance: Option<Instance>,
    /// Whether the next call is repeated on a fresh instance. Only the first call of a command is.
    repeat_next: bool,
}

impl<'a> ComponentSession<'a> {
    fn new(logic: &'a ComponentLogic, instance: Instance) -> Self {
        Self { logic, instance: Some(instance), repeat_next: false }
    }

    /// Makes a call. Repeats a sample of calls on a fresh instance and compares the answers.
    fn call<T: PartialEq>(
        &mut self,
        list: &Arc<List>,
        context: &Context,
        call: impl Fn(&mut Instance) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(instance) = &mut self.instance else {
            return Err(Fault::Instance("the session ended with a failed call".into()));
        };
        instance.show(list, context);
        let answer = call(instance);
        if answer.is_err() {
            self.instance = None;
        } else if std::mem::take(&mut self.repeat_next) {
            // With a full pool there is no check: the command must not wait for one.
            let Ok(mut fresh) = self.logic.prepared.instantiate() else { return answer };
            fresh.show(list, context);
            fresh.mute();
            // A failure of the fresh instance proves nothing, because its start used a part of the budget.
            let again = call(&mut fresh);
            if again.is_ok() && again != answer {
                self.instance = None;
                return Err(Fault::Impure);
            }
        }
        answer
    }
}

impl Session for ComponentSession<'_> {
    fn begin(&mut self) {
        self.begin_in_parts(0);
    }

    fn begin_question(&mut self) {
        if let Some(instance) = &mut self.instance {
            instance.begin_question();
            self.repeat_next = false;
        }
    }

    fn begin_in_parts(&mut self, parts: usize) {
        if let Some(instance) = &mut self.instance {
            instance.begin(parts);
            self.repeat_next = self.logic.is_sampled(instance);
        }
    }

    fn begin_part(&mut self) {
        if let Some(instance) = &mut self.instance {
            instance.begin_part();
            self.repeat_next = self.logic.is_sampled(instance);
        }
    }

    fn poison(&mut self) {
        self.instance = None;
    }

    fn cost(&self) -> Cost {
        self.instance.as_ref().map_or_else(Cost::default, Instance::cost)
    }

    fn decide(&mut self, list: &Arc<List>, context: &Context, call: Call<'_>) -> Result<Decision, Fault> {
        self.call(list, context, |instance| v0_1_0::decide(instance, context, call))
    }

    fn view(&mut self, list: &Arc<List>, context: &Context, query: &Query) -> Result<Result<Page, Rejection>, Fault> {
        self.call(list, context, |instance| v0_1_0::view(instance, context, query))
    }

    fn next_wake_up(&mut self, list: &Arc<List>, context: &Context) -> Result<Option<u64>, Fault> {
        self.call(list, context, |instance| v0_1_0::next_wake_up(instance, context))
    }
}

impl Drop for ComponentSession<'_> {
    fn drop(&mut self) {
        if let Some(mut instance) = self.instance.take() {
            instance.forget();
            self.logic.put_back(instance);
        }
    }
}

//! A component as [`Logic`]. Sessions share warm instances, or each list has instances of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::engine::{Engine, InstanceClass, Source};
use super::error::LoadError;
use super::instance::{Instance, Prepared};
use super::kept::{Kept, Owner};
use super::log_bucket::Purpose;
use super::v0_1_0;
use crate::list::List;
use crate::list::binding::LogicBinding;
use crate::list::change::Rejection;
use crate::list::command::{Context, Page, Query};
use crate::list::id::LogicId;
use crate::list::name::LogicName;
use crate::list::schema::Description;
use crate::logic::{Call, Cost, Decision, Fault, KeptInstance, Logic, Session};

/// Which lists may share an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Isolation {
    /// An instance serves any list, one command after the other. Fast, and safe as long as the logic has no state
    /// between calls. A sample of commands is checked for that.
    Shared,
    /// An instance never serves two lists, unless [`Logic::share`] allows it later.
    #[default]
    List,
}

/// One compiled component.
pub(super) struct ComponentLogic {
    binding: Arc<LogicBinding>,
    description: Description,
    prepared: Prepared,
    /// Whether lists share instances.
    is_shared: AtomicBool,
    /// Whether the calls are those of a probe, which no list asked for.
    is_probed: AtomicBool,
    owner: Owner,
    /// Unused instances that served any list. The last one used is on top, because its memory is in the processor's cache.
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
        let is_shared = AtomicBool::new(isolation == Isolation::Shared);
        let (owner, warm) = Default::default();
        // It is tried out before it serves lists.
        let is_probed = AtomicBool::new(true);
        Ok(Self { binding, description, prepared, is_shared, is_probed, owner, warm })
    }

    /// Whether the first call of the instance's current command, or part of one, is repeated.
    fn is_sampled(&self, instance: &Instance) -> bool {
        instance.commands.is_multiple_of(self.prepared.engine().settings().check_every)
    }

    fn put_back(&self, instance: Instance) {
        let settings = self.prepared.engine().settings();
        if instance.commands >= settings.recycle_after {
            return;
        }
        let mut warm = self.warm.lock();
        // Asked while the lock is held, so that no instance comes after those that `share` removes.
        let may_share = self.is_shared() && warm.len() < settings.warm;
        if may_share && self.prepared.slots().acquire() {
            warm.push(instance);
        }
    }

    fn drop_warm(&self) {
        let warm = std::mem::take(&mut *self.warm.lock());
        warm.iter().for_each(|_| self.prepared.slots().release());
    }
}

impl Drop for ComponentLogic {
    fn drop(&mut self) {
        self.drop_warm();
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

    fn session_with(&self, kept: Option<KeptInstance>) -> Result<Box<dyn Session + '_>, Fault> {
        let kept = kept.and_then(KeptInstance::into_inner::<Kept>);
        if self.is_shared() {
            return self.session();
        }
        let instance = match kept.and_then(|kept| kept.take(&self.owner)) {
            Some(instance) => instance,
            None => self.prepared.instantiate()?,
        };
        let mut session = ComponentSession::new(self, instance);
        session.is_of_one_list = true;
        Ok(Box::new(session))
    }

    fn share(&self, is_shared: bool) {
        let was_shared = self.is_shared.swap(is_shared, Ordering::Relaxed);
        if was_shared && !is_shared {
            // They have served several lists.
            self.drop_warm();
        }
    }

    fn probe(&self, is_probed: bool) {
        self.is_probed.store(is_probed, Ordering::Relaxed);
    }

    fn is_shared(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    fn session(&self) -> Result<Box<dyn Session + '_>, Fault> {
        let warm = self.warm.lock().pop();
        let instance = match warm {
            Some(instance) => {
                self.prepared.slots().release();
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
    /// Whether the instance has served no list but that of this session.
    is_of_one_list: bool,
    /// The lines that the last command printed, if its instance is gone.
    printed: Vec<String>,
}

impl<'a> ComponentSession<'a> {
    fn new(logic: &'a ComponentLogic, instance: Instance) -> Self {
        Self { logic, instance: Some(instance), repeat_next: false, is_of_one_list: false, printed: Vec::new() }
    }

    fn purpose(&self) -> Purpose {
        if self.logic.is_probed.load(Ordering::Relaxed) { Purpose::Probe } else { Purpose::List }
    }

    /// Drops the instance, whose memory may hold anything.
    fn drop_instance(&mut self) {
        if let Some(mut instance) = self.instance.take() {
            self.printed = instance.take_printed();
        }
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
            self.drop_instance();
        } else if std::mem::take(&mut self.repeat_next) {
            // With a full pool there is no check: the command must not wait for one.
            let Ok(mut fresh) = self.logic.prepared.instantiate() else { return answer };
            fresh.show(list, context);
            fresh.mute();
            // A failure of the fresh instance proves nothing, because its start used a part of the budget.
            let again = call(&mut fresh);
            if again.is_ok() && again != answer {
                self.drop_instance();
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
        let purpose = self.purpose();
        if let Some(instance) = &mut self.instance {
            instance.serve(purpose);
            instance.begin_question();
            self.repeat_next = false;
        }
    }

    fn begin_in_parts(&mut self, parts: usize) {
        let purpose = self.purpose();
        if let Some(instance) = &mut self.instance {
            instance.serve(purpose);
            instance.begin(parts);
            self.repeat_next = self.logic.is_sampled(instance);
        }
    }

    fn begin_about(&mut self, entries: usize) {
        if let Some(instance) = &mut self.instance {
            instance.begin_about(entries);
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
        self.drop_instance();
    }

    fn take_printed(&mut self) -> Vec<String> {
        match &mut self.instance {
            Some(instance) => instance.take_printed(),
            None => std::mem::take(&mut self.printed),
        }
    }

    fn keep(mut self: Box<Self>) -> Option<KeptInstance> {
        if !self.is_of_one_list || self.logic.is_shared() {
            return None;
        }
        let mut instance = self.instance.take()?;
        let prepared = &self.logic.prepared;
        if instance.commands >= prepared.engine().settings().recycle_after {
            return None;
        }
        instance.forget();
        Kept::new(instance, prepared.slots(), &self.logic.owner).map(KeptInstance::new)
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

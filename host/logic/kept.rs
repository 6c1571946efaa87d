//! An instance that a list keeps between two sessions.

use std::any::Any;

/// An instance of an isolated version, which only one list uses. The list's actor keeps it without knowing what it is. The
/// version may take it back at any time, when instances are short.
pub struct KeptInstance(Box<dyn Any + Send>);

impl KeptInstance {
    /// Wraps an instance.
    pub fn new(instance: impl Any + Send) -> Self {
        Self(Box::new(instance))
    }

    /// Returns the instance, if it has this type.
    pub fn into_inner<T: Any>(self) -> Option<T> {
        self.0.downcast().ok().map(|instance| *instance)
    }
}

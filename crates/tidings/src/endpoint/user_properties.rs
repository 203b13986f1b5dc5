use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;

/// What an application keeps with a session: Jakarta WebSocket's user properties. Values are found by
/// their type, or as strings by a name.
///
/// A handle: all clones are the same properties.
///
/// ```
/// use tidings::endpoint::UserProperties;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Nickname(String);
///
/// let properties = UserProperties::default();
/// properties.insert(Nickname("ann".into()));
/// assert_eq!(properties.get::<Nickname>(), Some(Nickname("ann".into())));
///
/// properties.set("theme", "dark");
/// assert_eq!(properties.value("theme").as_deref(), Some("dark"));
/// ```
#[derive(Clone, Default)]
pub struct UserProperties(Arc<Mutex<Values>>);

#[derive(Clone, Debug, Default)]
struct Values {
    typed: Extensions,
    named: HashMap<String, String>,
}

impl UserProperties {
    /// Drops everything.
    pub(super) fn clear(&self) {
        let values = std::mem::take(&mut *self.lock());
        // Without the lock: a value may hold the session that has these properties.
        drop(values);
    }

    /// Keeps a value, and gives back the one of the same type that it replaces.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.lock().typed.insert(value)
    }

    /// Keeps a value unless there is one of its type already. Gives the one that is there then.
    pub(super) fn get_or_insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> T {
        self.lock().typed.get_or_insert(value).clone()
    }

    /// The value of this type.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.lock().typed.get().cloned()
    }

    /// Takes the value of this type out.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.lock().typed.remove()
    }

    /// Keeps a string under a name, and gives back the one that it replaces.
    pub fn set(&self, name: impl Into<String>, value: impl Into<String>) -> Option<String> {
        self.lock().named.insert(name.into(), value.into())
    }

    /// The string under this name.
    pub fn value(&self, name: &str) -> Option<String> {
        self.lock().named.get(name).cloned()
    }

    /// Takes the string under this name out.
    pub fn unset(&self, name: &str) -> Option<String> {
        self.lock().named.remove(name)
    }

    /// The same values, in properties of their own: changes to either do not show in the other.
    #[must_use]
    pub fn to_copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    pub(crate) fn is_empty(&self) -> bool {
        let values = self.lock();
        values.typed.is_empty() && values.named.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for UserProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.lock();
        let names: Vec<_> = values.named.keys().collect();
        f.debug_struct("UserProperties")
            .field("names", &names)
            .field("typed", &values.typed.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_goes_its_own_way_and_a_clone_does_not() {
        let config = UserProperties::default();
        config.insert(1_u8);
        let (copy, same) = (config.to_copy(), config.clone());
        copy.insert(2_u8);
        copy.set("name", "value");
        assert_eq!(config.get::<u8>(), Some(1));
        assert_eq!(config.value("name"), None);
        same.insert(3_u8);
        assert_eq!(config.get::<u8>(), Some(3));
        assert_eq!(copy.unset("name").as_deref(), Some("value"));
        assert_eq!(copy.remove::<u8>(), Some(2));
        assert!(copy.is_empty());
    }

    #[test]
    fn values_do_not_show_in_logs() {
        let properties = UserProperties::default();
        properties.set("token", "secret");
        assert!(!format!("{properties:?}").contains("secret"));
    }
}

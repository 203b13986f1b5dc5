use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Session;

/// An argument of an annotated method: a value of the session's own, of which there is one for each session and
/// type. It is made by [`Default`] when it is first asked for, and dropped when the session has ended: Spring's
/// session attributes and beans of the scope `websocket`.
///
/// All arguments are the same value, and methods of one session may run at the same time: what is to be changed
/// stands in a [`Mutex`](std::sync::Mutex), or is atomic. Cheap to clone.
///
/// ```
/// use std::sync::Mutex;
/// use tidings::endpoint::SessionState;
/// use tidings::controller;
///
/// #[derive(Default)]
/// struct Cart {
///     items: Mutex<Vec<String>>,
/// }
///
/// struct Shop;
///
/// #[controller("/shop")]
/// impl Shop {
///     #[message_mapping("/buy")]
///     fn buy(&self, cart: SessionState<Cart>, item: String) {
///         cart.items.lock().unwrap().push(item);
///     }
/// }
/// ```
pub struct SessionState<T>(Arc<T>);

impl<T: Default + Send + Sync + 'static> SessionState<T> {
    /// The value of this session.
    pub fn of(session: &Session) -> Self {
        let properties = session.user_properties();
        // Made while nothing is locked: it may ask for another one.
        properties.get().unwrap_or_else(|| properties.get_or_insert(Self(Arc::default())))
    }
}

impl<T> Deref for SessionState<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for SessionState<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for SessionState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

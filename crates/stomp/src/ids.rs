use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Names a subscription within a session.
///
/// Two ids are equal if their texts are.
#[derive(Clone)]
pub struct SubscriptionId {
    text: Arc<str>,
    origin: Origin,
}

#[derive(Clone, Copy)]
enum Origin {
    Header,
    Destination,
}

impl SubscriptionId {
    /// The id of a STOMP 1.0 subscription that came without one: its destination.
    pub(crate) fn from_destination(destination: &str) -> Self {
        Self { text: destination.into(), origin: Origin::Destination }
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id as MESSAGE frames carry it, in their `subscription` header.
    ///
    /// `None` for a subscription of STOMP 1.0 that came without an id. Its destination stands in
    /// for one here, which the client must not see.
    pub fn on_wire(&self) -> Option<Self> {
        match self.origin {
            Origin::Header => Some(self.clone()),
            Origin::Destination => None,
        }
    }
}

/// An id that the client gave.
impl From<&str> for SubscriptionId {
    fn from(text: &str) -> Self {
        Self { text: text.into(), origin: Origin::Header }
    }
}

impl PartialEq for SubscriptionId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for SubscriptionId {}

impl PartialOrd for SubscriptionId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SubscriptionId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for SubscriptionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Borrow<str> for SubscriptionId {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubscriptionId").field(&self.text).finish()
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// Names the receipt that a client wants for a frame: its `receipt` header.
    ReceiptId
}

text_id! {
    /// Names a message: the `message-id` header of MESSAGE.
    MessageId
}

text_id! {
    /// Names a transaction within a session.
    TransactionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_made_from_a_destination_is_not_for_the_wire() {
        let made = SubscriptionId::from_destination("/topic/a");
        let given = SubscriptionId::from("/topic/a");
        assert_eq!(made, given);
        assert_eq!(made.on_wire(), None);
        assert_eq!(given.on_wire(), Some(given));
    }
}

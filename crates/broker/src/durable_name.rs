use crate::destination::{Destination, DestinationError};

/// Names a durable subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DurableName {
    /// Whose it is.
    pub owner: Owner,
    /// Which one of theirs.
    pub name: Box<str>,
    /// Whether several consumers may share it.
    pub sharing: Sharing,
}

/// Whom durable subscriptions belong to: a user, and which of the user's clients, if they tell themselves
/// apart.
///
/// No two of these are the same owner: a user, a client of a user, a client without a user. All without
/// either are one, the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// As it stands in the names of queues.
    segment: Box<str>,
}

/// Whether a durable subscription may have several consumers, which then compete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// One at a time.
    #[default]
    One,
    /// As many as come.
    Several,
}

impl Owner {
    /// The owner for a user and for the `client-id` of CONNECT. Empty is none.
    #[must_use]
    pub fn new(user: Option<&str>, client_id: Option<&str>) -> Self {
        let user = escape(user.unwrap_or_default());
        let segment = match client_id.filter(|id| !id.is_empty()) {
            None => user,
            Some(client_id) => format!("{user}+{}", escape(client_id)),
        };
        Self { segment: segment.into() }
    }
}

impl DurableName {
    /// What all names of the queues of durable subscriptions begin with.
    pub const PREFIX: &'static str = "/dsub/";

    /// The name of the queue that keeps the messages of the subscription.
    ///
    /// # Errors
    ///
    /// [`DestinationError`] if the owner or the name could not be part of a destination.
    pub fn queue_name(&self) -> Result<Destination, DestinationError> {
        let Self { owner: Owner { segment }, name, .. } = self;
        Destination::parse(&format!("{}{segment}/{}", Self::PREFIX, escape(name)))
    }
}

/// So that a text is one segment of a name, or a part of one.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F").replace('+', "%2B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_owner_is_another() {
        let owners = [
            (None, None),
            (Some("ann"), None),
            (None, Some("ann")),
            (Some("ann"), Some("ann")),
            (Some("ann+ann"), None),
            (None, Some("ann+ann")),
            (Some("ann%2Bann"), None),
            (Some("ann/ann"), None),
        ];
        let owners = owners.map(|(user, client_id)| Owner::new(user, client_id));
        for (at, owner) in owners.iter().enumerate() {
            assert!(!owners[at + 1..].contains(owner), "{owner:?}");
            assert!(!owner.segment.contains('/'), "{owner:?}");
        }
        assert_eq!(Owner::new(Some(""), Some("")), Owner::default());
    }
}

use std::fmt;

use crate::destination::{Destination, DestinationError};

/// Names a durable subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DurableName {
    /// By a name that its owner gives it, as for JMS. Asked for with another topic or selector it is another
    /// subscription, in place of the former one.
    Given {
        /// Whose it is.
        owner: Owner,
        /// Which one of theirs.
        name: Box<str>,
        /// Whether several consumers may share it.
        sharing: Sharing,
    },
    /// By the id of the subscription and its destination, as for RabbitMQ.
    Derived {
        /// Whose it is.
        owner: Owner,
        /// The `id` of SUBSCRIBE.
        id: Box<str>,
        /// The `destination` of SUBSCRIBE, as it was written.
        destination: Box<str>,
        /// Whether several consumers may share it.
        sharing: Sharing,
    },
    /// By the name of its queue, as for RabbitMQ: whoever knows that shares it.
    Queue {
        /// The `x-queue-name` of SUBSCRIBE.
        name: Box<str>,
    },
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

    /// The name of the queue that keeps the messages of the subscription. No two subscriptions have the same, and
    /// it has no wildcards: they stand in it as `%2A`, `%23` and `%3E`.
    ///
    /// # Errors
    ///
    /// [`DestinationError`] if the parts of the name could not be in a destination.
    pub fn queue_name(&self) -> Result<Destination, DestinationError> {
        let name = match self {
            Self::Given { owner, name, .. } => format!("{}/{}", owner.segment, escape(name)),
            Self::Derived { owner, id, destination, .. } => {
                // What separates its words stays.
                let destination = escape_wildcards(destination);
                format!("{}/{}+{destination}", owner.segment, escape(id))
            }
            // No owner is called that.
            Self::Queue { name } => format!("+/{}", escape(name)),
        };
        Destination::parse(&format!("{}{name}", Self::PREFIX))
    }

    /// Whether it may have several consumers.
    #[must_use]
    pub fn sharing(&self) -> Sharing {
        match self {
            Self::Given { sharing, .. } | Self::Derived { sharing, .. } => *sharing,
            Self::Queue { .. } => Sharing::Several,
        }
    }
}

/// As its owner knows it.
impl fmt::Display for DurableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given { name, .. } | Self::Queue { name } => f.write_str(name),
            Self::Derived { id, destination, .. } => write!(f, "{id} to {destination}"),
        }
    }
}

/// So that a text is one segment of a name, or a part of one.
fn escape(text: &str) -> String {
    escape_wildcards(text).replace('/', "%2F").replace('+', "%2B")
}

/// So that a text is no pattern.
fn escape_wildcards(text: &str) -> String {
    text.replace('%', "%25").replace('*', "%2A").replace('#', "%23").replace('>', "%3E")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::DestinationPattern;

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

    #[test]
    fn no_queue_is_that_of_another_subscription() {
        let sharing = Sharing::One;
        let nobody = Owner::default;
        let given = |owner, name: &str| DurableName::Given { owner, name: name.into(), sharing };
        let derived = |id: &str, destination: &str| {
            let (id, destination) = (id.into(), destination.into());
            DurableName::Derived { owner: nobody(), id, destination, sharing }
        };
        let queue = |name: &str| DurableName::Queue { name: name.into() };
        let names = [
            given(nobody(), "n"),
            given(nobody(), "n+/topic/a"),
            given(nobody(), "+/n"),
            given(Owner::new(Some("+"), None), "n"),
            derived("n", "/topic/a"),
            derived("n", "/topic/b"),
            derived("n+", "/topic/b"),
            derived("n", "+/topic/b"),
            derived("n", "/topic/*"),
            derived("n", "/topic/%2A"),
            derived("n", "/topic/**"),
            derived("n", "/topic/#"),
            given(nobody(), "a.>"),
            given(nobody(), "a.%3E"),
            given(Owner::new(Some("*"), None), "n"),
            given(Owner::new(None, Some("#")), "n"),
            queue("#"),
            queue("n"),
            queue("n+/topic/a"),
        ];
        let queues = names.map(|name| name.queue_name().unwrap());
        for (at, queue) in queues.iter().enumerate() {
            assert!(!queues[at + 1..].contains(queue), "{queue}");
            assert!(DestinationPattern::of(queue.clone()).unwrap().is_exact(), "{queue}");
        }
    }
}

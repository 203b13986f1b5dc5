use std::fmt;

use tidings_broker::{BrokerOptions, SendError};

use crate::asyncapi::{OperationDescription, ReplyTo};

/// A reply of a handler that could never be sent, or that nobody would get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LostReply {
    controller: &'static str,
    method: &'static str,
    target: &'static str,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    NoDestination(SendError),
    /// What is behind the prefix of users begins with it.
    UserPrefix {
        prefix: String,
        instead: &'static str,
    },
}

impl LostReply {
    /// Those of a controller's handlers, each once.
    pub(super) fn of(
        controller: &'static str,
        operations: &'static [OperationDescription],
        broker: &BrokerOptions,
    ) -> Vec<Self> {
        let replies = operations.iter().flat_map(|operation| {
            operation.replies.iter().map(move |reply| (operation.name, *reply))
        });
        let lost = replies.filter_map(|(method, reply)| {
            let (target, reason) = match reply {
                ReplyTo::Destination(target) => (target, no_destination(target, broker)?),
                ReplyTo::User(Some(path)) => (path, user_prefix(path, broker)?),
                ReplyTo::Subscription | ReplyTo::DefaultTopic | ReplyTo::User(None) => return None,
            };
            Some(Self { controller, method, target, reason })
        });
        let mut lost: Vec<_> = lost.collect();
        // A method with several mappings has several operations.
        lost.dedup();
        lost
    }
}

/// A variable is any word here, but where it may say what the destination is.
fn no_destination(target: &str, broker: &BrokerOptions) -> Option<Reason> {
    let (start, variables) = target.split_at(target.find('{').unwrap_or(target.len()));
    if !variables.is_empty() && broker.begins_prefix(start) {
        return None;
    }
    let mut filled = start.to_owned();
    for (index, part) in variables.split(['{', '}']).enumerate() {
        filled.push_str(if index % 2 == 1 { "NAME" } else { part });
    }
    broker.check_destination(&filled).err().map(Reason::NoDestination)
}

fn user_prefix(path: &'static str, broker: &BrokerOptions) -> Option<Reason> {
    let prefix = broker.user_prefix.strip_suffix('/')?;
    let instead = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))?;
    Some(Reason::UserPrefix { prefix: prefix.to_owned(), instead })
}

impl fmt::Display for LostReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { controller, method, target, reason } = self;
        match reason {
            Reason::NoDestination(error) => {
                write!(f, "{controller}::{method}: #[send_to(\"{target}\")]: {error}")
            }
            Reason::UserPrefix { prefix, instead } => write!(
                f,
                "{controller}::{method}: #[send_to_user(\"{target}\")] is not for those who subscribe to {target}: \
                 {prefix} is put before it, so write `{instead}`"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> BrokerOptions {
        BrokerOptions { other_prefixes: vec!["/app/".to_owned()], ..BrokerOptions::default() }
    }

    #[test]
    fn a_target_that_no_variable_makes_a_destination_is_none() {
        for target in [
            "/topc/odd",
            "/topc/{name}",
            "/{a}",
            "/app/who",
            "/topic/",
            "/user/{name}",
            "/presence/topic/a",
            "/temp-queue/a",
            "/exchange/amq.headers/{key}",
            "/topic/a,/topc/b",
        ] {
            let is_lost = no_destination(target, &options()).is_some();
            assert_eq!(is_lost, target != "/{a}", "{target}");
        }
    }

    #[test]
    fn targets_with_variables_are_destinations() {
        for target in [
            "/topic/{name}",
            "/topic/a.{b}.c/{d}",
            "/{kind}/a",
            "/to{rest}",
            "/exchange/{exchange}/a",
            "/exchange/amq.direct/{key}",
            "/user/{name}/queue/a",
            "/topic/a,/queue/{b}",
        ] {
            assert_eq!(no_destination(target, &options()), None, "{target}");
        }
        let own = BrokerOptions { topic_prefixes: vec!["/chat.".to_owned()], ..options() };
        assert_eq!(no_destination("/chat.{room}", &own), None);
        assert!(no_destination("/topic/{room}", &own).is_some());
    }

    #[test]
    fn the_prefix_of_users_is_put_before_a_path_by_the_library() {
        assert!(user_prefix("/user/queue/a", &options()).is_some());
        for path in ["/queue/a", "/users/a", "/user"] {
            assert_eq!(user_prefix(path, &options()), None, "{path}");
        }
        let own = BrokerOptions { user_prefix: "/people/".to_owned(), ..options() };
        assert_eq!(user_prefix("/user/queue/a", &own), None);
        let none = BrokerOptions { user_prefix: String::new(), ..options() };
        assert_eq!(user_prefix("/user/queue/a", &none), None);
    }
}

//! What the destinations of users are called: `/user/PATH` by their subscribers, and `/user/NAME/PATH` by
//! whoever sends to them.

use std::borrow::Cow;

use crate::address::{AddressError, Addresses, decode_characters, unknown};
use crate::destination::Destination;
use crate::subscription::SessionKey;

/// A destination of a user, to whose sessions a message is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserDestination<'a> {
    /// The name of the user: [`SubscribeOptions::user`](crate::SubscribeOptions::user) of those that
    /// subscribe. Any characters may be in it.
    pub user: &'a str,
    /// The only one of the user's sessions that is to get the message; `None` for all of them.
    pub session: Option<SessionKey>,
    /// What the sessions have subscribed to, without the prefix, such as `/queue/NAME`. A slash at its
    /// start may be left out.
    pub path: &'a str,
}

/// What would end a name, separate it from another destination, or look like an escape.
const ESCAPES: [(&str, char); 3] = [("2F", '/'), ("25", '%'), ("2C", ',')];

/// The destination of a user is known to the broker under one name, whoever writes it in whichever way. It is
/// that of nothing else: these names are kept apart from those of topics.
impl Addresses {
    /// The name of what a session of `user` has called so.
    pub(crate) fn user_topic(
        &self,
        user: &str,
        called: &Destination,
    ) -> Result<Destination, AddressError> {
        self.user_topic_of(user, self.path_of_user(called))
    }

    /// The name of what is at a path for a user, with a slash at its start or without.
    pub(crate) fn user_topic_at(
        &self,
        user: &str,
        path: &str,
    ) -> Result<Destination, AddressError> {
        self.user_topic_of(user, path.strip_prefix('/').unwrap_or(path))
    }

    fn user_topic_of(&self, user: &str, path: &str) -> Result<Destination, AddressError> {
        let name = format!("{}{}/{path}", self.user_prefix, escaped(user));
        let name = Destination::parse(&name).map_err(AddressError::Invalid)?;
        if user.is_empty() || path.is_empty() { Err(self.incomplete(&name)) } else { Ok(name) }
    }

    /// What is behind the prefix.
    pub(crate) fn path_of_user<'d>(&self, called: &'d Destination) -> &'d str {
        called.as_str().strip_prefix(&*self.user_prefix).unwrap_or_default()
    }

    /// The name of what a sender has called so.
    pub(crate) fn user_topic_called(
        &self,
        called: &Destination,
    ) -> Result<Destination, AddressError> {
        match self.path_of_user(called).split_once('/') {
            Some((user, path)) if user.contains(['%', ',']) => {
                self.user_topic_of(&decode_characters(user, &ESCAPES), path)
            }
            Some((user, path)) if !user.is_empty() && !path.is_empty() => Ok(called.clone()),
            _ => Err(self.incomplete(called)),
        }
    }

    fn incomplete(&self, called: &Destination) -> AddressError {
        let prefix = &self.user_prefix;
        let expected = format!(
            "what is sent to a user goes to {prefix}NAME/PATH, where %2F is a slash in the name"
        );
        unknown(called, expected.into())
    }
}

fn escaped(user: &str) -> Cow<'_, str> {
    if !user.contains(ESCAPES.map(|(_, character)| character)) {
        return Cow::Borrowed(user);
    }
    let mut escaped = String::with_capacity(user.len() + 2);
    for character in user.chars() {
        match ESCAPES.iter().find(|(_, it)| *it == character) {
            Some((digits, _)) => {
                escaped.push('%');
                escaped.push_str(digits);
            }
            None => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BrokerOptions;

    fn name(text: &str) -> Destination {
        Destination::parse(text).unwrap()
    }

    fn addresses() -> Addresses {
        Addresses::new(&BrokerOptions::default())
    }

    #[test]
    fn what_a_user_subscribes_to_is_what_others_send_to() {
        let check = |user: &str, sent: &str| {
            let subscribed = addresses().user_topic(user, &name("/user/queue/a%2Fb,c"));
            let by_client = addresses().user_topic_called(&name(sent));
            assert_eq!(subscribed, by_client, "{user}, {sent}");
            let by_application = addresses().user_topic_at(user, "/queue/a%2Fb,c");
            assert_eq!(subscribed, by_application, "{user}");
            let without_slash = addresses().user_topic_at(user, "queue/a%2Fb,c");
            assert_eq!(subscribed, without_slash, "{user}");
        };
        check("bob", "/user/bob/queue/a%2Fb,c");
        check("a/b", "/user/a%2Fb/queue/a%2Fb,c");
        check("a/b", "/user/a%2fb/queue/a%2Fb,c");
        check("a%2Fb", "/user/a%252Fb/queue/a%2Fb,c");
        check("50%", "/user/50%/queue/a%2Fb,c");
        check("50%", "/user/50%25/queue/a%2Fb,c");
        check("a,", "/user/a%2C/queue/a%2Fb,c");
        check("a,b", "/user/a,b/queue/a%2Fb,c");
        check("größe *.#>", "/user/größe *.#>/queue/a%2Fb,c");
        let subscribed = addresses().user_topic("bob", &name("/user//a"));
        assert_eq!(subscribed, addresses().user_topic_called(&name("/user/bob//a")));
    }

    #[test]
    fn users_whose_names_look_alike_have_destinations_of_their_own() {
        let names = ["a", "a/b", "a%2Fb", "a%2fb", "a%252Fb", "a,b", "a%2Cb", "A"];
        for (at, user) in names.iter().enumerate() {
            let topic = addresses().user_topic_at(user, "b/c").unwrap();
            for other in &names[at + 1..] {
                assert_ne!(
                    topic,
                    addresses().user_topic_at(other, "b/c").unwrap(),
                    "{user}, {other}"
                );
            }
        }
    }

    #[test]
    fn a_name_that_ends_with_a_comma_does_not_split_a_destination() {
        let topic = addresses().user_topic_at("a,", "/queue/b").unwrap();
        assert_eq!((topic.as_str(), topic.is_composite()), ("/user/a%2C/queue/b", false));
    }

    #[test]
    fn a_name_or_a_path_that_is_missing_is_asked_for() {
        for sent in ["/user/bob", "/user/bob/", "/user//queue/a", "/user//"] {
            let Err(AddressError::Unknown(error)) = addresses().user_topic_called(&name(sent))
            else {
                panic!("{sent} is a destination");
            };
            assert!(error.to_string().contains("goes to /user/NAME/PATH"), "{error}");
        }
        for (user, path) in [("", "/queue/a"), ("bob", ""), ("bob", "/")] {
            let refused = addresses().user_topic_at(user, path);
            assert!(matches!(refused, Err(AddressError::Unknown(_))), "{user}, {path}");
        }
    }
}

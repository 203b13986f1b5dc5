use std::borrow::Cow;

use super::Broker;
use crate::address::{Address, AddressError, RoutingType, decode, needs_key};
use crate::arguments::QueueArguments;
use crate::destination::Destination;
use crate::durable_name::DurableName;
use crate::kind::Kind;
use crate::pattern::{DestinationPattern, is_wildcard, words_of};
use crate::stomp::{self, DESTINATION_TYPE, Headers, SUBSCRIPTION_TYPE};
use crate::subscription::SessionKey;
use crate::sync::lock;

/// What a frame wants of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Messages are to go there.
    Send,
    /// Messages are to come from there.
    Subscribe,
}

/// How many destinations a [`Claim`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// The one of that name.
    One,
    /// All that match the name, which is a pattern.
    Matching,
}

/// A destination that a frame is about, and what it wants of it: what whoever allows or refuses the frame has to
/// look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// What is wanted of it.
    pub intent: Intent,
    /// The name that all spellings of the destination share; as it was written where the broker knows no such
    /// destination.
    pub destination: Box<str>,
    /// Whether that is the name of one, or a pattern.
    pub extent: Extent,
    /// What it is, if it is anything to the broker.
    pub kind: Option<Kind>,
}

impl Claim {
    /// What is wanted of the one destination of this name.
    pub fn one(intent: Intent, destination: impl Into<Box<str>>) -> Self {
        Self { intent, destination: destination.into(), extent: Extent::One, kind: None }
    }

    /// The destination with `%2F` and `%25` as what they stand for in names of the broker.
    #[must_use]
    pub fn decoded(&self) -> Cow<'_, str> {
        decode(&self.destination)
    }
}

/// Who may do what is decided before the broker does it. These tell all that it would do.
impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// What a SEND with these headers is about: each of its destinations, where replies go, and where a queue
    /// is told to send its dead letters. Arguments of a queue decide on the messages of others, which they drop,
    /// expire, or have go elsewhere, so a subscription to the queue is among what is wanted then. A temporary
    /// destination for replies is subscribed to.
    #[must_use]
    pub fn claims_of_send(&self, destination: &str, headers: &Headers) -> Vec<Claim> {
        let routing_type = routing_type(headers, DESTINATION_TYPE);
        let mut claims = self.claims(Intent::Send, destination, routing_type);
        claims.extend(self.claims_of_replies(headers));
        let arguments = arguments(headers);
        if !arguments.is_empty() {
            let read = self.claims(Intent::Subscribe, destination, routing_type).into_iter();
            claims.extend(read.filter(|claim| claim.kind == Some(Kind::Queue)));
        }
        claims.extend(arguments.dead_letters.map(|target| self.claim_of_dead_letters(&target)));
        claims
    }

    /// The kind of the destination, if a SEND with these headers is about nothing else, and calls it by the name that all its
    /// spellings share: then it has no claim but that. So it is most often, and this is cheap to tell. `None` if
    /// [`claims_of_send`](Self::claims_of_send) has to.
    #[must_use]
    pub fn sole_claim_of_send(&self, destination: &str, headers: &Headers) -> Option<Kind> {
        let is_alone = headers.iter().all(|(name, _)| !stomp::may_claim_more(name));
        is_alone.then(|| self.routing.addresses().kind_of_plain(destination)).flatten()
    }

    /// Where replies to a message with these headers go. A temporary destination of the sender's own is subscribed to;
    /// to any other one whoever replies sends in the place of the sender.
    #[must_use]
    pub fn claims_of_replies(&self, headers: &Headers) -> Vec<Claim> {
        let Some(reply_to) = stomp::reply_to(headers) else { return Vec::new() };
        let address = Destination::parse(reply_to).ok().map(|called| self.resolved(&called, None));
        match address {
            Some(Ok(Address::Own(kind, called))) => {
                let kind = Some(kind.kind());
                vec![Claim { kind, ..Claim::one(Intent::Subscribe, called.as_str()) }]
            }
            // It is a text for whoever gets the message.
            Some(Err(_)) | None if !reply_to.starts_with('/') => Vec::new(),
            _ => self.claims(Intent::Send, reply_to, None),
        }
    }

    /// What a SUBSCRIBE with these headers is about: each of its destinations, and where a queue is told to send its
    /// dead letters. A durable subscription of the same name may end with it, so it is also about
    /// [what that one listens to](Self::claim_of_durable).
    #[must_use]
    pub fn claims_of_subscribe(&self, destination: &str, headers: &Headers) -> Vec<Claim> {
        let routing_type = routing_type(headers, SUBSCRIPTION_TYPE);
        let mut claims = self.claims(Intent::Subscribe, destination, routing_type);
        let dead_letters = arguments(headers).dead_letters;
        claims.extend(dead_letters.map(|target| self.claim_of_dead_letters(&target)));
        claims
    }

    /// What a durable subscription listens to, if there is one of this name: whoever ends it takes that from those who
    /// share it.
    #[must_use]
    pub fn claim_of_durable(&self, durable: &DurableName) -> Option<Claim> {
        let queue = self.routing.queue(&durable.queue_name().ok()?)?;
        let pattern = &queue.binding()?.pattern;
        let extent = if pattern.is_exact() { Extent::One } else { Extent::Matching };
        let kind = Some(Kind::Topic);
        Some(Claim { extent, kind, ..Claim::one(Intent::Subscribe, pattern.as_str()) })
    }

    /// The destination of a subscription, as it was written; of several the first.
    #[must_use]
    pub fn destination_of(&self, session: SessionKey, id: &str) -> Option<Destination> {
        let session = self.sessions.find(session)?;
        let routes = lock(&session.routes);
        routes.by_id(id).next().map(|route| route.subscription.destination.clone())
    }

    fn claim_of_dead_letters(&self, target: &Destination) -> Claim {
        if !needs_key(target) {
            return self.claim(Intent::Send, target.as_str(), None);
        }
        // Its key is the name of the queue, so this may be any of them.
        let claim = self.claim(Intent::Send, &format!("{target}/**"), None);
        Claim { extent: Extent::Matching, ..claim }
    }

    fn claims(
        &self,
        intent: Intent,
        destination: &str,
        routing_type: Option<RoutingType>,
    ) -> Vec<Claim> {
        match Destination::parse(destination) {
            Ok(destination) => {
                destination.parts().map(|part| self.claim(intent, part, routing_type)).collect()
            }
            Err(_) => vec![Claim::one(intent, destination)],
        }
    }

    fn claim(&self, intent: Intent, text: &str, routing_type: Option<RoutingType>) -> Claim {
        let called = Destination::parse(text).ok();
        let address = called.and_then(|called| {
            let address = self.resolved(&called, routing_type).ok()?;
            Some(self.claim_of(intent, &called, address))
        });
        address.unwrap_or_else(|| {
            let has_wildcard = words_of(text).any(is_wildcard);
            let matches = intent == Intent::Subscribe && has_wildcard;
            let extent = if matches { Extent::Matching } else { Extent::One };
            Claim { extent, ..Claim::one(intent, text) }
        })
    }

    fn claim_of(&self, intent: Intent, called: &Destination, address: Address) -> Claim {
        let kind = Some(address.kind());
        let is_never_pattern =
            matches!(address, Address::Exchange(_) | Address::Own(..) | Address::Remote(..));
        let name = self.routing.addresses().common_name(called, address);
        let destination = name.as_str().into();
        let is_pattern = intent == Intent::Subscribe
            && !is_never_pattern
            && !DestinationPattern::of(name).is_ok_and(|pattern| pattern.is_exact());
        let extent = if is_pattern { Extent::Matching } else { Extent::One };
        Claim { intent, destination, extent, kind }
    }

    fn resolved(
        &self,
        called: &Destination,
        routing_type: Option<RoutingType>,
    ) -> Result<Address, AddressError> {
        self.routing.addresses().resolve(called, || routing_type)
    }
}

/// What a frame says that its destination is. What is wrong with that is told by whoever does it.
fn routing_type(headers: &Headers, name: &'static str) -> Option<RoutingType> {
    stomp::routing_type(headers, name).unwrap_or_default()
}

/// What a frame asks of its queues. What is wrong with that is told by whoever does it.
fn arguments(headers: &Headers) -> QueueArguments {
    stomp::arguments(headers).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::recording::{Recording, now, request};
    use crate::stomp::{AckMode, Headers};
    use crate::{Claim, DurableName, Extent, Intent, Kind, Owner};

    /// Claims as `SEND /queue/a`, and `SUBSCRIBE /topic/** (pattern)`.
    fn shown(claims: &[Claim]) -> Vec<String> {
        let shown = claims.iter().map(|claim| {
            let verb = match claim.intent {
                Intent::Send => "SEND",
                Intent::Subscribe => "SUBSCRIBE",
            };
            let extent = match claim.extent {
                Extent::One => "",
                Extent::Matching => " (pattern)",
            };
            format!("{verb} {}{extent}", claim.destination)
        });
        shown.collect()
    }

    #[track_caller]
    fn check_send(destination: &str, headers: &[(&str, &str)], expected: &[&str]) {
        let headers: Headers = headers.iter().copied().collect();
        let broker = Recording::new().broker;
        let claims = broker.claims_of_send(destination, &headers);
        assert_eq!(shown(&claims), expected, "{destination} {headers:?}");
        if let Some(kind) = broker.sole_claim_of_send(destination, &headers) {
            let sole = Claim { kind: Some(kind), ..Claim::one(Intent::Send, destination) };
            assert_eq!(claims, [sole], "{destination} {headers:?}");
        }
    }

    #[track_caller]
    fn check_subscribe(destination: &str, headers: &[(&str, &str)], expected: &[&str]) {
        let headers: Headers = headers.iter().copied().collect();
        let claims = Recording::new().broker.claims_of_subscribe(destination, &headers);
        assert_eq!(shown(&claims), expected, "{destination} {headers:?}");
    }

    #[test]
    fn all_spellings_of_a_destination_are_one() {
        for spelling in ["a", "/queue/a", "/amq/queue/a"] {
            check_send(spelling, &[], &["SEND /queue/a"]);
        }
        for spelling in ["/topic/a/b", "/topic/a%2Fb", "/topic/a%2fb", "/exchange/amq.topic/a%2Fb"]
        {
            check_send(spelling, &[], &["SEND /topic/a/b"]);
            check_subscribe(spelling, &[], &["SUBSCRIBE /topic/a/b"]);
        }
        for spelling in ["a", "/a"] {
            check_send(spelling, &[("destination-type", "MULTICAST")], &["SEND /topic/a"]);
            check_subscribe(
                spelling,
                &[("subscription-type", "multicast")],
                &["SUBSCRIBE /topic/a"],
            );
        }
        check_send("/exchange/amq.fanout/x", &[], &["SEND /exchange/amq.fanout"]);
        for spelling in ["/reply-queue/t", "/remote-temp-queue/t"] {
            check_send(spelling, &[], &["SEND /remote-temp-queue/t"]);
        }
        for spelling in ["/user/a,b/x%2Fy", "/user/a%2Cb/x%2Fy", "/user/a%2cb/x%2Fy"] {
            check_send(spelling, &[], &["SEND /user/a%2Cb/x%2Fy"]);
        }
        check_subscribe("/user/queue/a%2Fb", &[], &["SUBSCRIBE /user/queue/a%2Fb"]);
        check_send("/elsewhere/a%2Fb", &[], &["SEND /elsewhere/a%2Fb"]);
    }

    #[test]
    fn each_of_several_destinations_counts() {
        check_send("/topic/a, b ,/queue/c", &[], &["SEND /topic/a, b", "SEND /queue/c"]);
        check_subscribe(
            "/topic/a,/exchange/amq.topic/b.*",
            &[],
            &["SUBSCRIBE /topic/a", "SUBSCRIBE /topic/b.* (pattern)"],
        );
    }

    #[test]
    fn wildcards_are_patterns_for_subscribers_only() {
        check_send("/topic/*", &[], &["SEND /topic/*"]);
        for pattern in ["/topic/*", "/topic/#", "/topic/a.>", "/topic/**/x", "/elsewhere/*"] {
            check_subscribe(pattern, &[], &[&format!("SUBSCRIBE {pattern} (pattern)")]);
        }
        check_subscribe("/topic/a*", &[], &["SUBSCRIBE /topic/a*"]);
        check_subscribe("/exchange/amq.direct/*", &[], &["SUBSCRIBE /exchange/amq.direct/*"]);
        let too_many_words = format!("/topic/*{}", "/a".repeat(40));
        check_subscribe(&too_many_words, &[], &[&format!("SUBSCRIBE {too_many_words} (pattern)")]);
    }

    #[test]
    fn replies_go_to_what_is_subscribed_to_or_sent_to() {
        check_send(
            "/queue/a",
            &[("reply-to", " /temp-queue/r ")],
            &["SEND /queue/a", "SUBSCRIBE /temp-queue/r"],
        );
        check_send(
            "/queue/a",
            &[("reply-to", "/topic/b,r")],
            &["SEND /queue/a", "SEND /topic/b,r"],
        );
        check_send("/queue/a", &[("reply-to", "b")], &["SEND /queue/a", "SEND /queue/b"]);
        check_send("/queue/a", &[("reply-to", "/app/b")], &["SEND /queue/a", "SEND /app/b"]);
    }

    #[test]
    fn where_dead_letters_go_is_sent_to_and_who_says_so_reads_the_queue() {
        check_send(
            "/queue/a",
            &[("x-dead-letter-routing-key", "b")],
            &["SEND /queue/a", "SUBSCRIBE /queue/a", "SEND /queue/b"],
        );
        let topic = [("x-dead-letter-exchange", "amq.topic"), ("x-dead-letter-routing-key", "t")];
        check_subscribe("/queue/a", &topic, &["SUBSCRIBE /queue/a", "SEND /topic/t"]);
        for (exchange, expected) in [
            ("amq.topic", "SEND /topic/** (pattern)"),
            ("amq.direct", "SEND /exchange/amq.direct/** (pattern)"),
            ("amq.fanout", "SEND /exchange/amq.fanout"),
        ] {
            let headers = [("x-dead-letter-exchange", exchange)];
            check_subscribe("/queue/a", &headers, &["SUBSCRIBE /queue/a", expected]);
        }
    }

    #[test]
    fn who_gives_a_queue_arguments_decides_on_its_messages() {
        for argument in [
            ("x-expires", "1"),
            ("x-message-ttl", "0"),
            ("x-max-length", "0"),
            ("x-max-length-bytes", "0"),
            ("x-overflow", "reject-publish"),
            ("x-max-priority", "1"),
        ] {
            let expected = ["SEND /queue/a", "SEND /topic/b", "SUBSCRIBE /queue/a"];
            check_send("a,/topic/b", &[argument], &expected);
        }
        check_send("/queue/a", &[("x-else", "1")], &["SEND /queue/a"]);
    }

    #[test]
    fn a_durable_subscription_is_what_it_listens_to() {
        let mut recording = Recording::new();
        let owner = Owner::default();
        let headers = Headers::from([("durable", "true"), ("x-queue-name", "shared")]);
        let durable = DurableName::from_headers(&headers, "", None, &owner).unwrap().unwrap();
        assert_eq!(recording.broker.claim_of_durable(&durable), None);
        let mut subscribe = request(1, "a", "/topic/news.*", AckMode::Auto);
        subscribe.options.durable = Some(durable.clone());
        recording.broker.subscribe(now(), subscribe, |_| {}, &mut recording.log).unwrap();
        let claim = recording.broker.claim_of_durable(&durable).unwrap();
        assert_eq!(shown(&[claim]), ["SUBSCRIBE /topic/news.* (pattern)"]);
    }

    #[test]
    fn a_usual_message_has_one_claim() {
        let broker = Recording::new().broker;
        let plain = Headers::from([("content-type", "text/plain"), ("priority", "4")]);
        for (destination, kind) in [
            ("/topic/a.b", Some(Kind::Topic)),
            ("/queue/a", Some(Kind::Queue)),
            ("/user/bob/queue/a", Some(Kind::User)),
            ("/topic/*", Some(Kind::Topic)),
            ("/topic/", None),
            ("/topic/a%2Fb", None),
            ("/topic/a,/topic/b", None),
            ("/topic/a\u{7f}", None),
            ("a", None),
            ("/exchange/amq.topic/a", None),
            ("/temp-queue/a", None),
        ] {
            assert_eq!(broker.sole_claim_of_send(destination, &plain), kind, "{destination}");
        }
        check_send("/user/bob/queue/a", &[], &["SEND /user/bob/queue/a"]);
        for header in ["reply-to", "x-expires"] {
            let headers = Headers::from([("a", "b"), (header, "1")]);
            assert_eq!(broker.sole_claim_of_send("/queue/a", &headers), None, "{header}");
        }
    }
}

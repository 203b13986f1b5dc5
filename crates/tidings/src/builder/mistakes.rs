//! What speaks against an application as it is put together.

use tidings_broker::BrokerOptions;

use crate::build_error::Mistake;
use crate::ground::Ground;
use crate::messaging::{ApplicationNames, Controllers};
use crate::server::{AllowedOrigins, EventSourceOptions, SockJsOptions, WebSocketDoor};

pub(super) fn mistakes_of_sockjs(
    plain: &[(String, WebSocketDoor, SockJsOptions)],
    of_stomp: &[(String, SockJsOptions)],
    ground: &Ground,
) -> Vec<Mistake> {
    let options = plain.iter().map(|(_, _, options)| options);
    let options = options.chain(of_stomp.iter().map(|(_, options)| options));
    mistakes_of_state(plain, ground).chain(options.flat_map(mistakes_of_options)).collect()
}

fn mistakes_of_options(options: &SockJsOptions) -> impl Iterator<Item = Mistake> {
    let origins = options.allowed_origins.iter().flat_map(AllowedOrigins::unmatchable);
    options.page().err().map(Mistake::SockJsUrl).into_iter().chain(origins.map(Mistake::Origin))
}

/// Destinations of users have to be told from all others.
fn mistake_of_user_prefix(options: &BrokerOptions) -> Option<Mistake> {
    let prefix = &options.user_prefix;
    let of_application = options.other_prefixes.iter().filter(|it| prefix.starts_with(it.as_str()));
    let of_broker = options.topic_prefixes.iter().chain(&options.queue_prefixes);
    let other = of_application.chain(of_broker.filter(|it| *it == prefix)).next()?;
    (!prefix.is_empty())
        .then(|| Mistake::UserPrefix { prefix: prefix.clone(), other: other.clone() })
}

/// What speaks against the prefixes of the application, and where its handlers' replies go.
pub(super) fn mistakes_of_handlers(
    controllers: &Controllers,
    application: &ApplicationNames,
    broker: &BrokerOptions,
) -> Vec<Mistake> {
    let unusable = application.unusable_prefixes().map(str::to_owned);
    let unusable = unusable.map(Mistake::ApplicationPrefix);
    let is_missing = application.prefixes().next().is_none() && controllers.have_mappings();
    let missing = is_missing.then_some(Mistake::NoApplicationPrefix);
    let lost = controllers.lost_replies(broker).into_iter().map(Mistake::Reply);
    unusable.chain(missing).chain(lost).collect()
}

/// What an application has is not the broker's, and what is behind one prefix is not behind another.
fn mistakes_of_application_prefixes(options: &BrokerOptions) -> impl Iterator<Item = Mistake> {
    let own = || options.other_prefixes.iter().enumerate();
    let pairs = own().flat_map(move |one| own().map(move |other| (one, other)));
    let overlapping = pairs.filter_map(|((at, prefix), (place, other))| {
        let overlap = at != place && other.starts_with(prefix.as_str());
        overlap
            .then(|| Mistake::OverlappingPrefixes { prefix: prefix.clone(), other: other.clone() })
    });
    let of_broker = options.topic_prefixes.iter().chain(&options.queue_prefixes);
    let taken = of_broker.filter_map(|prefix| {
        let mut of_application = options.other_prefixes.iter();
        let application = of_application.find(|it| prefix.starts_with(it.as_str()))?.clone();
        Some(Mistake::TakenPrefix { prefix: prefix.clone(), application })
    });
    overlapping.chain(taken)
}

fn mistakes_of_state(
    sockjs: &[(String, WebSocketDoor, SockJsOptions)],
    ground: &Ground,
) -> impl Iterator<Item = Mistake> {
    let missing =
        sockjs.iter().filter_map(|(_, door, _)| (door.admission.check_state)(&ground.state).err());
    missing.map(|missing| Mistake::State { endpoint: "SockJS service", missing })
}

pub(super) fn mistakes_of_streams(
    event_sources: &[(String, EventSourceOptions)],
) -> impl Iterator<Item = Mistake> {
    let own_origins = event_sources.iter().filter_map(|(_, it)| it.allowed_origins.as_ref());
    own_origins.flat_map(AllowedOrigins::unmatchable).map(Mistake::Origin)
}

pub(super) fn mistakes_of_broker(options: &BrokerOptions) -> impl Iterator<Item = Mistake> {
    let of_nothing = options.check_policies().err();
    let of_nothing = of_nothing.filter(|(it, _)| options.misspelling(it.as_str()).is_none());
    let policy = of_nothing.map(|(pattern, error)| {
        let pattern = pattern.to_string();
        Mistake::PolicyOfNothing { pattern, error }
    });
    let misspelt = options
        .misspelt_policies()
        .map(|(pattern, misspelling)| Mistake::MisspeltPolicy(pattern.to_owned(), misspelling));
    let dead_letters = options.check_dead_letters().err().map(Mistake::DeadLetters);
    let idle = options.check_settings().err().map(Mistake::IdleSetting);
    let prefixes = mistake_of_user_prefix(options)
        .into_iter()
        .chain(mistakes_of_application_prefixes(options));
    misspelt.chain(policy).chain(idle).chain(dead_letters).chain(prefixes)
}

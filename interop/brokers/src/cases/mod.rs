//! What is tried with each broker. A case has destinations of its own, so that most of them go side by side.

mod habits;
mod queues;
mod raw;
mod sessions;
mod topics;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings::client::stomp::{AckMode, Message, StompClient, Subscription};
use tidings::messaging::FromPayload;

use crate::broker::Broker;
use crate::broker::Kind::{self, ActiveMq, RabbitMq, Tidings};

/// Something to try. It panics if that does not go well.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) brokers: &'static [Kind],
    /// Whether nothing else may be tried meanwhile: the broker is stopped.
    pub(crate) alone: bool,
    pub(crate) run: fn(Arc<Broker>) -> Trial,
}

/// A case under way.
type Trial = Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($module:ident::$name:ident: $brokers:expr $(, $alone:ident)?;)*) => {
        &[$(Case {
            name: stringify!($name),
            brokers: $brokers,
            alone: cases!(@alone $($alone)?),
            run: |broker| Box::pin($module::$name(broker)),
        },)*]
    };
    (@alone alone) => { true };
    (@alone) => { false };
}

const ALL: &[Kind] = &[RabbitMq, ActiveMq, Tidings];

pub(crate) const CASES: &[Case] = cases! {
    sessions::every_version_connects: ALL;
    sessions::heart_beats_keep_an_idle_session: ALL;
    sessions::a_wrong_login_is_refused: &[RabbitMq];
    sessions::a_destination_that_does_not_exist_is_an_error: &[RabbitMq, Tidings];
    sessions::a_session_survives_a_restart: &[RabbitMq, Tidings], alone;
    topics::a_topic_reaches_all_and_stores_nothing: ALL;
    topics::headers_and_octets_arrive_as_sent: ALL;
    topics::a_wildcard_takes_one_word: ALL;
    topics::a_durable_subscription_keeps_what_it_missed: ALL;
    queues::receipts_come_for_all_that_is_sent: ALL;
    queues::acknowledged_messages_do_not_come_again: ALL;
    queues::an_acknowledgement_may_cover_those_before: ALL;
    queues::what_is_refused_goes_where_the_broker_says: ALL;
    queues::no_more_than_the_prefetch_is_on_its_way: ALL;
    queues::two_consumers_share_the_work: ALL;
    queues::a_transaction_is_all_or_nothing: ALL;
    queues::a_large_message_arrives: ALL;
    queues::a_request_is_replied_to: ALL;
    queues::a_selector_chooses: &[ActiveMq, Tidings];
    queues::several_destinations_are_sent_to_at_once: &[ActiveMq, Tidings];
    habits::a_session_of_rabbitmq: &[RabbitMq, Tidings];
    habits::a_durable_subscription_of_rabbitmq: &[RabbitMq, Tidings];
    habits::a_session_of_activemq: &[ActiveMq, Tidings];
    habits::a_browser_of_activemq: &[ActiveMq, Tidings];
};

/// What ends a case that waits for what does not come, before the runner does.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long nothing comes where nothing may.
const SILENCE: Duration = Duration::from_millis(300);

async fn next<T: FromPayload>(subscription: &mut Subscription<T>) -> Message<T> {
    let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
    let message = next.expect("nothing came").expect("the subscription is over");
    message.unwrap_or_else(|error| panic!("{error}"))
}

async fn nothing<T: FromPayload>(subscription: &mut Subscription<T>) {
    if let Ok(next) = tokio::time::timeout(SILENCE, subscription.next()).await {
        panic!("something came: {:?}", next.map(|next| next.map(|message| message.map(drop))));
    }
}

async fn texts(client: &StompClient, destination: &str, ack: AckMode) -> Subscription<String> {
    let subscribed = client.subscribe::<String>(destination).ack(ack).await;
    subscribed.unwrap_or_else(|error| panic!("{destination}: {error}"))
}

/// Sends texts, and waits until the broker has them.
async fn send_all(client: &StompClient, destination: &str, texts: &[&str]) {
    for text in texts {
        let sent = client.send(destination).text(*text).persistent().receipt().await;
        sent.unwrap_or_else(|error| panic!("{destination}: {error}"));
    }
}

async fn leave(client: StompClient) {
    client.disconnect().await.unwrap_or_else(|error| panic!("{error}"));
}

use std::sync::Mutex;
use std::time::Duration;

use futures_util::stream;
use tidings_websocket::Message;

use super::*;
use crate::endpoint::{ConnectionOptions, in_memory};
use crate::hub::{Hub, HubOptions};

/// A controller that only has mappings.
struct Mapped<const N: usize>;

macro_rules! mapped {
    ($n:literal: $($mapping:expr),*) => {
        impl Controller for Mapped<$n> {
            const MAPPINGS: &'static [Mapping] = &[$($mapping),*];

            async fn handle(
                &self,
                _: usize,
                _: OnMapping<'_>,
            ) -> Result<Vec<Outgoing>, HandlerError> {
                Ok(Vec::new())
            }
        }
    };
}

mapped!(1: Mapping::message("/a/{b}"), Mapping::message("/a/b"), Mapping::subscribe("/a"));
mapped!(2: Mapping::message("/a/*"), Mapping::message("/a"), Mapping::subscribe("/a"));

fn controllers() -> Controllers {
    let mut controllers = Controllers::default();
    controllers.add(Mapped::<1>);
    controllers
}

#[test]
fn a_destination_finds_the_most_specific_mapping_of_its_kind() {
    let dispatcher = controllers().build(Separator::Slash).unwrap_or_default();
    let message = |destination| {
        let (route, variables) = dispatcher.messages.find(destination)?;
        Some((route.mapping, variables.get("b").map(str::to_owned)))
    };
    assert_eq!(message("/a/b"), Some((1, None)));
    assert_eq!(message("/a/c"), Some((0, Some("c".into()))));
    assert_eq!(message("/a"), None);
    let subscription = dispatcher.subscriptions.find("/a");
    assert_eq!(subscription.map(|(route, _)| route.mapping), Some(2));
}

#[test]
fn mappings_for_the_same_destinations_are_all_told() {
    let mut controllers = controllers();
    controllers.add(Mapped::<2>);
    let Err(ambiguities) = controllers.build(Separator::Slash) else { panic!("there are two") };
    let told: Vec<_> = ambiguities.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    let patterns =
        told[0].contains("message_mapping(\"/a/{b}\")") && told[0].contains("(\"/a/*\")");
    assert!(patterns, "{told:?}");
    assert!(told[1].contains("subscribe_mapping(\"/a\")"), "{told:?}");
}

fn message(destination: &str, body: Bytes) -> InboundMessage {
    InboundMessage {
        destination: destination.to_owned(),
        headers: Headers::default(),
        body,
        session: in_memory(ConnectionOptions::default()).0,
        messenger: Messenger::new(Hub::new(HubOptions::default())),
    }
}

fn dispatcher(controller: impl Controller) -> Arc<Dispatcher> {
    let mut controllers = Controllers::default();
    controllers.add(controller);
    Arc::new(controllers.build(Separator::Slash).unwrap_or_default())
}

/// Keeps the body of a message.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<u8>>>);

impl Controller for Keeper {
    const MAPPINGS: &'static [Mapping] = &[Mapping::message("/keep")];

    async fn handle(
        &self,
        _: usize,
        mut call: OnMapping<'_>,
    ) -> Result<Vec<Outgoing>, HandlerError> {
        *self.0.lock().unwrap() = call.take_body().into();
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_handler_takes_its_body_without_a_copy_where_nobody_handles_exceptions() {
    let keeper = Keeper::default();
    let body = b"body".to_vec();
    let place = body.as_ptr();
    let message = message("/keep", body.into());
    dispatcher(keeper.clone()).dispatch_message(message).await.unwrap();
    let kept = keeper.0.lock().unwrap();
    assert_eq!((&**kept, kept.as_ptr()), (&b"body"[..], place));
}

/// Answers with a stream that has nothing.
struct Empty;

impl Controller for Empty {
    const MAPPINGS: &'static [Mapping] = &[Mapping::stream("/empty")];

    async fn handle(&self, _: usize, _: OnMapping<'_>) -> Result<Vec<Outgoing>, HandlerError> {
        Ok(Vec::new())
    }

    async fn stream(
        self: Arc<Self>,
        _: usize,
        _: MessageParts,
        feed: Feed,
    ) -> Result<(), HandlerError> {
        feed.run(stream::empty::<String>(), &[]).await
    }
}

struct Nobody;

impl Subscriber for Nobody {
    fn message(&self, _: &Outgoing) -> Option<Message> {
        None
    }

    fn failed(&self, _: Unhandled) {}
}

#[tokio::test]
async fn nobody_keeps_the_task_of_a_stream_that_has_ended() {
    let dispatcher = dispatcher(Empty);
    let message = message("/empty", Bytes::new());
    let answer = dispatcher.dispatch_subscribe(message, Arc::new(Nobody)).await.unwrap();
    let Answer::Stream(mut stream) = answer else { panic!("{answer:?}") };
    assert!(stream.keeps_task());
    stream.start();
    let let_go = async {
        while stream.keeps_task() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), let_go).await.expect("it is kept");
}

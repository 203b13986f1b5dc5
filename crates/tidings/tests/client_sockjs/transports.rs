//! Every transport, against our own server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tidings::App;
use tidings::client::sockjs::{ClientTransport, SockJs, SockJsClient};
use tidings::endpoint::{CloseCode, CloseReason, Endpoint, EndpointError, Message, Session};
use tidings::server::{SockJsOptions, TransportType};
use tokio::sync::mpsc;

use super::support::{PATIENCE, Running, serve};

pub struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        match &message {
            Message::Text(text) if text == "close" => {
                session.close(go_away());
            }
            Message::Text(text) if text == "transport" => {
                session.send(format!("{:?}", session.transport())).await?;
            }
            _ => session.send(message).await?,
        }
        Ok(())
    }
}

fn go_away() -> CloseReason {
    CloseReason::truncated(CloseCode::new(3000).unwrap(), "Go away!")
}

pub async fn echo() -> Running {
    // So little that streaming transports ask again and again.
    let options = SockJsOptions { response_limit: 4096, ..SockJsOptions::default() };
    serve(App::builder().sockjs_with_options("/echo", options, || Echo).build().unwrap()).await
}

pub fn only(transport: ClientTransport) -> SockJsClient {
    SockJsClient::builder().transports([transport]).build()
}

async fn open(server: &Running, transport: ClientTransport) -> SockJs {
    only(transport).open(&format!("http://{}/echo", server.http)).await.unwrap()
}

#[tokio::test]
async fn awkward_texts_come_back_unchanged_and_in_order() {
    let server = echo().await;
    for transport in ClientTransport::ALL {
        let mut socket = open(&server, transport).await;
        let megabyte = "0123456789abcdef".repeat(64 * 1024);
        let texts = [
            "100% %41 %",
            "\u{1f600} \u{2028}\u{2029}\u{0}\u{fffe}\u{ffff}",
            "\"\\\r\n\t</script>",
            "",
            "[\"a\"]",
            &megabyte,
        ];
        for text in texts {
            socket.send(text).await.unwrap();
        }
        for text in texts {
            assert_eq!(socket.next().await.as_deref(), Some(text), "{transport:?}");
        }
    }
}

#[tokio::test]
async fn a_thousand_messages_keep_their_order() {
    let server = echo().await;
    for transport in ClientTransport::ALL {
        let (mut sink, mut stream) = StreamExt::split(open(&server, transport).await);
        let sending = tokio::spawn(async move {
            for number in 0..1_000 {
                sink.send(number.to_string()).await.unwrap();
            }
            sink
        });
        for number in 0..1_000 {
            assert_eq!(stream.next().await, Some(number.to_string()), "{transport:?}");
        }
        sending.await.unwrap().close().await.unwrap();
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn both_ends_know_the_transport() {
    let server = echo().await;
    for transport in ClientTransport::ALL {
        let mut socket = open(&server, transport).await;
        let expected = Some(transport.transport_type());
        assert_eq!(socket.session().transport(), expected);
        socket.send("transport").await.unwrap();
        assert_eq!(socket.next().await, Some(format!("{expected:?}")));
    }
}

#[tokio::test]
async fn the_first_that_works_is_taken() {
    let server = echo().await;
    let socket = SockJsClient::default().open(&format!("http://{}/echo", server.http)).await;
    assert_eq!(socket.unwrap().session().transport(), Some(TransportType::WebSocket));
}

#[tokio::test]
async fn a_server_that_closes_tells_why() {
    let server = echo().await;
    for transport in ClientTransport::ALL {
        let mut socket = open(&server, transport).await;
        socket.send("last").await.unwrap();
        socket.send("close").await.unwrap();
        assert_eq!(socket.next().await.as_deref(), Some("last"));
        assert_eq!(socket.next().await, None);
        assert_eq!(socket.close_reason(), Some(go_away()), "{transport:?}");
        assert!(socket.send("late").await.is_err());
    }
}

/// Tells how its sessions end.
struct Tells(mpsc::UnboundedSender<String>);

impl Endpoint for Tells {
    async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
        if let Message::Text(text) = message {
            self.0.send(text).unwrap();
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &tidings::endpoint::CloseInfo) {
        self.0.send(format!("closed with {}", info.reason.code().as_u16())).unwrap();
    }
}

#[tokio::test]
async fn what_was_sent_before_closing_arrives() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let app = App::builder().sockjs("/tell", move || Tells(tell.clone()));
    let server = serve(app.build().unwrap()).await;
    for transport in ClientTransport::ALL {
        let client = only(transport);
        let socket = client.open(&format!("http://{}/tell", server.http)).await.unwrap();
        for number in 0..100 {
            socket.send(number.to_string()).await.unwrap();
        }
        socket.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        let mut next = async || {
            let next = tokio::time::timeout(PATIENCE, told.recv()).await;
            next.unwrap_or_else(|_| panic!("nothing is told over {transport:?}")).unwrap()
        };
        for number in 0..100 {
            assert_eq!(next().await, number.to_string(), "{transport:?}");
        }
        let end = next().await;
        assert!(end.starts_with("closed"), "{transport:?}: {end}");
    }
}

#[tokio::test]
async fn a_session_outlives_the_disconnect_delay_and_the_heartbeats() {
    let options = SockJsOptions {
        heartbeat_delay: Duration::from_millis(20),
        disconnect_delay: Duration::from_secs(2),
        ..SockJsOptions::default()
    };
    let app = App::builder().sockjs_with_options("/echo", options, || Echo);
    let server = Arc::new(serve(app.build().unwrap()).await);
    let tasks = ClientTransport::ALL.map(|transport| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let mut socket = open(&server, transport).await;
            // Longer than that, and many heartbeats, each of which ends a poll.
            let silence = tokio::time::timeout(Duration::from_secs(3), socket.next()).await;
            assert!(silence.is_err(), "{transport:?}: {silence:?}");
            socket.send("still here").await.unwrap();
            assert_eq!(socket.next().await.as_deref(), Some("still here"), "{transport:?}");
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
}

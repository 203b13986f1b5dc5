use std::error::Error;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;

use super::subscribers::Subscribers;
use super::{Kind, listen};

pub(super) async fn serve(kind: Kind) -> Result<(), Box<dyn Error>> {
    let handler = match kind {
        Kind::Echo => any(echo),
        Kind::Broadcast => any(broadcast),
    };
    let router = Router::new().route("/", handler).with_state(Subscribers::new());
    let listener = listen().await?.tap_io(|stream| {
        // A connection that is gone already is noticed elsewhere.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if is_data(&message) && socket.send(message).await.is_err() {
                return;
            }
        }
    })
}

async fn broadcast(
    State(subscribers): State<Subscribers<Message>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(async move |socket| subscribers.serve(socket, is_data).await)
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}

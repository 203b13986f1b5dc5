use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{Message, ServerBuilder};

use super::subscribers::Subscribers;
use super::{Kind, accept};

pub(super) async fn serve(kind: Kind) -> Result<(), Box<dyn Error>> {
    let subscribers = Subscribers::new();
    accept(move |stream| {
        let subscribers = subscribers.clone();
        async move {
            let Ok((_, mut socket)) = ServerBuilder::new().accept(stream).await else { return };
            match kind {
                Kind::Echo => {
                    while let Some(Ok(message)) = socket.next().await {
                        if is_data(&message) && socket.send(message).await.is_err() {
                            return;
                        }
                    }
                }
                Kind::Broadcast => subscribers.serve(socket, is_data).await,
            }
        }
    })
    .await
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

use std::error::Error;
use std::future::ready;

use futures_util::{StreamExt, TryStreamExt};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::subscribers::Subscribers;
use super::{Kind, accept};

pub(super) async fn serve(kind: Kind) -> Result<(), Box<dyn Error>> {
    let subscribers = Subscribers::new();
    accept(move |stream| {
        let subscribers = subscribers.clone();
        async move {
            let Ok(socket) = accept_async(stream).await else { return };
            match kind {
                Kind::Echo => {
                    let (sink, stream) = socket.split();
                    // An error is the end of the connection, which the clients notice.
                    let _ = stream.try_filter(|one| ready(is_data(one))).forward(sink).await;
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

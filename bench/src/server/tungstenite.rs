use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::rc::Rc;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

type Subscribers = Rc<RefCell<HashMap<usize, UnboundedSender<Message>>>>;

pub(super) async fn serve() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let subscribers = Subscribers::default();
    let accept = async {
        for id in 0.. {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::task::spawn_local(connection(id, stream, Rc::clone(&subscribers)));
        }
    };
    LocalSet::new().run_until(accept).await;
    Ok(())
}

async fn connection(id: usize, stream: TcpStream, subscribers: Subscribers) {
    let mut fanout = false;
    // The size of the error is the callback's, not ours.
    #[expect(clippy::result_large_err, reason = "the signature that tungstenite asks for")]
    let look_at_path = |request: &Request, response: Response| {
        fanout = request.uri().path() == "/fanout";
        Ok(response)
    };
    let Ok(socket) = accept_hdr_async(stream, look_at_path).await else { return };
    let (mut sink, mut messages) = socket.split();
    if !fanout {
        while let Some(Ok(message)) = messages.next().await {
            if !(message.is_text() || message.is_binary()) || sink.send(message).await.is_err() {
                break;
            }
        }
        return;
    }
    let (sender, mut receiver) = unbounded_channel::<Message>();
    subscribers.borrow_mut().insert(id, sender);
    let write = async {
        while let Some(message) = receiver.recv().await {
            if sink.send(message).await.is_err() {
                break;
            }
        }
    };
    let read = async {
        while let Some(Ok(message)) = messages.next().await {
            if message.is_text() || message.is_binary() {
                for subscriber in subscribers.borrow().values() {
                    let _ = subscriber.send(message.clone());
                }
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
    subscribers.borrow_mut().remove(&id);
}

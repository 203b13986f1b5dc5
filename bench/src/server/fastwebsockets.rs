use std::error::Error;

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError,
};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::ReadHalf;

use super::subscribers::Subscribers;
use super::{Kind, accept};

/// What a broadcast keeps of a frame: whether it is text, and the payload.
type Shared = (Text, Bytes);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Text,
    Binary,
}

pub(super) async fn serve(kind: Kind) -> Result<(), Box<dyn Error>> {
    let subscribers = Subscribers::new();
    accept(move |stream| {
        let subscribers = subscribers.clone();
        async move {
            let service = service_fn(move |request| {
                let subscribers = subscribers.clone();
                async move { answer(request, kind, subscribers) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // An error is the end of the connection, which the clients notice.
            let _ = connection.with_upgrades().await;
        }
    })
    .await
}

fn answer(
    mut request: Request<Incoming>,
    kind: Kind,
    subscribers: Subscribers<Shared>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = upgrade(&mut request)?;
    tokio::spawn(async move {
        // As above.
        let _ = match kind {
            Kind::Echo => echo(socket).await,
            Kind::Broadcast => broadcast(socket, subscribers).await,
        };
    });
    Ok(response)
}

async fn echo(socket: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(socket.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn broadcast(
    socket: UpgradeFut,
    subscribers: Subscribers<Shared>,
) -> Result<(), WebSocketError> {
    let (read, mut output) = socket.await?.split(tokio::io::split);
    let input = FragmentCollectorRead::new(read);
    let (id, mut receiver) = subscribers.enter();
    let writer = tokio::spawn(async move {
        while let Some((text, octets)) = receiver.recv().await {
            let payload = Payload::Borrowed(&octets);
            let frame = match text {
                Text::Text => Frame::text(payload),
                Text::Binary => Frame::binary(payload),
            };
            if output.write_frame(frame).await.is_err() {
                return;
            }
        }
    });
    let result = publish(input, &subscribers).await;
    subscribers.leave(id);
    writer.abort();
    result
}

async fn publish(
    mut input: FragmentCollectorRead<ReadHalf<TokioIo<Upgraded>>>,
    subscribers: &Subscribers<Shared>,
) -> Result<(), WebSocketError> {
    loop {
        // The clients send nothing that has to be answered but by a broadcast.
        let mut ignore = async |_| Ok::<(), WebSocketError>(());
        let frame = input.read_frame(&mut ignore).await?;
        let text = match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text => Text::Text,
            OpCode::Binary => Text::Binary,
            _ => continue,
        };
        subscribers.publish(&(text, Bytes::copy_from_slice(&frame.payload)));
    }
}

//! Drives one connection over a stream.

use std::error::Error;
use std::io;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tidings_websocket::{Connection, Encoder, Event, Limits, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Whatever may go wrong around a test case.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The longest message of the suite has 16 MiB.
const MESSAGE_OCTETS_MAX: usize = 32 * 1024 * 1024;

const READ_BUFFER_OCTETS: usize = 64 * 1024;

pub(crate) fn limits() -> Limits {
    Limits { message_octets_max: MESSAGE_OCTETS_MAX, ..Limits::default() }
}

/// Sends back every message until the connection is closed. Returns the last message.
pub(crate) async fn echo(
    stream: Upgraded,
    mut connection: Connection,
    mut encoder: Encoder,
) -> io::Result<Option<Message>> {
    let mut stream = TokioIo::new(stream);
    let mut buffer = vec![0; READ_BUFFER_OCTETS];
    let mut last = None;
    while !connection.is_closed() {
        let len = stream.read(&mut buffer).await?;
        let mut input = &mut buffer[..len];
        if input.is_empty() {
            connection.handle_end_of_stream();
        }
        let mut output = Vec::new();
        while let Some(event) = connection.poll_event(&mut input) {
            drain(&mut connection, &mut output);
            if let Event::Message(message) = event {
                encoder.encode(&message, &mut output);
                last = Some(message);
            }
        }
        drain(&mut connection, &mut output);
        stream.write_all(&output).await?;
    }
    // The connection is over; a peer that has let go of the stream already does no harm.
    let _ = stream.shutdown().await;
    while stream.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
    Ok(last)
}

fn drain(connection: &mut Connection, output: &mut Vec<u8>) {
    while let Some(octets) = connection.poll_transmit() {
        output.extend_from_slice(&octets);
    }
}

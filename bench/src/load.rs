//! The clients: raw sockets that send octets made once, and count the octets that come back.

use std::cell::Cell;
use std::error::Error;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::task::spawn_local;

/// What the clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Each connection keeps `depth` messages in flight.
    Echo { connections: usize, depth: usize, octets: usize },
    /// One connection publishes `burst` messages at a time, once all connections have got the last.
    Fanout { connections: usize, burst: usize, octets: usize },
}

/// Messages delivered by now.
pub(crate) type Delivered = Rc<Cell<u64>>;

/// Connects and starts the clients, which work until the server is gone.
pub(crate) async fn run(address: &str, load: &Load) -> Result<Delivered, Box<dyn Error>> {
    let delivered = Delivered::default();
    match *load {
        Load::Echo { connections, depth, octets } => {
            for _ in 0..connections {
                let stream = connect(address, "/echo").await?;
                spawn_local(echo(stream, depth, octets, Rc::clone(&delivered)));
            }
        }
        Load::Fanout { connections, burst, octets } => {
            let round =
                Rc::new(Round { receivers: connections, got: Cell::new(0), done: Notify::new() });
            let burst_octets = burst * reply_len(octets);
            let (input, output) = connect(address, "/fanout").await?.into_split();
            spawn_local(receive(
                input,
                burst,
                burst_octets,
                Rc::clone(&delivered),
                Rc::clone(&round),
            ));
            for _ in 1..connections {
                let (input, output) = connect(address, "/fanout").await?.into_split();
                // Dropping the half would end the connection.
                output.forget();
                let (delivered, round) = (Rc::clone(&delivered), Rc::clone(&round));
                spawn_local(receive(input, burst, burst_octets, delivered, round));
            }
            spawn_local(publish(output, frame(octets).repeat(burst), round));
        }
    }
    Ok(delivered)
}

/// Counts the connections that have got the burst under way.
struct Round {
    receivers: usize,
    got: Cell<usize>,
    done: Notify,
}

async fn echo(mut stream: TcpStream, depth: usize, octets: usize, delivered: Delivered) {
    let batch = frame(octets).repeat(depth);
    let reply_len = reply_len(octets);
    let mut buffer = vec![0; 256 * 1024];
    if stream.write_all(&batch).await.is_err() {
        return;
    }
    let one = frame(octets);
    let mut partial = 0;
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
        partial += read;
        let replies = partial / reply_len;
        partial %= reply_len;
        delivered.set(delivered.get() + replies as u64);
        if stream.write_all(&one.repeat(replies)).await.is_err() {
            return;
        }
    }
}

async fn publish(mut output: OwnedWriteHalf, burst: Vec<u8>, round: Rc<Round>) {
    while output.write_all(&burst).await.is_ok() {
        round.done.notified().await;
    }
}

async fn receive(
    mut input: OwnedReadHalf,
    burst: usize,
    burst_octets: usize,
    delivered: Delivered,
    round: Rc<Round>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut missing = burst_octets;
    loop {
        let Ok(read @ 1..) = input.read(&mut buffer).await else { return };
        missing = missing.saturating_sub(read);
        if missing == 0 {
            missing = burst_octets;
            delivered.set(delivered.get() + burst as u64);
            round.got.set(round.got.get() + 1);
            if round.got.get() == round.receivers {
                round.got.set(0);
                round.done.notify_one();
            }
        }
    }
}

async fn connect(address: &str, path: &str) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&head).into());
    }
    Ok(stream)
}

/// A masked text message of `octets` octets.
fn frame(octets: usize) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![0x81];
    match octets {
        0..126 => frame.push(0x80 | octets as u8),
        126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(octets as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(octets as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(mask.iter().cycle().take(octets).map(|mask| b'x' ^ mask));
    frame
}

/// Octets of the same message from the server, which masks nothing.
fn reply_len(octets: usize) -> usize {
    frame(octets).len() - 4
}

//! A client that asks the suite's fuzzing server for every case, and echoes.

use std::io;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tidings_websocket::handshake::client::OpeningHandshake;
use tidings_websocket::{Connection, Encoder, MaskingKey, Message};
use tokio::net::TcpStream;

use crate::echo::{BoxError, echo, limits};

/// How often a server that refuses connections is asked again.
const ATTEMPTS: u32 = 100;

const ATTEMPTS_PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run(addr: &str, agent: &str) -> Result<(), BoxError> {
    let count = match visit(addr, "/getCaseCount").await? {
        Some(Message::Text(count)) => count.parse::<u32>()?,
        other => return Err(format!("expected the number of cases, not {other:?}").into()),
    };
    for case in 1..=count {
        println!("case {case} of {count}");
        // A case may end in any way; the suite tells whether it was the right one.
        if let Err(error) = visit(addr, &format!("/runCase?case={case}&agent={agent}")).await {
            println!("{error}");
        }
    }
    visit(addr, &format!("/updateReports?agent={agent}")).await?;
    Ok(())
}

/// Connects, and echoes until the server closes. Returns the last message.
async fn visit(addr: &str, path: &str) -> Result<Option<Message>, BoxError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)?;
    let opening = OpeningHandshake::new(nonce, <[String; 0]>::default())?;
    let mut request = Request::get(path).header("host", addr).body(Empty::<Bytes>::new())?;
    request.headers_mut().extend(opening.headers());

    let stream = connect(addr).await?;
    stream.set_nodelay(true)?;
    let (mut sender, http) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(http.with_upgrades());
    let response = sender.send_request(request).await?;
    opening.verify(response.status(), response.headers())?;
    let stream = hyper::upgrade::on(response).await?;
    let connection = Connection::new_client(limits(), masking_key);
    Ok(echo(stream, connection, Encoder::new_client(masking_key)).await?)
}

/// Connects to a server that may not listen yet.
async fn connect(addr: &str) -> io::Result<TcpStream> {
    for _ in 0..ATTEMPTS {
        match TcpStream::connect(addr).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                tokio::time::sleep(ATTEMPTS_PAUSE).await;
            }
            connected => return connected,
        }
    }
    TcpStream::connect(addr).await
}

fn masking_key() -> MaskingKey {
    let mut key = [0; 4];
    getrandom::fill(&mut key).expect("the operating system has random numbers");
    MaskingKey(key)
}

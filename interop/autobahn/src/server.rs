//! An echo server.

use std::convert::Infallible;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tidings_websocket::handshake::server::accept;
use tidings_websocket::{Connection, Encoder};
use tokio::net::{TcpListener, TcpStream};

use crate::echo::{BoxError, echo, limits};

pub(crate) async fn run(addr: &str) -> Result<(), BoxError> {
    let listener = TcpListener::bind(addr).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("connection lost: {error}");
            }
        });
    }
}

async fn serve(stream: TcpStream) -> Result<(), BoxError> {
    stream.set_nodelay(true)?;
    let http = hyper::server::conn::http1::Builder::new();
    let connection = http.serve_connection(TokioIo::new(stream), service_fn(open));
    Ok(connection.with_upgrades().await?)
}

async fn open(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let accepted = match accept(request.method(), request.version(), request.headers()) {
        Ok(accepted) => accepted,
        Err(error) => return Ok(error.response().map(|_| Empty::new())),
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            // The suite's own end tells what went wrong.
            let _ = echo(stream, Connection::new_server(limits()), Encoder::new_server()).await;
        }
    });
    Ok(accepted.response(None).map(|()| Empty::new()))
}

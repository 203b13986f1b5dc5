//! The opening handshake over HTTP/2: RFC 8441.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::client::conn::http2::{Builder, Connection};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::exchange::{ExchangeError, Reply, first_octets};
use crate::net::{TunnelStream, Wire};

/// How long a server may take to say that it knows extended CONNECT. It says so in the first octets that
/// it sends, if at all.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(1);

type Http2 = Connection<TokioIo<Wire>, Empty<Bytes>, HeldTasks>;

/// Sends an extended CONNECT request over `wire`, and waits for the answer. `None` if the server does
/// not know such requests.
pub(super) async fn exchange(
    wire: Wire,
    request: Request<Empty<Bytes>>,
    head_octets_max: usize,
) -> Result<Option<Reply>, ExchangeError> {
    let failed = |error| ExchangeError::of(error, head_octets_max);
    let remote_addr = wire.remote_addr();
    let tasks = HeldTasks::default();
    let (mut sender, mut connection) = Builder::new(tasks.clone())
        .max_header_list_size(u32::try_from(head_octets_max).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(wire))
        .await
        .map_err(failed)?;
    let is_known = knows_extended_connect(&mut connection, &tasks);
    match tokio::time::timeout(SETTINGS_TIMEOUT, is_known).await {
        Ok(known) => known?,
        Err(_) => return Ok(None),
    }
    tasks.release();
    // It ends with the stream, which holds on to the sender.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "HTTP/2 connection ended");
        }
    });
    let mut response = sender.send_request(request).await.map_err(failed)?;
    if !response.status().is_success() {
        let (head, body) = response.into_parts();
        return Ok(Some(Reply::Other(Response::from_parts(head, first_octets(body).await))));
    }
    let stream = hyper::upgrade::on(&mut response).await.map_err(failed)?;
    let tunnel = TunnelStream { stream: TokioIo::new(stream), remote_addr, _connection: sender };
    let wire = Wire::Tunnel(Box::new(tunnel));
    Ok(Some(Reply::Switched { response: response.map(drop), wire, early: Bytes::new() }))
}

/// Moves the connection on until the server has said that it does.
async fn knows_extended_connect(
    connection: &mut Http2,
    tasks: &HeldTasks,
) -> Result<(), ExchangeError> {
    poll_fn(|cx| {
        tasks.poll(cx);
        let polled = Pin::new(&mut *connection).poll(cx);
        if connection.is_extended_connect_protocol_enabled() {
            return Poll::Ready(Ok(()));
        }
        polled.map(|ended| match ended {
            Ok(()) => Err(ExchangeError::Io(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(ExchangeError::Invalid(error.into())),
        })
    })
    .await
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks of a connection. They are held at first: only whoever runs them himself can look at the
/// connection whenever it has moved on.
#[derive(Clone)]
struct HeldTasks(Arc<Mutex<Held>>);

enum Held {
    Tasks(Vec<Task>),
    /// From now on they run by themselves.
    Released,
}

impl Default for HeldTasks {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Held::Tasks(Vec::new()))))
    }
}

impl HeldTasks {
    fn poll(&self, cx: &mut Context<'_>) {
        let mut polled = match &mut *self.lock() {
            Held::Tasks(tasks) => std::mem::take(tasks),
            Held::Released => return,
        };
        // Without the lock: a task may begin others.
        polled.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        if let Held::Tasks(tasks) = &mut *self.lock() {
            tasks.append(&mut polled);
        }
    }

    fn release(&self) {
        if let Held::Tasks(tasks) = std::mem::replace(&mut *self.lock(), Held::Released) {
            tasks.into_iter().for_each(|task| drop(tokio::spawn(task)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for HeldTasks {
    fn execute(&self, task: F) {
        match &mut *self.lock() {
            Held::Tasks(tasks) => tasks.push(Box::pin(task)),
            Held::Released => drop(tokio::spawn(task)),
        }
    }
}

//! HTTP/1 connections, which some responses take over for as long as they last.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::{HttpService as Respond, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::Body;
use super::handover::{Handover, MaybeSocket, Socket, Successor};
use super::http::{Caller, HttpService};
use super::patient_stream::{PatientStream, Progress};
use crate::endpoint::BoxError;

/// How hyper's part of a connection ended.
enum End {
    /// With the connection, or its upgrade.
    Over,
    HandedOver(Box<dyn Successor>, Socket),
}

impl<F> HttpService<F>
where
    F: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    F: Clone + Send + Sync + 'static,
    F::Future: Send,
{
    /// Serves a connection that speaks HTTP/1. `prefix` was read from it already.
    pub(super) async fn serve_http1<S>(self, mut stream: S, mut prefix: Bytes, caller: Caller)
    where
        S: AsyncRead + AsyncWrite + MaybeSocket + Unpin + Send + 'static,
    {
        while let End::HandedOver(successor, socket) =
            self.serve_with_hyper(stream, prefix, &caller).await
        {
            let Some(socket) = successor.take_over(socket).await else { return };
            let Some(again) = S::from_socket(socket.stream) else { return };
            if self.stop.is_cancelled() {
                return;
            }
            (stream, prefix) = (again, socket.early);
        }
    }

    async fn serve_with_hyper<S>(&self, stream: S, prefix: Bytes, caller: &Caller) -> End
    where
        S: AsyncRead + AsyncWrite + MaybeSocket + Unpin + Send + 'static,
    {
        let (handover, progress) = (Handover::default(), Progress::default());
        let stream = PatientStream::new(stream, self.options.send_timeout)
            .with_prefix(prefix)
            .with_progress(progress.clone());
        let (http, caller, asked) = (self.clone(), caller.clone(), handover.clone());
        // Boxed, because hyper keeps room for such a future as long as the connection lives.
        let service = service_fn(move |request| {
            let asked = (S::IS_SOCKET && Handover::suits(&request)).then(|| asked.clone());
            Box::pin(http.clone().respond(request, caller.clone(), asked))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.head_read_timeout)
            .max_buf_size(self.options.head_octets_max.max(8 * 1024))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        drive(Box::new(connection), &handover, &progress, &self.stop).await
    }
}

/// Drives a connection until it ends, or a response asks for it. It takes no more requests once the server
/// stops.
async fn drive<S, R>(
    mut connection: Box<UpgradeableConnection<TokioIo<PatientStream<S>>, R>>,
    handover: &Handover,
    progress: &Progress,
    stop: &CancellationToken,
) -> End
where
    S: AsyncRead + AsyncWrite + MaybeSocket + Unpin + Send + 'static,
    R: Respond<Incoming, ResBody = Body>,
    R::Error: Into<BoxError>,
{
    let mut stopped = pin!(stop.cancelled());
    let successor = poll_fn(|cx| {
        if stopped.as_mut().poll(cx).is_ready() {
            Pin::new(&mut *connection).graceful_shutdown();
        }
        match Pin::new(&mut *connection).poll(cx) {
            Poll::Ready(served) => Poll::Ready(served.map(|()| None)),
            // What hyper has still to write would be lost.
            Poll::Pending if progress.is_stalled() => Poll::Pending,
            Poll::Pending => handover.take().map_or(Poll::Pending, |it| Poll::Ready(Ok(Some(it)))),
        }
    });
    match successor.await {
        Ok(None) => End::Over,
        Ok(Some(successor)) => match into_socket(*connection) {
            Some(socket) => End::HandedOver(successor, socket),
            None => {
                successor.give_up();
                End::Over
            }
        },
        Err(error) => {
            tracing::debug!(%error, "HTTP connection ended");
            End::Over
        }
    }
}

fn into_socket<S, R>(
    connection: UpgradeableConnection<TokioIo<PatientStream<S>>, R>,
) -> Option<Socket>
where
    S: AsyncRead + AsyncWrite + MaybeSocket + Unpin + Send + 'static,
    R: Respond<Incoming, ResBody = Body>,
    R::Error: Into<BoxError>,
{
    let parts = connection.into_parts()?;
    let (stream, rest) = parts.io.into_inner().into_parts();
    // A copy, so that a few octets do not keep hyper's whole buffer alive.
    let early = [parts.read_buf, rest].concat().into();
    Some(Socket { stream: stream.into_socket()?, early })
}

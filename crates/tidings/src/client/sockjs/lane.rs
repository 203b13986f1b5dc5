use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::super::builder::HttpVersion;
use super::super::course::Course;
use super::super::error::ConnectError;
use super::super::exchange::{ExchangeError, HEAD_OCTETS_MIN};
use super::super::url::WebSocketUrl;

/// How long a connection may have been idle to be used again: 3 s. Servers close theirs, some after 5 s, and a
/// request that meets a connection on its way out may or may not have been heard.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// One request after the other, on one connection as long as that is kept alive.
#[derive(Default)]
pub(super) struct Lane(Option<Kept>);

struct Kept {
    sender: SendRequest<Full<Bytes>>,
    url: WebSocketUrl,
    remote_addr: Option<SocketAddr>,
    idle_since: Instant,
}

/// What is asked of a server, wherever it is asked.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Lane {
    /// Sends a request to where `course` leads. The answer is its head, with the body still to come.
    pub(super) async fn ask(
        &mut self,
        course: &Course<'_>,
        question: &Question,
        head_octets_max: usize,
    ) -> Result<Response<Incoming>, ConnectError> {
        let octets_max = head_octets_max.max(HEAD_OCTETS_MIN);
        let failed = |error| ConnectError::from(ExchangeError::of(error, octets_max));
        if let Some(mut kept) = self.0.take().filter(|kept| kept.is_fit_for(course.url()))
            && kept.sender.ready().await.is_ok()
        {
            match kept.sender.try_send_request(question.request(course)).await {
                Ok(response) => {
                    self.0 = Some(kept);
                    return Ok(response);
                }
                Err(mut error) => {
                    // Unless it is given back, the server may have heard of it.
                    if error.take_message().is_none() {
                        return Err(failed(error.into_error()));
                    }
                }
            }
        }
        let wire = course.connect(HttpVersion::Http1).await?;
        let remote_addr = wire.remote_addr();
        let mut builder = Builder::new();
        builder.max_buf_size(octets_max).title_case_headers(true);
        let (sender, connection) = builder.handshake(TokioIo::new(wire)).await.map_err(failed)?;
        // It ends with the lane and the answer's body, or tells both how it broke.
        tokio::spawn(async move { drop(connection.await) });
        let (url, idle_since) = (course.url().clone(), Instant::now());
        let kept = self.0.insert(Kept { sender, url, remote_addr, idle_since });
        kept.sender.send_request(question.request(course)).await.map_err(failed)
    }

    /// The body of the last answer has been read.
    pub(super) fn rest(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.idle_since = Instant::now();
        }
    }

    /// Of the server, if it was reached by TCP.
    pub(super) fn remote_addr(&self) -> Option<SocketAddr> {
        self.0.as_ref()?.remote_addr
    }
}

impl Kept {
    fn is_fit_for(&self, url: &WebSocketUrl) -> bool {
        self.url.has_same_origin(url) && self.idle_since.elapsed() < IDLE_MAX
    }
}

impl Question {
    fn request(&self, course: &Course<'_>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(course.url().path_and_query().clone());
        *request.headers_mut() = course.headers_with_host(&self.headers);
        request
    }
}

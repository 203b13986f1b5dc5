//! The server's side of the transport lab: plain polling, long polling and streaming, SockJS and
//! WebSocket, all of which echo, and the count of what their requests come to on the wire.
//!
//! `docs/lab.md` says what is measured and how, for the page and for whoever else measures.

mod limits;
mod mailbox;
mod receive;
mod runs;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidings::endpoint::{BoxError, EndpointConfig};
use tidings::server::{AllowedOrigins, Body, SockJsOptions};
use tidings::{App, BuildError};
use tower::Service;

use super::echo::Echo;
use limits::Limits;
use receive::{Format, Stream};
use runs::{Row, Runs, is_row_name};
use tally::{Asked, Brought};

const RUNS: &str = "/lab/runs";
/// The client's script for the pages in iframes, of the same version as in the lab's page.
const SOCKJS_URL: &str = "/vendor/sockjs-client-1.6.1/sockjs.min.js";
/// How long the body of one request may take to arrive.
const BODY_READ_TIMEOUT: Duration = Duration::from_secs(20);
/// How long sessions may take to end when the server stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The resources below `/lab/runs`.
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    runs: Arc<Runs>,
    limits: Arc<Limits>,
    /// What SockJS and WebSocket requests are passed on to, with paths that begin after the row's name.
    app: App,
}

/// Where a request leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target<'a> {
    Runs,
    Run(&'a str),
    Row { run: &'a str, row: &'a str, rest: &'a str },
}

impl Lab {
    pub(crate) fn new() -> Result<Self, BuildError> {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Result<Self, BuildError> {
        let config = EndpointConfig::new().sessions_max(limits.sessions_max);
        let options = SockJsOptions {
            sockjs_url: Some(SOCKJS_URL.to_owned()),
            endpoint: Some(config.clone()),
            ..SockJsOptions::default()
        };
        let app = App::builder()
            .endpoint_at_with("/websocket", config, |_| Echo)
            .sockjs_with_options("/sockjs", options, || Echo)
            .build()?;
        Ok(Self { runs: Arc::default(), limits: Arc::new(limits), app })
    }

    /// A service that answers what is the lab's, and leaves the rest to `rest`.
    pub(crate) fn before<S>(self, rest: S) -> Before<S> {
        Before { lab: self, rest }
    }

    /// Ends everything that goes on.
    pub(crate) async fn shut_down(&self) {
        self.runs.end_all();
        // What has not ended by then is left to the runtime.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.app.shut_down()).await;
    }

    /// Answers a request, or gives it back if its path is none of the lab's.
    async fn respond<B>(&self, request: Request<B>) -> Result<Response<Body>, Request<B>>
    where
        B: http_body::Body + Send + Unpin,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let path = request.uri().path().to_owned();
        let Some(target) = target(&path) else { return Err(request) };
        if !AllowedOrigins::SameOrigin.allow(request.headers()) {
            return Ok(foreign(request.headers()));
        }
        Ok(match target {
            Target::Runs if request.method() == Method::POST => self.begin(),
            Target::Runs => not_allowed("POST"),
            Target::Run(run) => self.run(request.method(), run),
            Target::Row { run, row, rest } => self.row(request, run, row, rest).await,
        })
    }

    fn begin(&self) -> Response<Body> {
        match self.runs.begin(&self.limits) {
            Ok(run) => json(StatusCode::CREATED, &serde_json::json!({ "run": run })),
            Err(_) => {
                text(StatusCode::SERVICE_UNAVAILABLE, "Too many are measuring; try again later.\n")
            }
        }
    }

    fn run(&self, method: &Method, id: &str) -> Response<Body> {
        let Some(run) = self.runs.find(id, &self.limits) else { return no_run() };
        match *method {
            Method::GET => {
                let rows: BTreeMap<_, _> = run
                    .rows()
                    .into_iter()
                    .map(|(name, row)| (String::from(name), row.tally().clone()))
                    .collect();
                json(StatusCode::OK, &serde_json::json!({ "rows": rows }))
            }
            Method::DELETE => {
                self.runs.end(id);
                empty(StatusCode::NO_CONTENT)
            }
            _ => not_allowed("GET, DELETE"),
        }
    }

    async fn row<B>(&self, request: Request<B>, run: &str, row: &str, rest: &str) -> Response<Body>
    where
        B: http_body::Body + Send + Unpin,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let Some(run) = self.runs.find(run, &self.limits) else { return no_run() };
        let Ok(row) = run.row(row, &self.limits) else {
            return text(StatusCode::FORBIDDEN, "There are too many rows in this run.\n");
        };
        if rest.is_empty() {
            // It is about the measurement, and so no part of it.
            return match *request.method() {
                Method::DELETE => {
                    row.mailbox.detach();
                    empty(StatusCode::NO_CONTENT)
                }
                _ => not_allowed("DELETE"),
            };
        }
        let (parts, body) = request.into_parts();
        let asked = Asked::count(&parts, &row);
        let body = Brought::new(body, &row);
        let response = match rest {
            "/messages" | "/poll" | "/wait" | "/stream" | "/events" => {
                self.plain(&parts, body, &row, rest).await
            }
            _ => self.pass_on(Request::from_parts(parts, body), rest).await,
        };
        asked.answer(response)
    }

    async fn plain<B>(&self, parts: &Parts, body: B, row: &Arc<Row>, rest: &str) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let (allowed, allow) =
            if rest == "/messages" { (Method::POST, "POST") } else { (Method::GET, "GET") };
        if parts.method != allowed {
            return not_allowed(allow);
        }
        let format = Format::Lines;
        let messages = match rest {
            "/messages" => return self.post(body, row).await,
            "/stream" => return self.stream(row, format),
            "/events" => return self.stream(row, Format::Events),
            "/poll" => row.mailbox.take(),
            _ => receive::wait(row, self.patience(parts.uri.query())).await,
        };
        if messages.is_empty() {
            return empty(StatusCode::NO_CONTENT);
        }
        answer(StatusCode::OK, format.content_type(), format.write(&messages))
    }

    async fn post<B>(&self, body: B, row: &Row) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let body = Limited::new(body, self.limits.message_octets_max).collect();
        let message = match tokio::time::timeout(BODY_READ_TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "The message is too long.\n");
            }
            _ => return text(StatusCode::BAD_REQUEST, "The message did not arrive as a whole.\n"),
        };
        if message.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
            return text(StatusCode::BAD_REQUEST, "A message is one line.\n");
        }
        match row.mailbox.post(message, &self.limits) {
            Ok(()) => empty(StatusCode::NO_CONTENT),
            Err(_) => {
                text(StatusCode::TOO_MANY_REQUESTS, "Too many messages wait to be fetched.\n")
            }
        }
    }

    fn stream(&self, row: &Arc<Row>, format: Format) -> Response<Body> {
        let stream = Stream::new(Arc::clone(row), format, &self.limits);
        let mut response = answer(StatusCode::OK, format.content_type(), Body::new(stream));
        // As SockJS streams and every other that knows nginx.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    /// How long a long poll waits: `timeout`, in milliseconds.
    fn patience(&self, query: Option<&str>) -> Duration {
        let pairs = query.unwrap_or_default().split('&');
        let asked = pairs.filter_map(|pair| pair.strip_prefix("timeout=")?.parse().ok()).next();
        asked.map_or(self.limits.wait_max, Duration::from_millis).min(self.limits.wait_max)
    }

    /// Has the application answer, as if the row's part of the path were not there.
    async fn pass_on<B>(&self, request: Request<B>, rest: &str) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        let query = parts.uri.query().map_or(String::new(), |query| format!("?{query}"));
        let Ok(path) = PathAndQuery::try_from(rest.to_owned() + &query) else { return nothing() };
        let mut uri = parts.uri.into_parts();
        uri.path_and_query = Some(path);
        let Ok(uri) = Uri::from_parts(uri) else { return nothing() };
        parts.uri = uri;
        let response = self.app.respond(Request::from_parts(parts, body)).await;
        response.unwrap_or_else(|_| nothing())
    }
}

fn target(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix(RUNS)?;
    if rest.is_empty() {
        return Some(Target::Runs);
    }
    let rest = rest.strip_prefix('/')?;
    let Some((run, rest)) = rest.split_once('/') else { return Some(Target::Run(rest)) };
    let (row, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    is_row_name(row).then_some(Target::Row { run, row, rest })
}

/// What is said to pages of others, and to our own behind a proxy that asks for another host.
fn foreign(headers: &http::HeaderMap) -> Response<Body> {
    let value = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let body = format!(
        "The page is of {}, and the request was for {}: that is another origin.\n",
        value(ORIGIN).unwrap_or("an unknown origin"),
        value(HOST).unwrap_or("an unknown host"),
    );
    answer(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", body)
}

fn no_run() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "There is no such run, or not any more.\n")
}

fn nothing() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "Nothing is here.\n")
}

fn not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    answer(status, "application/json", value.to_string())
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = empty(status).map(|_| body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let no_store = HeaderValue::from_static("no-store, no-transform");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

/// The lab, and what else there is.
#[derive(Clone, Debug)]
pub(crate) struct Before<S> {
    lab: Lab,
    rest: S,
}

impl<S, B> Service<Request<B>> for Before<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body + Send + Unpin + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.rest.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { lab, mut rest } = self.clone();
        Box::pin(async move {
            match lab.respond(request).await {
                Ok(response) => Ok(response),
                Err(request) => rest.call(request).await,
            }
        })
    }
}

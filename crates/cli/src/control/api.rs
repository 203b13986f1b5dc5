use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::{Deserialize, Serialize};
use tidings::queues::{self, QueueError, QueueStats, QueuedMessage, Queues, Which};

/// Messages of one answer at most, so that none needs more memory than a queue may have.
pub(crate) const SHOWN_MAX: u16 = 10_000;

const REQUEST_OCTETS_MAX: usize = 64 * 1024;

/// One queue, as `GET /api/queues` lists it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct QueueRow {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) ready: usize,
    pub(crate) unsettled: usize,
    pub(crate) delayed: usize,
    pub(crate) consumers: usize,
    pub(crate) octets: usize,
}

/// One message, as `GET /api/queues/NAME/messages` lists it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ShownMessage {
    pub(crate) id: String,
    pub(crate) destination: String,
    pub(crate) deliveries: u32,
    pub(crate) headers: Vec<(String, String)>,
    /// How long the body is.
    pub(crate) body_octets: usize,
    /// The body, if it is text.
    pub(crate) body: Option<String>,
    /// The body in hexadecimal digits, if it is none.
    pub(crate) body_hex: Option<String>,
}

/// What `DELETE /api/queues/NAME/messages` answers.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Purged {
    pub(crate) purged: usize,
}

/// What `DELETE /api/queues/NAME` answers: what the queue had.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Deleted {
    pub(crate) messages: usize,
    pub(crate) consumers: usize,
}

/// What `POST /api/queues/NAME/move` takes.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct MoveRequest {
    /// Where to; without it, back to where each message came from.
    pub(crate) to: Option<String>,
    /// How many at most; without it, all.
    pub(crate) limit: Option<usize>,
    /// The id of the only one.
    pub(crate) message: Option<String>,
}

/// What `POST /api/queues/NAME/move` answers.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Moved {
    pub(crate) moved: usize,
    /// How many the queue has left, whoever has them.
    pub(crate) left: usize,
    /// How many of these a consumer has.
    pub(crate) unsettled: usize,
    /// How many of these wait for their time.
    pub(crate) delayed: usize,
}

/// What went wrong.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Problem {
    pub(crate) error: String,
}

/// The path of a queue, or of something of it.
pub(crate) fn path_of(queue: &str, of: &str) -> String {
    let mut path = String::from("/api/queues/");
    for octet in queue.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            path.push(char::from(octet));
        } else {
            path.push_str(&format!("%{octet:02X}"));
        }
    }
    path + of
}

/// Answers a request.
pub(crate) async fn answer<B>(queues: &Queues, request: Request<B>) -> Response<Full<Bytes>>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let path: Vec<&str> = parts.uri.path().trim_start_matches('/').split('/').collect();
    let Some((queue, of)) = target(&path) else {
        return problem(StatusCode::NOT_FOUND, "nothing is here");
    };
    let Some(queue) = queue else {
        return if parts.method == Method::GET {
            let rows: Vec<QueueRow> = queues.list().into_iter().map(QueueRow::from).collect();
            json(StatusCode::OK, &rows)
        } else {
            problem(StatusCode::METHOD_NOT_ALLOWED, "queues can only be listed")
        };
    };
    match (&parts.method, of) {
        (&Method::GET, "messages") => {
            let max = usize::from(SHOWN_MAX);
            let limit = limit(parts.uri.query()).unwrap_or(max).min(max);
            let shown = |found: Vec<QueuedMessage>| {
                found.into_iter().map(ShownMessage::from).collect::<Vec<_>>()
            };
            outcome(queues.browse(&queue, limit).map(shown))
        }
        (&Method::DELETE, "") => outcome(queues.delete(&queue).await.map(Deleted::from)),
        (&Method::DELETE, "messages") => {
            outcome(queues.purge(&queue).await.map(|purged| Purged { purged }))
        }
        (&Method::POST, "move") => {
            let body = Limited::new(body, REQUEST_OCTETS_MAX).collect().await;
            let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
                return problem(StatusCode::BAD_REQUEST, "the request has no readable body");
            };
            let MoveRequest { to, limit, message } = match serde_json::from_slice(&body) {
                Ok(request) => request,
                Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
            };
            let first = Which::First(limit.unwrap_or(usize::MAX));
            let which = message.map_or(first, Which::WithId);
            let moved = queues.move_messages(&queue, to.as_deref(), &which).await;
            outcome(moved.map(Moved::from))
        }
        _ => problem(StatusCode::METHOD_NOT_ALLOWED, "this cannot be done to a queue"),
    }
}

/// The queue that a path is about, if it is about one, and what of it.
fn target<'p>(path: &[&'p str]) -> Option<(Option<String>, &'p str)> {
    match path {
        ["api", "queues"] => Some((None, "")),
        ["api", "queues", name] => Some((Some(decoded(name)?), "")),
        ["api", "queues", name, of @ ("messages" | "move")] => Some((Some(decoded(name)?), *of)),
        _ => None,
    }
}

fn decoded(segment: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            octet => octet,
        });
    }
    String::from_utf8(octets).ok()
}

fn limit(query: Option<&str>) -> Option<usize> {
    query?.split('&').find_map(|pair| pair.strip_prefix("limit="))?.parse().ok()
}

fn outcome(outcome: Result<impl Serialize, QueueError>) -> Response<Full<Bytes>> {
    match outcome {
        Ok(value) => json(StatusCode::OK, &value),
        Err(error) => {
            let status = match error {
                QueueError::NoSuchQueue { .. } => StatusCode::NOT_FOUND,
                QueueError::InvalidName(_) => StatusCode::BAD_REQUEST,
                QueueError::NotMoved { .. } => StatusCode::CONFLICT,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            let mut text = error.to_string();
            if let QueueError::NoSuchQueue { .. } = error {
                text += if text.ends_with('?') { " " } else { "; " };
                text += "`tidings queues` lists all that there are";
            }
            problem(status, &text)
        }
    }
}

fn problem(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    json(status, &Problem { error: error.to_owned() })
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(value).expect("what the API answers can be written as JSON");
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

impl From<QueueStats> for QueueRow {
    fn from(stats: QueueStats) -> Self {
        Self {
            kind: stats.kind.to_string(),
            name: stats.name,
            ready: stats.ready,
            unsettled: stats.unsettled,
            delayed: stats.delayed,
            consumers: stats.consumers,
            octets: stats.octets,
        }
    }
}

impl From<queues::Moved> for Moved {
    fn from(done: queues::Moved) -> Self {
        let queues::Moved { moved, left, unsettled, delayed, .. } = done;
        Self { moved, left, unsettled, delayed }
    }
}

impl From<queues::Deleted> for Deleted {
    fn from(had: queues::Deleted) -> Self {
        Self { messages: had.messages, consumers: had.consumers }
    }
}

impl From<QueuedMessage> for ShownMessage {
    fn from(message: QueuedMessage) -> Self {
        let body = String::from_utf8(message.body.to_vec()).ok();
        let hex = || message.body.iter().map(|octet| format!("{octet:02x}")).collect();
        Self {
            body_hex: body.is_none().then(hex),
            body,
            body_octets: message.body.len(),
            id: message.id,
            destination: message.destination,
            deliveries: message.deliveries,
            headers: message.headers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_queue_is_one_segment_of_a_path() {
        for name in ["/queue/a", "/queue/größe/x y", "/dsub/me/100%"] {
            let path = path_of(name, "/messages");
            let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            assert_eq!(target(&segments), Some((Some(name.to_owned()), "messages")), "{path}");
            let path = path_of(name, "");
            let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
            assert_eq!(target(&segments), Some((Some(name.to_owned()), "")), "{path}");
        }
        assert_eq!(decoded("%2"), None);
        assert_eq!(decoded("%zz"), None);
    }
}

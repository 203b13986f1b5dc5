use http::{HeaderMap, Method, StatusCode};
use tidings_broker::{
    HistoryPosition, InvalidHeader, Kind, Owner, Rewind, SubscribeError, SubscribeOptions,
};
use tidings_stomp::Headers;

use super::event::{EventFormat, Positions};
use crate::endpoint::Handshake;
use crate::hub::Hub;
use crate::near_names::near_names;

/// What a client asks to be streamed.
#[derive(Debug)]
pub(super) struct StreamRequest {
    pub(super) destinations: Vec<String>,
    pub(super) format: EventFormat,
    /// Where it has stopped, if it comes back.
    pub(super) last: Option<Positions>,
    options: SubscribeOptions,
}

/// Why a request is refused, for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Problem {
    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: text.into() }
    }
}

/// The parameters of a stream.
const PARAMETERS: [&str; 6] =
    ["destination", "format", "last-event-id", "history", "selector", "presence-info"];

/// What polyfills of `EventSource` call `last-event-id`, which cannot send the header.
const POLYFILL_LAST_EVENT_ID: &str = "lastEventId";

/// The methods that there is an answer for.
pub(super) const ALLOW: &str = "GET, HEAD, OPTIONS";

impl StreamRequest {
    /// Reads the query and the header fields of a request.
    pub(super) fn parse(
        handshake: &Handshake,
        headers: &HeaderMap,
        destinations_max: usize,
    ) -> Result<Self, Problem> {
        let mut destinations = Vec::new();
        let mut format = EventFormat::default();
        let mut last = None;
        let mut wishes = Headers::default();
        for (name, value) in handshake.query_pairs() {
            match &*name {
                "destination" => {
                    destinations.extend(split(&value));
                    if destinations.len() > destinations_max {
                        let text = format!("At most {destinations_max} destinations are allowed.");
                        return Err(Problem::bad_request(text));
                    }
                }
                "format" => {
                    let wrong = || Problem::bad_request("format is `text` or `json`.");
                    format = EventFormat::named(&value).ok_or_else(wrong)?;
                }
                "last-event-id" | POLYFILL_LAST_EVENT_ID => last = Some(value.into_owned()),
                "history" | "selector" | "presence-info" => wishes.push(&name, &value),
                // Others may be an authenticator's, or keep a cache away.
                other => check_spelling(other)?,
            }
        }
        if destinations.is_empty() {
            let advice = "Say which: ?destination=/topic/NAME, more than once for several.";
            return Err(Problem::bad_request(format!("A destination is missing. {advice}")));
        }
        // A browser that reconnects sends it, to the URL with which it had begun.
        let reconnected = headers.get("last-event-id").and_then(|it| it.to_str().ok());
        let last = reconnected.map(str::to_owned).or(last);
        let last = last.map(|it| Positions::parse(&it, destinations.len()));
        let options = SubscribeOptions::from_headers(&wishes, "", "", &Owner::default());
        let options = options.map_err(|error| match error {
            SubscribeError::InvalidHeader(InvalidHeader { name, value, expected }) => {
                let text =
                    format!("The parameter {name} has the value {value:?}, expected {expected}.");
                Problem::bad_request(text)
            }
            error => Problem::bad_request(format!("{error}.")),
        })?;
        Ok(Self { destinations, format, last, options })
    }

    /// Whether all destinations can be streamed.
    pub(super) fn check(&self, hub: &Hub) -> Result<(), Problem> {
        let applications = &hub.broker().options().other_prefixes;
        for destination in &self.destinations {
            if applications.iter().any(|prefix| destination.starts_with(prefix.as_str())) {
                let why =
                    "a handler of the application answers it, once, and nothing is published there";
                let advice = "Subscribe to it by STOMP, or stream /topic/NAME.";
                let text = format!("{destination} cannot be streamed: {why}. {advice}");
                return Err(Problem::bad_request(text));
            }
            let kind = hub.kind(destination);
            match kind.map_err(|error| Problem::bad_request(format!("{error}.")))? {
                Kind::Topic | Kind::Presence | Kind::User => {}
                kind => {
                    let why = "its messages have to be acknowledged, which a stream cannot";
                    let text = format!("{destination} is a {kind}: {why}. Subscribe by STOMP.");
                    return Err(Problem::bad_request(text));
                }
            }
        }
        Ok(())
    }

    /// What is asked of one destination.
    pub(super) fn options(&self, destination: usize) -> SubscribeOptions {
        let mut options = self.options.clone();
        if let Some(last) = &self.last {
            // It has been away, so it is told also where nothing can be recovered.
            let nowhere = || HistoryPosition { epoch: "".into(), offset: 0 };
            let position = last.get(destination).cloned().unwrap_or_else(nowhere);
            options.rewind = Some(Rewind::After(position));
        }
        options
    }
}

/// Refuses what is nearly the name of a parameter.
fn check_spelling(name: &str) -> Result<(), Problem> {
    // No name is near that is much longer.
    let name: String = name.chars().take(100).collect();
    match near_names(&name, PARAMETERS.map(str::to_owned)).first() {
        Some(near) => {
            let text = format!("There is no parameter {name:?}. Did you mean {near}?");
            Err(Problem::bad_request(text))
        }
        None => Ok(()),
    }
}

/// The destinations in one parameter: a comma before a slash separates them, as in STOMP.
fn split(value: &str) -> impl Iterator<Item = String> {
    let mut parts = value.split(",/");
    let first = parts.next().map(str::to_owned);
    first.into_iter().chain(parts.map(|part| format!("/{part}")))
}

/// Whether a request is for the stream itself.
pub(super) fn begins_stream(method: &Method) -> bool {
    *method == Method::GET
}

use std::fmt::{self, Write};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tidings_broker::{Destination, HistoryPosition, Message, Recovery};
use tidings_stomp::Headers;

/// What the data of an event is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EventFormat {
    /// The body.
    #[default]
    Text,
    /// An object with the headers and the body.
    Json,
}

impl EventFormat {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// A message for event streams: encoded at most once for each format.
#[derive(Debug)]
pub(crate) struct SharedEvent<'m> {
    message: &'m Arc<Message>,
    /// As its subscribers know it.
    destination: &'m Destination,
    text: OnceLock<Bytes>,
    json: OnceLock<Bytes>,
}

impl<'m> SharedEvent<'m> {
    pub(crate) fn new(message: &'m Arc<Message>, destination: &'m Destination) -> Self {
        Self { message, destination, text: OnceLock::new(), json: OnceLock::new() }
    }

    /// Its place in the history of its destination, which its id tells.
    pub(super) fn position(&self) -> Option<HistoryPosition> {
        self.message.position()
    }

    /// Everything of the event but its id.
    pub(super) fn lines(&self, format: EventFormat) -> &Bytes {
        match format {
            EventFormat::Text => self.text.get_or_init(|| text_lines(self.message)),
            EventFormat::Json => {
                self.json.get_or_init(|| json_lines(self.message, self.destination))
            }
        }
    }
}

/// The body as data. One that is no text is the data of an event `binary`, in Base64.
fn text_lines(message: &Message) -> Bytes {
    let mut lines = String::with_capacity(message.body.len() + 16);
    match std::str::from_utf8(&message.body) {
        Ok(text) => push_data(&mut lines, text),
        Err(_) => {
            lines.push_str("event: binary\n");
            push_data(&mut lines, &STANDARD.encode(&message.body));
        }
    }
    lines.push('\n');
    lines.into()
}

fn json_lines(message: &Message, destination: &Destination) -> Bytes {
    let text = std::str::from_utf8(&message.body).ok();
    let base64 = text.is_none().then(|| STANDARD.encode(&message.body));
    let object = MessageObject {
        destination: destination.as_str(),
        message_id: message.message_id.as_str(),
        headers: &message.headers,
        body: text,
        base64,
    };
    data_of(&object)
}

/// An event whose data is this value.
fn data_of(value: &impl Serialize) -> Bytes {
    // JSON has no line ends of its own.
    let data = serde_json::to_string(value).expect("it has nothing but texts");
    format!("data: {data}\n\n").into()
}

/// What a message is in JSON.
#[derive(Serialize)]
struct MessageObject<'a> {
    destination: &'a str,
    #[serde(rename = "messageId")]
    message_id: &'a str,
    #[serde(serialize_with = "headers_object")]
    headers: &'a Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Of repeated headers the first one holds.
fn headers_object<S: Serializer>(headers: &Headers, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (at, (name, value)) in headers.iter().enumerate() {
        if headers.iter().take(at).all(|(earlier, _)| earlier != name) {
            map.serialize_entry(name, value)?;
        }
    }
    map.end()
}

/// Data of several lines is several fields. Any line end becomes a line feed at the client.
fn push_data(lines: &mut String, text: &str) {
    let mut rest = text;
    loop {
        let end = rest.find(['\r', '\n']);
        lines.push_str("data: ");
        lines.push_str(&rest[..end.unwrap_or(rest.len())]);
        lines.push('\n');
        let Some(end) = end else { return };
        let ends_in_two = rest[end..].starts_with("\r\n");
        rest = &rest[end + 1 + usize::from(ends_in_two)..];
    }
}

/// What a browser is told first: when to come back, and where it stands.
pub(super) fn first_lines(retry_milliseconds: u128, positions: &Positions) -> String {
    format!("retry: {retry_milliseconds}\n{positions}\n")
}

/// The event that says whether a destination could be recovered, if that was asked for.
pub(super) fn recovered(destination: &str, recovery: Recovery) -> Option<Bytes> {
    let recovered = match recovery {
        Recovery::NotAsked => return None,
        Recovery::Complete => true,
        Recovery::Incomplete => false,
    };
    #[derive(Serialize)]
    struct Recovered<'a> {
        destination: &'a str,
        recovered: bool,
    }
    let data = data_of(&Recovered { destination, recovered });
    Some([b"event: recovered\n", &data[..]].concat().into())
}

/// How far a stream is with the histories of its destinations. Shown as the field `id` of an event, which comes
/// back as `Last-Event-ID`. A destination without a history has `-`: its client is told that too when it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Positions(Box<[Option<HistoryPosition>]>);

impl Positions {
    /// Those of a client that comes back; none of a text that something else has made.
    pub(super) fn parse(text: &str, destinations: usize) -> Self {
        let parts: Vec<&str> = text.trim().split(',').collect();
        if parts.len() != destinations {
            return Self::none(destinations);
        }
        Self(parts.into_iter().map(|part| part.parse().ok()).collect())
    }

    pub(super) fn none(destinations: usize) -> Self {
        Self(vec![None; destinations].into())
    }

    pub(super) fn get(&self, destination: usize) -> Option<&HistoryPosition> {
        self.0.get(destination)?.as_ref()
    }

    pub(super) fn set(&mut self, destination: usize, position: Option<HistoryPosition>) {
        if let Some(place) = self.0.get_mut(destination) {
            *place = position;
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, position) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "id: " } else { "," })?;
            match position {
                Some(position) => write!(f, "{position}")?,
                None => f.write_char('-')?,
            }
        }
        f.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_fields_of_their_own() {
        let check = |text: &str, expected: &str| {
            let mut lines = String::new();
            push_data(&mut lines, text);
            assert_eq!(lines, expected, "{text:?}");
        };
        check("", "data: \n");
        check(" a:b", "data:  a:b\n");
        check("a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n");
        check("\r\r\n\n", "data: \ndata: \ndata: \ndata: \n");
        check("id: 7\n\ndata: forged", "data: id: 7\ndata: \ndata: data: forged\n");
    }

    #[test]
    fn positions_come_back_as_they_were_told() {
        let mut positions = Positions::none(3);
        assert_eq!(positions.to_string(), "id: -,-,-\n");
        positions.set(0, Some("a-1:7".parse().unwrap()));
        positions.set(2, Some("a-2:0".parse().unwrap()));
        assert_eq!(positions.to_string(), "id: a-1:7,-,a-2:0\n");
        assert_eq!(Positions::parse("a-1:7,-,a-2:0", 3), positions);
    }

    #[test]
    fn positions_of_something_else_are_none() {
        for (text, destinations) in [("", 1), ("x", 1), ("a-1:7,a-2:0", 1), ("a-1:7", 2)] {
            let positions = Positions::parse(text, destinations);
            assert_eq!(positions, Positions::none(destinations), "{text}");
        }
    }

    #[test]
    fn what_could_be_recovered_is_told_in_json() {
        let event = recovered("/topic/\"a\"", Recovery::Incomplete);
        let expected = "event: recovered\ndata: {\"destination\":\"/topic/\\\"a\\\"\",\"recovered\":false}\n\n";
        assert_eq!(event.unwrap(), expected);
        assert_eq!(recovered("/topic/a", Recovery::NotAsked), None);
    }
}

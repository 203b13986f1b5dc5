use std::error::Error;
use std::fmt;

use serde_json::{Value, json};

use crate::{TransportType, Transports};

/// What a service can do, as `/info` tells it.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::Info;
///
/// let info = Info { entropy: 2_187_431_903, ..Info::default() };
/// assert_eq!(Info::from_json(info.to_json().as_bytes()), Ok(info));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Whether the WebSocket transports are on. The default is `true`.
    pub websocket: bool,
    /// Whether a load balancer wants cookies, so that transports which cannot send them must not
    /// be used. The default is `false`.
    pub cookie_needed: bool,
    /// Fixed by the standard as `*:*`, and read by nobody. Left out when it is empty.
    pub origins: Vec<String>,
    /// To be drawn for every answer from a strong source, for clients that have none. The default
    /// is 0.
    pub entropy: u32,
    /// The transports that are on. The default is all of them, also for an answer that does not tell, as
    /// those of the standard don't.
    pub transports: Transports,
    /// Where the transports are to be found, if not where `/info` was. The default is `None`.
    pub base_url: Option<String>,
}

impl Info {
    /// The body of the answer.
    pub fn to_json(&self) -> String {
        let mut object = json!({
            "websocket": self.websocket,
            "cookie_needed": self.cookie_needed,
            "entropy": self.entropy,
            "transports": self.transports.iter().map(TransportType::name).collect::<Vec<_>>(),
        });
        if !self.origins.is_empty() {
            object["origins"] = json!(self.origins);
        }
        if let Some(base_url) = &self.base_url {
            object["base_url"] = json!(base_url);
        }
        object.to_string()
    }

    /// Reads an answer as clients do: what is missing or of another type counts as its default, and
    /// what is unknown is ignored.
    ///
    /// # Errors
    ///
    /// [`InfoError`] unless it is a JSON object.
    pub fn from_json(json: &[u8]) -> Result<Self, InfoError> {
        let Ok(Value::Object(object)) = serde_json::from_slice(json) else {
            return Err(InfoError);
        };
        let default = Self::default();
        let flag = |name| object.get(name).and_then(Value::as_bool);
        let array = |name| object.get(name).and_then(Value::as_array);
        let (origins, transports) = (array("origins"), array("transports"));
        Ok(Self {
            websocket: flag("websocket").unwrap_or(default.websocket),
            cookie_needed: flag("cookie_needed").unwrap_or(default.cookie_needed),
            origins: origins.map_or_else(Vec::new, |origins| {
                origins.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }),
            entropy: object.get("entropy").and_then(entropy).unwrap_or(default.entropy),
            transports: transports.map_or(default.transports, |names| {
                let is_named = |it: &TransportType| names.iter().any(|name| *name == it.name());
                Transports::only(TransportType::ALL.into_iter().filter(is_named))
            }),
            base_url: object.get("base_url").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

impl Default for Info {
    fn default() -> Self {
        Self {
            websocket: true,
            cookie_needed: false,
            origins: vec!["*:*".to_owned()],
            entropy: 0,
            transports: Transports::default(),
            base_url: None,
        }
    }
}

/// An answer of `/info` is not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoError;

impl fmt::Display for InfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a JSON object")
    }
}

impl Error for InfoError {}

/// Spring draws it as a signed number, of the same 32 bits.
fn entropy(value: &Value) -> Option<u32> {
    let number = value.as_i64()?;
    u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_fields_of_the_standard() {
        let info = Info { entropy: u32::MAX, ..Info::default() };
        let json: Value = serde_json::from_str(&info.to_json()).unwrap();
        let expected = json!({
            "websocket": true,
            "cookie_needed": false,
            "origins": ["*:*"],
            "entropy": 4_294_967_295_u32,
            "transports": [
                "websocket",
                "websocket-raw",
                "xhr-streaming",
                "eventsource",
                "htmlfile",
                "xhr-polling",
                "jsonp-polling",
            ],
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn base_url_is_there_if_it_is_set_and_origins_if_there_are_any() {
        let base_url = Some("https://example.org/\"echo\"".to_owned());
        let info = Info { base_url, origins: Vec::new(), ..Info::default() };
        let json: Value = serde_json::from_str(&info.to_json()).unwrap();
        assert_eq!(json["base_url"], "https://example.org/\"echo\"");
        assert_eq!(json.get("origins"), None);
        assert_eq!(Info::from_json(info.to_json().as_bytes()), Ok(info));
    }

    #[test]
    fn what_is_missing_or_strange_counts_as_its_default() {
        let none = Info { origins: Vec::new(), ..Info::default() };
        assert_eq!(Info::from_json(b"{}"), Ok(none.clone()));
        let flags = br#"{"websocket":0,"cookie_needed":"","transports":{}}"#;
        assert_eq!(Info::from_json(flags), Ok(none.clone()));
        let others = br#"{"origins":1,"entropy":"x","base_url":{}}"#;
        assert_eq!(Info::from_json(others), Ok(none));
    }

    #[test]
    fn transports_that_are_off_are_not_listed() {
        let transports = Transports::only([TransportType::XhrPolling, TransportType::WebSocket]);
        let info = Info { transports, ..Info::default() };
        assert_eq!(Info::from_json(info.to_json().as_bytes()), Ok(info));
        let unknown = Info::from_json(br#"{"transports":["xhr-polling","telegraph"]}"#).unwrap();
        assert_eq!(unknown.transports, Transports::only([TransportType::XhrPolling]));
    }

    #[test]
    fn negative_entropy_keeps_its_bits() {
        let info = Info::from_json(br#"{"entropy":-1,"websocket":false}"#).unwrap();
        assert_eq!(info.entropy, u32::MAX);
        assert!(!info.websocket);
        assert_eq!(Info::from_json(br#"{"entropy":4294967296}"#).unwrap().entropy, 0);
    }

    #[test]
    fn only_an_object_is_an_answer() {
        for json in [&b""[..], b"[]", b"null", b"{", b"\xff"] {
            assert_eq!(Info::from_json(json), Err(InfoError));
        }
    }
}

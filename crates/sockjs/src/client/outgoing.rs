use std::collections::VecDeque;

use crate::encode_array;

/// Octets of the messages of one request, unless it is one message: 256 KiB. Servers and proxies limit bodies,
/// often to 1 MB, and a character may take six in JSON.
const BODY_OCTETS_MAX: usize = 256 * 1024;

/// Messages of one request: 1,000. Servers limit these too.
const BODY_MESSAGES_MAX: usize = 1000;

/// Messages on their way to a server by requests, of which one is made at a time: what comes meanwhile goes
/// with the next one.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::client::Outgoing;
///
/// let mut outgoing = Outgoing::default();
/// outgoing.push("a".to_owned());
/// assert_eq!(outgoing.next_body().as_deref(), Some(r#"["a"]"#));
/// outgoing.push("b".to_owned());
/// outgoing.push("c".to_owned());
/// assert_eq!(outgoing.next_body(), None);
/// outgoing.handle_sent();
/// assert_eq!(outgoing.next_body().as_deref(), Some(r#"["b","c"]"#));
/// ```
#[derive(Debug, Default)]
pub struct Outgoing {
    waiting: VecDeque<String>,
    octets: usize,
    request: Request,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Request {
    #[default]
    None,
    UnderWay,
}

impl Outgoing {
    /// Queues a message.
    pub fn push(&mut self, message: String) {
        self.octets += cost(&message);
        self.waiting.push_back(message);
    }

    /// Octets of the messages that no request has taken, with those that even an empty one takes.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The body of the request to be made now.
    pub fn next_body(&mut self) -> Option<String> {
        if self.request == Request::UnderWay || self.waiting.is_empty() {
            return None;
        }
        self.request = Request::UnderWay;
        let taken: Vec<String> = self.waiting.drain(..self.fitting()).collect();
        self.octets -= taken.iter().map(|message| cost(message)).sum::<usize>();
        let mut frame = Vec::new();
        encode_array(taken, &mut frame);
        // A frame is the array behind a letter.
        let body = frame.get(1..).unwrap_or_default();
        Some(String::from_utf8_lossy(body).into_owned())
    }

    /// Takes in that the server has what the last request brought.
    pub fn handle_sent(&mut self) {
        self.request = Request::None;
    }

    /// Whether everything has arrived.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.request == Request::None
    }

    /// How many messages go into one request: at least one.
    fn fitting(&self) -> usize {
        let mut octets = 0;
        let fits = |message: &&String| {
            octets += message.len();
            octets <= BODY_OCTETS_MAX
        };
        self.waiting.iter().take(BODY_MESSAGES_MAX).take_while(fits).count().max(1)
    }
}

fn cost(message: &str) -> usize {
    message.len() + size_of::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_without_messages() {
        let mut outgoing = Outgoing::default();
        assert!(outgoing.is_empty());
        assert_eq!(outgoing.next_body(), None);
        outgoing.push("ab".to_owned());
        assert_eq!((outgoing.octets(), outgoing.is_empty()), (2 + size_of::<String>(), false));
        assert!(outgoing.next_body().is_some());
        assert_eq!((outgoing.octets(), outgoing.is_empty()), (0, false));
        outgoing.handle_sent();
        assert!(outgoing.is_empty());
    }

    /// How many messages each request brings.
    fn requests(messages: impl IntoIterator<Item = String>) -> Vec<usize> {
        let mut outgoing = Outgoing::default();
        messages.into_iter().for_each(|message| outgoing.push(message));
        let mut requests = Vec::new();
        while let Some(body) = outgoing.next_body() {
            requests.push(body.matches("\",\"").count() + 1);
            outgoing.handle_sent();
        }
        assert_eq!((outgoing.octets(), outgoing.is_empty()), (0, true));
        requests
    }

    #[test]
    fn a_request_brings_no_more_than_servers_take() {
        assert_eq!(requests((0..2500).map(|number| number.to_string())), [1000, 1000, 500]);
        let half = || "a".repeat(BODY_OCTETS_MAX / 2);
        assert_eq!(requests([half(), half(), half()]), [2, 1]);
        let long = || "a".repeat(BODY_OCTETS_MAX + 1);
        assert_eq!(requests([long(), half(), long()]), [1, 1, 1]);
    }
}

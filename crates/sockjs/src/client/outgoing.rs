use crate::encode_array;

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
    waiting: Vec<String>,
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
        self.octets += message.len() + size_of::<String>();
        self.waiting.push(message);
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
        self.octets = 0;
        let mut frame = Vec::new();
        encode_array(std::mem::take(&mut self.waiting), &mut frame);
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
}

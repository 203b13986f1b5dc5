use std::error::Error;
use std::fmt;

/// Takes frames out of the body of a response, wherever that is cut.
///
/// Lines may end with CRLF or LF; empty ones are skipped.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::client::FrameReader;
///
/// let mut reader = FrameReader::events(1024);
/// reader.push(b"\r\ndata: a[\"100%25\"]\r");
/// assert_eq!(reader.next_frame(), Ok(None));
/// reader.push(b"\n\r\n");
/// assert_eq!(reader.next_frame(), Ok(Some("a[\"100%\"]".to_owned())));
/// ```
#[derive(Debug)]
pub struct FrameReader {
    encoding: Encoding,
    frame_octets_max: usize,
    received: Vec<u8>,
    /// Up to where there is no line feed.
    searched: usize,
    /// Lines of an event that has not ended.
    data: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// A line is a frame.
    Lines,
    /// Server-sent events, whose data are frames.
    Events,
}

/// A frame has more octets than it may, given here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong(pub usize);

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame has more than {} octets", self.0)
    }
}

impl Error for FrameTooLong {}

impl FrameReader {
    /// For the responses of `xhr` and `xhr_streaming`.
    pub fn lines(frame_octets_max: usize) -> Self {
        Self::new(Encoding::Lines, frame_octets_max)
    }

    /// For the responses of `eventsource`.
    pub fn events(frame_octets_max: usize) -> Self {
        Self::new(Encoding::Events, frame_octets_max)
    }

    fn new(encoding: Encoding, frame_octets_max: usize) -> Self {
        Self { encoding, frame_octets_max, received: Vec::new(), searched: 0, data: None }
    }

    /// Takes in a part of the body.
    pub fn push(&mut self, octets: &[u8]) {
        self.received.extend_from_slice(octets);
    }

    /// The next frame, if all of it is here. What is not UTF-8 in it becomes U+FFFD.
    ///
    /// # Errors
    ///
    /// [`FrameTooLong`]; the response is of no more use then.
    pub fn next_frame(&mut self) -> Result<Option<String>, FrameTooLong> {
        while let Some(line) = self.next_line()? {
            match self.encoding {
                Encoding::Lines if line.is_empty() => {}
                Encoding::Lines => return Ok(Some(line)),
                Encoding::Events => {
                    if let Some(frame) = self.take_line(&line)? {
                        return Ok(Some(frame));
                    }
                }
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<Option<String>, FrameTooLong> {
        let found = self.received.iter().skip(self.searched).position(|octet| *octet == b'\n');
        let Some(end) = found.map(|at| self.searched + at) else {
            self.searched = self.received.len();
            return self.check(self.received.len()).map(|()| None);
        };
        let line = self.received.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.check(line.len())?;
        let line = String::from_utf8_lossy(line).into_owned();
        self.received.drain(..=end);
        self.searched = 0;
        Ok(Some(line))
    }

    /// A line of an event stream: the HTML standard, section 9.2.6.
    fn take_line(&mut self, line: &str) -> Result<Option<String>, FrameTooLong> {
        if line.is_empty() {
            let data = self.data.take().filter(|data| !data.is_empty());
            return Ok(data.map(|data| percent_decoded(&data)));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            let data = match self.data.take() {
                None => value.to_owned(),
                Some(data) => data + "\n" + value,
            };
            self.check(data.len())?;
            self.data = Some(data);
        }
        Ok(None)
    }

    fn check(&self, octets: usize) -> Result<(), FrameTooLong> {
        match octets > self.frame_octets_max {
            true => Err(FrameTooLong(self.frame_octets_max)),
            false => Ok(()),
        }
    }
}

/// Servers encode what would end an event, and percent signs; some encode nothing, so what is no encoding stays.
fn percent_decoded(data: &str) -> String {
    let digit = |octet: Option<&u8>| octet.and_then(|octet| char::from(*octet).to_digit(16));
    let octets = data.as_bytes();
    let mut decoded = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let digits = digit(octets.get(at + 1)).zip(digit(octets.get(at + 2)));
        match digits.filter(|_| *octet == b'%') {
            Some((high, low)) => {
                decoded.extend(u8::try_from(high << 4 | low));
                at += 3;
            }
            None => {
                decoded.push(*octet);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All frames, however the body is cut.
    fn frames(new: fn(usize) -> FrameReader, body: &[u8]) -> Vec<String> {
        let read = |part_len: usize| {
            let (mut reader, mut frames) = (new(100), Vec::new());
            for part in body.chunks(part_len) {
                reader.push(part);
                while let Some(frame) = reader.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            frames
        };
        let whole = read(body.len());
        for part_len in 1..body.len() {
            assert_eq!(read(part_len), whole, "in parts of {part_len}");
        }
        whole
    }

    #[test]
    fn lines_are_frames_wherever_they_are_cut() {
        let body = "hhh\no\n\na[\"é\"]\r\nc[3000,\"\"]\nnot ended".as_bytes();
        assert_eq!(frames(FrameReader::lines, body), ["hhh", "o", "a[\"é\"]", "c[3000,\"\"]"]);
        assert_eq!(frames(FrameReader::lines, b"a\xff\n"), ["a\u{fffd}"]);
    }

    #[test]
    fn the_data_of_events_are_frames() {
        let body = b"\r\ndata: o\r\n\r\n: comment\r\nevent: x\r\ndata:h\r\n\r\ndata\r\n\r\n";
        assert_eq!(frames(FrameReader::events, body), ["o", "h"]);
        assert_eq!(frames(FrameReader::events, b"data: a\ndata: b\n\n"), ["a\nb"]);
    }

    #[test]
    fn what_is_percent_encoded_is_decoded_and_nothing_else() {
        let body = b"data: 100%25 %2541 %41 % %4 %zz %C3%A9\n\n";
        assert_eq!(frames(FrameReader::events, body), ["100% %41 A % %4 %zz \u{e9}"]);
    }

    #[test]
    fn no_frame_is_longer_than_it_may_be() {
        for end in ["", "\n"] {
            let mut reader = FrameReader::lines(10);
            reader.push(format!("{}{end}", "x".repeat(11)).as_bytes());
            assert_eq!(reader.next_frame(), Err(FrameTooLong(10)));
        }
        let mut reader = FrameReader::events(10);
        reader.push(b"data: 12345\ndata: 67890\n");
        assert_eq!(reader.next_frame(), Err(FrameTooLong(10)));
    }
}

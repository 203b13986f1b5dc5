mod skipped_body;
mod whole_frame;

use std::mem;

use bytes::{Buf, Bytes};

use self::skipped_body::{Progress, SkippedBody};
use super::escaping::Escaping;
use super::{CONTENT_LENGTH, DecodeError};
use crate::headers::HeadersBuilder;
use crate::{Command, Frame, Headers, Limits, Version};

/// Makes frames of a stream of octets, however it is cut.
///
/// Frames are decoded one at a time, when they are asked for. Between frames the decoder owns no
/// buffer, within one it holds no more than has arrived and the limits allow, and no octet is
/// looked at more often than twice, however the stream is cut.
///
/// Until [`set_version`](Self::set_version) says that the session is open, no frame may be longer
/// than [`before_login_octets_max`](Limits::before_login_octets_max).
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use tidings_stomp::{Command, Decoder, Limits, Version};
///
/// let mut decoder = Decoder::new(Limits::default());
/// decoder.set_version(Version::V1_2);
/// decoder.handle_input(Bytes::from("\nSEND\ndestination:/queue/a\n\nhel"));
/// assert_eq!(decoder.poll_frame(), Ok(None));
/// decoder.handle_input(Bytes::from("lo\0"));
/// let frame = decoder.poll_frame()?.expect("the frame is complete");
/// assert_eq!(frame.command, Command::Send);
/// assert_eq!(frame.headers.get("destination"), Some("/queue/a"));
/// assert_eq!(&frame.body[..], b"hello");
/// # Ok::<(), tidings_stomp::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    version: Option<Version>,
    line_ends: LineEnds,
    unknown_commands: UnknownCommands,
    /// What is decoded next.
    input: Bytes,
    /// How many octets `input` had when it came, all of which a body that shares them keeps alive.
    input_octets: usize,
    /// What came after `input` before that was used up.
    further: Vec<u8>,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// How many octets of the current frame are done with.
    frame_octets: usize,
    state: State,
}

/// What ends a line outside of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF, or CR and LF.
    #[default]
    Standard,
    /// Also CR and NUL, which telnet clients may send for the key Enter: RFC 854.
    Telnet,
}

/// What becomes of a frame whose command is unknown, once the session is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownCommands {
    /// It ends the stream, as any error.
    #[default]
    End,
    /// It is read to its end, and what follows is decoded.
    Skip,
}

/// How far the headers of a frame have come.
enum HeaderLines {
    /// Up to the empty line behind them.
    Complete,
    Unfinished,
}

/// The command of a frame, or why the frame is skipped.
type Named = Result<Command, DecodeError>;

#[derive(Debug)]
enum State {
    /// Between frames, or within a command line.
    Command,
    Headers {
        command: Named,
        headers: Headers,
    },
    /// The body is as long as `content-length` says.
    CountedBody {
        command: Command,
        headers: Headers,
        body: Vec<u8>,
        /// At least one.
        remaining: usize,
    },
    /// The body ends at the first NUL.
    OpenBody {
        command: Command,
        headers: Headers,
        body: Vec<u8>,
    },
    /// The next octet must be NUL.
    End {
        command: Command,
        headers: Headers,
        body: Bytes,
    },
    /// Behind the headers of a frame that is skipped.
    SkippedBody {
        error: DecodeError,
        headers: Headers,
        body: SkippedBody,
    },
    /// Between frames, behind one that was skipped.
    Skipped {
        headers: Headers,
    },
    Failed {
        error: DecodeError,
        headers: Headers,
    },
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            version: None,
            line_ends: LineEnds::Standard,
            unknown_commands: UnknownCommands::End,
            input: Bytes::new(),
            input_octets: 0,
            further: Vec::new(),
            line: Vec::new(),
            frame_octets: 0,
            state: State::Command,
        }
    }

    /// Sets the version that the peers have agreed on, which says how headers are escaped.
    ///
    /// Call it between two calls of [`poll_frame`](Self::poll_frame), when the frame that settled
    /// the version has been taken.
    pub fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Sets what ends a line.
    #[must_use]
    pub fn line_ends(mut self, line_ends: LineEnds) -> Self {
        self.line_ends = line_ends;
        self
    }

    /// Sets what becomes of frames whose command is unknown.
    #[must_use]
    pub fn unknown_commands(mut self, unknown_commands: UnknownCommands) -> Self {
        self.unknown_commands = unknown_commands;
        self
    }

    /// Takes in what came from the peer. Call [`poll_frame`](Self::poll_frame) afterwards until it
    /// has nothing more. A body that is at least half of `input` shares its memory.
    pub fn handle_input(&mut self, input: Bytes) {
        if matches!(self.state, State::Failed { .. }) {
            return;
        }
        if self.input.is_empty() && self.further.is_empty() {
            self.input_octets = input.len();
            self.input = input;
        } else {
            self.further.extend_from_slice(&input);
        }
    }

    /// Returns the next frame, or `None` if it is not complete.
    ///
    /// # Errors
    ///
    /// When the stream is malformed or exceeds a limit. It is not decoded any further then: all
    /// further calls return the same error. Only an [unknown command](UnknownCommands) may be told
    /// once, and skipped.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        match &self.state {
            State::Failed { error, .. } => return Err(*error),
            State::Skipped { .. } => self.state = State::Command,
            _ => {}
        }
        loop {
            if self.input.is_empty() {
                self.input_octets = self.further.capacity();
                self.input = mem::take(&mut self.further).into();
            }
            if self.input.is_empty() {
                return Ok(None);
            }
            if let Some(frame) = self.read_whole_frame() {
                return Ok(Some(frame));
            }
            match self.advance() {
                Ok(None) => {}
                Ok(Some(frame)) => return Ok(Some(frame)),
                Err(error) if matches!(self.state, State::Skipped { .. }) => return Err(error),
                Err(error) => {
                    self.fail(error);
                    return Err(error);
                }
            }
        }
    }

    /// Whether an error has ended the stream.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed { .. })
    }

    /// How many octets wait to be decoded.
    pub(crate) fn pending_octets(&self) -> usize {
        self.input.len() + self.further.len()
    }

    /// The headers of an unfinished frame, as far as they have been decoded. After an error, those
    /// of the malformed or skipped frame.
    pub(crate) fn unfinished_headers(&self) -> Option<&Headers> {
        match &self.state {
            State::Command => None,
            State::Headers { headers, .. }
            | State::CountedBody { headers, .. }
            | State::OpenBody { headers, .. }
            | State::End { headers, .. }
            | State::SkippedBody { headers, .. }
            | State::Skipped { headers }
            | State::Failed { headers, .. } => Some(headers),
        }
    }

    /// Goes on by a line, or by the input's share of a body. Uses up at least one octet.
    fn advance(&mut self) -> Result<Option<Frame>, DecodeError> {
        let available = self.available()?;
        match &self.state {
            State::Command | State::Skipped { .. } => self.read_command(available).map(|()| None),
            State::Headers { .. } => self.read_headers().map(|()| None),
            State::CountedBody { .. } => {
                self.read_counted_body(available);
                Ok(None)
            }
            State::OpenBody { .. } => self.read_open_body(available),
            State::End { .. } => self.read_end().map(Some),
            State::SkippedBody { .. } => self.skip_body().map(|()| None),
            State::Failed { error, .. } => Err(*error),
        }
    }

    /// How many octets of the input the frame may use, before the session is open.
    fn available(&self) -> Result<usize, DecodeError> {
        if self.version.is_some() {
            return Ok(self.input.len());
        }
        let max = self.limits.before_login_octets_max;
        match max.saturating_sub(self.frame_octets).min(self.input.len()) {
            0 => Err(DecodeError::TooLongBeforeLogin { max }),
            available => Ok(available),
        }
    }

    fn read_command(&mut self, available: usize) -> Result<(), DecodeError> {
        const TLS_HANDSHAKE_RECORD: u8 = 0x16;
        if self.line.is_empty() {
            let blank = self.input.iter().take_while(|octet| **octet == b'\n').count();
            if blank > 0 {
                self.input.advance(blank);
                return Ok(());
            }
            if self.version.is_none() && self.input.first() == Some(&TLS_HANDSHAKE_RECORD) {
                return Err(DecodeError::TlsClientHello);
            }
        }
        let max = self.limits.command_octets_max;
        let http = self.version.is_none().then(|| http(&self.line, &self.input)).flatten();
        let too_long = http.unwrap_or(DecodeError::CommandTooLong { max });
        let Some(end) = self.find_line_end(available, max, too_long)? else { return Ok(()) };
        let line = line_text(&mut self.line, &self.input[..end])?;
        if line.is_empty() {
            self.use_up(end + 1);
            self.rest();
            return Ok(());
        }
        let command = Command::from_octets(line).ok_or_else(|| match Command::in_any_case(line) {
            Some(command) => DecodeError::CommandNotInUpperCase(command),
            None => http.unwrap_or(DecodeError::UnknownCommand),
        });
        let skips = self.version.is_some() && self.unknown_commands == UnknownCommands::Skip;
        if !skips {
            command?;
        }
        self.use_up(end + 1);
        self.line.clear();
        self.state = State::Headers { command, headers: Headers::default() };
        Ok(())
    }

    /// Goes on by all header lines that have come.
    fn read_headers(&mut self) -> Result<(), DecodeError> {
        let State::Headers { command, headers } = &mut self.state else { return Ok(()) };
        let command = *command;
        let mut lines = HeadersBuilder::from(mem::take(headers));
        let read = self.read_header_lines(command, &mut lines);
        let lines = Headers::from(lines);
        let body = match read {
            Ok(HeaderLines::Complete) => content_length(&lines, &self.limits).map(Some),
            Ok(HeaderLines::Unfinished) => Ok(None),
            Err(error) => Err(error),
        };
        self.state = match body {
            Ok(Some(length)) => body_state(command, lines, length),
            // An error is told with the headers before it.
            Ok(None) | Err(_) => State::Headers { command, headers: lines },
        };
        body.map(|_| ())
    }

    fn read_header_lines(
        &mut self,
        command: Named,
        headers: &mut HeadersBuilder,
    ) -> Result<HeaderLines, DecodeError> {
        let Limits { header_line_octets_max: max, headers_max, .. } = self.limits;
        // A frame that is skipped opens no session, no more than SEND does.
        let escaping = Escaping::of(command.unwrap_or(Command::Send), self.version);
        while !self.input.is_empty() {
            let available = self.available()?;
            let too_long = DecodeError::HeaderTooLong { max };
            let Some(end) = self.find_line_end(available, max, too_long)? else { continue };
            let line = line_text(&mut self.line, &self.input[..end])?;
            let is_last = line.is_empty();
            if !is_last {
                if headers.len() >= headers_max {
                    return Err(DecodeError::TooManyHeaders { max: headers_max });
                }
                push_header(line, escaping, self.version, headers)?;
            }
            self.use_up(end + 1);
            self.line.clear();
            if is_last {
                return Ok(HeaderLines::Complete);
            }
        }
        Ok(HeaderLines::Unfinished)
    }

    /// Where the line ends in the input. If it does not, the input is kept for later.
    fn find_line_end(
        &mut self,
        available: usize,
        max: usize,
        too_long: DecodeError,
    ) -> Result<Option<usize>, DecodeError> {
        let view = &self.input[..available];
        let end = memchr::memchr2(b'\n', 0, view);
        let last = |end: usize| view[..end].last().or(self.line.last());
        if self.line.len() + end.unwrap_or(available) > max {
            return Err(too_long);
        }
        match end {
            Some(end) if view[end] == b'\n' => Ok(Some(end)),
            Some(end) if self.line_ends == LineEnds::Telnet && last(end) == Some(&b'\r') => {
                Ok(Some(end))
            }
            Some(_) => Err(DecodeError::NulBeforeBody),
            None => {
                self.line.extend_from_slice(view);
                self.use_up(available);
                Ok(None)
            }
        }
    }

    fn read_counted_body(&mut self, available: usize) {
        let State::CountedBody { command, headers, body, remaining } = &mut self.state else {
            return;
        };
        let len = available.min(*remaining);
        let piece = self.input.split_to(len);
        self.frame_octets += len;
        if len < *remaining {
            body.extend_from_slice(&piece);
            *remaining -= len;
        } else {
            let (command, headers) = (*command, mem::take(headers));
            let body = joined(mem::take(body), piece, self.input_octets);
            self.state = State::End { command, headers, body };
        }
    }

    fn read_open_body(&mut self, available: usize) -> Result<Option<Frame>, DecodeError> {
        let State::OpenBody { command, headers, body } = &mut self.state else { return Ok(None) };
        let end = memchr::memchr(0, &self.input[..available]);
        let len = end.unwrap_or(available);
        let max = self.limits.body_octets_max;
        if body.len() + len > max {
            return Err(DecodeError::BodyTooLong { max });
        }
        let piece = self.input.split_to(len);
        if end.is_none() {
            body.extend_from_slice(&piece);
            self.frame_octets += len;
            return Ok(None);
        }
        let (command, headers) = (*command, mem::take(headers));
        let body = joined(mem::take(body), piece, self.input_octets);
        self.input.advance(1);
        self.rest();
        Ok(Some(Frame { command, headers, body }))
    }

    fn read_end(&mut self) -> Result<Frame, DecodeError> {
        let State::End { command, headers, body } = &mut self.state else {
            return Err(DecodeError::MissingNul);
        };
        if self.input.first() != Some(&0) {
            return Err(DecodeError::MissingNul);
        }
        let (command, headers, body) = (*command, mem::take(headers), mem::take(body));
        self.input.advance(1);
        self.rest();
        Ok(Frame { command, headers, body })
    }

    /// Fails at the end of the frame, with why it was skipped.
    fn skip_body(&mut self) -> Result<(), DecodeError> {
        let State::SkippedBody { error, headers, body } = &mut self.state else { return Ok(()) };
        if body.skip(&mut self.input, self.limits.body_octets_max)? == Progress::GoesOn {
            return Ok(());
        }
        let (error, headers) = (*error, mem::take(headers));
        self.rest();
        self.state = State::Skipped { headers };
        Err(error)
    }

    fn use_up(&mut self, octets: usize) {
        self.input.advance(octets);
        self.frame_octets += octets;
    }

    /// Goes back to between frames.
    fn rest(&mut self) {
        self.state = State::Command;
        self.line = Vec::new();
        self.frame_octets = 0;
    }

    fn fail(&mut self, error: DecodeError) {
        let headers = self.unfinished_headers().cloned().unwrap_or_default();
        self.state = State::Failed { error, headers };
        self.input = Bytes::new();
        self.further = Vec::new();
        self.line = Vec::new();
    }
}

/// What of HTTP a line could be that begins with `line` and goes on with `input`.
fn http(line: &[u8], input: &[u8]) -> Option<DecodeError> {
    const METHODS: [&[u8]; 8] =
        [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"PRI "];
    let begins_with = |start: &[u8]| {
        let (first, second) = start.split_at(line.len().min(start.len()));
        line.starts_with(first) && input.starts_with(second)
    };
    if METHODS.into_iter().any(begins_with) {
        return Some(DecodeError::HttpRequest);
    }
    begins_with(b"HTTP/").then_some(DecodeError::HttpResponse)
}

/// The line that begins with `line` and ends with `rest`, without its carriage return.
fn line_text<'a>(line: &'a mut Vec<u8>, rest: &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let text = if line.is_empty() {
        rest
    } else {
        line.extend_from_slice(rest);
        line
    };
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    // All octets are looked at, many at a time.
    match text.iter().fold(false, |is_in, octet| is_in | (*octet == b'\r')) {
        true => Err(DecodeError::StrayCarriageReturn),
        false => Ok(text),
    }
}

fn push_header(
    line: &[u8],
    escaping: Escaping,
    version: Option<Version>,
    headers: &mut HeadersBuilder,
) -> Result<(), DecodeError> {
    // Further colons belong to the value, although STOMP 1.2 wants them escaped: many peers do not.
    let colon = memchr::memchr(b':', line).ok_or(DecodeError::HeaderWithoutColon)?;
    if colon == 0 {
        return Err(DecodeError::HeaderWithoutName);
    }
    let value_start = match version {
        // The examples of STOMP 1.0 have a blank after the colon.
        Some(Version::V1_0) => {
            let value = &line[colon + 1..];
            let blanks = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
            colon + 1 + blanks
        }
        _ => colon + 1,
    };
    let (name, value) = (&line[..colon], &line[value_start..]);
    headers.push_octets(&escaping.unescape(name)?, &escaping.unescape(value)?);
    Ok(())
}

/// How long the body is, if the headers say it.
fn content_length(headers: &Headers, limits: &Limits) -> Result<Option<usize>, DecodeError> {
    let text = headers.get(CONTENT_LENGTH);
    text.map(|text| parse_content_length(text, limits.body_octets_max)).transpose()
}

/// What follows the headers.
fn body_state(command: Named, headers: Headers, content_length: Option<usize>) -> State {
    let command = match command {
        Ok(command) => command,
        Err(error) => {
            let body = match content_length {
                None => SkippedBody::Open { octets: 0 },
                Some(remaining) => SkippedBody::Counted { remaining },
            };
            return State::SkippedBody { error, headers, body };
        }
    };
    match content_length {
        None => State::OpenBody { command, headers, body: Vec::new() },
        Some(0) => State::End { command, headers, body: Bytes::new() },
        Some(remaining) => State::CountedBody { command, headers, body: Vec::new(), remaining },
    }
}

fn parse_content_length(text: &str, max: usize) -> Result<usize, DecodeError> {
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(DecodeError::InvalidContentLength);
    }
    // Digits alone fail to parse only if the number is too large.
    let len = text.parse().ok().filter(|len| *len <= max);
    len.ok_or(DecodeError::BodyTooLong { max })
}

/// The pieces of a body in one. One piece is copied only where it would keep alive an input of more than
/// twice its size.
fn joined(mut body: Vec<u8>, last: Bytes, input_octets: usize) -> Bytes {
    if !body.is_empty() {
        body.extend_from_slice(&last);
        return body.into();
    }
    if is_little(last.len(), input_octets) { Bytes::copy_from_slice(&last) } else { last }
}

/// Whether so many octets are too few to keep the whole input alive.
fn is_little(octets: usize, input_octets: usize) -> bool {
    octets < input_octets / 2
}

#[cfg(test)]
mod tests;

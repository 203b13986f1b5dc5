use bytes::{Buf, Bytes};
use memchr::{memchr, memchr2};

use super::{CONTENT_LENGTH, Decoder, State, is_little, parse_content_length};
use crate::headers::HeadersBuilder;
use crate::{Command, Frame, Headers, Version};

/// What comes before a body.
struct Head {
    headers: Headers,
    content_length: Option<usize>,
    /// Where it ends.
    end: usize,
}

impl Decoder {
    /// The frame at the start of the input, if all of it has come and nothing about it is unusual: so is nearly every
    /// frame of an open session, and all its headers are read at one look. Otherwise nothing is used up, and the frame
    /// is to be read step by step, which also tells what is wrong with it.
    pub(super) fn read_whole_frame(&mut self) -> Option<Frame> {
        let is_between_frames = matches!(self.state, State::Command) && self.line.is_empty();
        // Escapes are known from 1.1 on, and blanks before a value belong to it.
        if !is_between_frames || self.version.is_none_or(|version| version < Version::V1_1) {
            return None;
        }
        let (command, lines_start) = self.whole_command()?;
        let Head { headers, content_length, end: body_start } = self.whole_head(lines_start)?;
        let rest = &self.input[body_start..];
        let body_octets = match content_length {
            Some(octets) => (rest.get(octets) == Some(&0)).then_some(octets)?,
            None => memchr(0, rest).filter(|octets| *octets <= self.limits.body_octets_max)?,
        };
        let body_end = body_start + body_octets;
        let body = match body_octets {
            0 => Bytes::new(),
            _ if is_little(body_octets, self.input_octets) => {
                Bytes::copy_from_slice(&rest[..body_octets])
            }
            _ => self.input.slice(body_start..body_end),
        };
        self.input.advance(body_end + 1);
        Some(Frame { command, headers, body })
    }

    /// The command, and where the line behind it starts.
    fn whole_command(&self) -> Option<(Command, usize)> {
        const OCTETS_MAX: usize = "UNSUBSCRIBE".len();
        let end = self.input.iter().take(OCTETS_MAX + 1).position(|octet| *octet == b'\n')?;
        let command = Command::from_octets(&self.input[..end])?;
        let is_usual = !command.opens_session() && end <= self.limits.command_octets_max;
        is_usual.then_some((command, end + 1))
    }

    /// The headers, whose lines start here.
    fn whole_head(&self, start: usize) -> Option<Head> {
        let lines = &self.input[start..];
        let mut headers = HeadersBuilder::default();
        let (mut length, mut at) = (None, 0);
        loop {
            let line = &lines[at..at + memchr2(b'\n', 0, &lines[at..])?];
            // No line goes on behind its frame.
            if lines[at + line.len()] == 0 {
                return None;
            }
            if line.is_empty() {
                break;
            }
            let colon = memchr(b':', line).filter(|colon| *colon > 0)?;
            let fits = line.len() <= self.limits.header_line_octets_max
                && headers.len() < self.limits.headers_max;
            if !fits {
                return None;
            }
            let end = at + line.len();
            headers.push_ends(at + colon, end);
            if line[..colon] == *CONTENT_LENGTH.as_bytes() && length.is_none() {
                length = Some(at + colon + 1..end);
            }
            at = end + 1;
        }
        let lines = &lines[..at];
        if memchr2(b'\r', b'\\', lines).is_some() {
            return None;
        }
        let lines = str::from_utf8(lines).ok()?;
        let max = self.limits.body_octets_max;
        let content_length =
            length.map(|value| parse_content_length(&lines[value], max)).transpose().ok()?;
        Some(Head { headers: headers.of_lines(lines), content_length, end: start + at + 1 })
    }
}

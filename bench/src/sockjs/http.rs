//! As much of HTTP/1.1 as answers of SockJS servers have.

use std::error::Error;

/// Octets that the head of an answer may have.
const HEAD_OCTETS_MAX: usize = 8192;

/// Reads answers, one after the other.
#[derive(Debug, Default)]
pub(super) struct Answers {
    received: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Head,
    /// So many octets of the body are still to come.
    Body(usize),
    /// The line with the length of the next chunk.
    ChunkHead,
    /// The rest of a chunk, and the line end behind it.
    Chunk(usize),
    /// The empty line behind the last chunk.
    Trailer,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Head { status: u16 },
    Data(Vec<u8>),
    End,
}

impl Answers {
    /// Takes in what was read.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.received.extend_from_slice(octets);
    }

    /// What is left over: after an upgrade it is of another protocol.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.received
    }

    /// The next part, if it is here.
    pub(super) fn next(&mut self) -> Result<Option<Part>, Box<dyn Error>> {
        loop {
            match self.stage {
                Stage::Head => {
                    let Some(head) = self.take_to(b"\r\n\r\n")? else { return Ok(None) };
                    let (status, stage) = parse_head(&head)?;
                    self.stage = stage;
                    return Ok(Some(Part::Head { status }));
                }
                Stage::Body(0) => {
                    self.stage = Stage::Head;
                    return Ok(Some(Part::End));
                }
                Stage::Body(left) => {
                    if self.received.is_empty() {
                        return Ok(None);
                    }
                    let len = left.min(self.received.len());
                    self.stage = Stage::Body(left - len);
                    return Ok(Some(Part::Data(self.received.drain(..len).collect())));
                }
                Stage::ChunkHead => {
                    let Some(line) = self.take_to(b"\r\n")? else { return Ok(None) };
                    let len = usize::from_str_radix(std::str::from_utf8(&line)?.trim(), 16)?;
                    self.stage = if len == 0 { Stage::Trailer } else { Stage::Chunk(len) };
                }
                Stage::Chunk(len) => {
                    if self.received.len() < len + 2 {
                        return Ok(None);
                    }
                    let mut data: Vec<u8> = self.received.drain(..len + 2).collect();
                    data.truncate(len);
                    self.stage = Stage::ChunkHead;
                    return Ok(Some(Part::Data(data)));
                }
                Stage::Trailer => {
                    let Some(_) = self.take_to(b"\r\n")? else { return Ok(None) };
                    self.stage = Stage::Head;
                    return Ok(Some(Part::End));
                }
            }
        }
    }

    fn take_to(&mut self, end: &[u8]) -> Result<Option<Vec<u8>>, Box<dyn Error>> {
        let found = self.received.windows(end.len()).position(|window| window == end);
        match found {
            Some(at) => Ok(Some(self.received.drain(..at + end.len()).collect())),
            None if self.received.len() > HEAD_OCTETS_MAX => Err("a head has no end".into()),
            None => Ok(None),
        }
    }
}

fn parse_head(head: &[u8]) -> Result<(u16, Stage), Box<dyn Error>> {
    let head = std::str::from_utf8(head)?;
    let status: u16 = head.get(9..12).ok_or("no status")?.parse()?;
    let field = |name: &str| {
        head.lines().filter_map(|line| line.split_once(':')).find_map(|(known, value)| {
            known.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
        })
    };
    let stage = match (field("transfer-encoding"), field("content-length")) {
        (Some(coding), _) if coding == "chunked" => Stage::ChunkHead,
        (Some(coding), _) => return Err(format!("transfer coding {coding}").into()),
        (None, Some(len)) => Stage::Body(len.parse()?),
        (None, None) if matches!(status, 101 | 204 | 304) => Stage::Body(0),
        (None, None) => return Err("an answer without length".into()),
    };
    Ok((status, stage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_the_same_however_they_are_cut() {
        let octets = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\no\n\r\n0\r\n\r\n\
            HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let read = |len: usize| {
            let (mut answers, mut told) = (Answers::default(), String::new());
            for part in octets.chunks(len) {
                answers.push(part);
                while let Some(part) = answers.next().unwrap() {
                    match part {
                        Part::Head { status } => told.push_str(&format!("<{status}>")),
                        Part::Data(data) => told.push_str(std::str::from_utf8(&data).unwrap()),
                        Part::End => told.push('.'),
                    }
                }
            }
            told
        };
        for len in 1..=octets.len() {
            assert_eq!(read(len), "<200>o\n.<204>.<200>ok.", "in parts of {len}");
        }
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        let mut answers = Answers::default();
        answers.push(b"HTTP/1.1 200 OK\r\n\r\n");
        assert!(answers.next().is_err());
        let mut answers = Answers::default();
        answers.push(&[b'x'; HEAD_OCTETS_MAX + 1]);
        assert!(answers.next().is_err());
    }
}

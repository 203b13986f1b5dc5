//! The lines of standard input.

use std::io::{self, BufRead};

use tokio::sync::mpsc;

/// Lines that were read and not yet sent.
const LINES_MAX: usize = 16;

/// Octets of the longest line: 16 MiB.
const LINE_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// The lines of standard input without their ends, read by a thread that may wait for them.
pub(super) fn read_lines() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    tokio::task::spawn_blocking(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = next_line(&mut input).transpose() {
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    lines
}

fn next_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_OCTETS_MAX + 2).unwrap_or(u64::MAX);
    if io::Read::take(input, limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    if line.len() > LINE_OCTETS_MAX {
        let text = format!("a line of the input has more than {LINE_OCTETS_MAX} octets");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| next_line(&mut input).unwrap()).collect()
    }

    #[test]
    fn lines_come_without_their_ends_whatever_is_in_them() {
        assert_eq!(lines(b"a\r\n\n\xff\0b"), [&b"a"[..], b"", b"\xff\0b"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_is_not_read_for_ever() {
        let mut endless = io::BufReader::new(io::repeat(b'x'));
        assert!(next_line(&mut endless).unwrap_err().to_string().contains("more than"));
    }
}

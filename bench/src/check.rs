//! Whether a server sends back what it gets, to the octet.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use zlib_rs::{Inflate, InflateFlush};

use crate::frame::{Compression, check_response, request};
use crate::message::Message;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Says everything that there is to say of one kind, once, and compares the answers. A server that
/// broadcasts answers too, to its only client.
///
/// # Errors
///
/// When an answer differs, or there is none.
pub(crate) fn check_echo(address: &str, message: Message) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let compression = message.compression();
    stream.write_all(request(address, compression).as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(octets::<1>(&mut stream)?[0]);
    }
    check_response(&head, compression)?;

    let frames = message.frames(1);
    let mut reader = MessageReader::new(compression);
    for (number, text) in message.texts().iter().enumerate() {
        let (frame, _) = frames.batch(number, 1).ok_or("no frame")?;
        stream.write_all(frame)?;
        if reader.read(&mut stream)? != text.as_bytes() {
            return Err(format!("the server did not echo message {number}").into());
        }
    }
    Ok(())
}

/// Reads messages from a server, whole, with the context that it may keep from one to the next.
struct MessageReader {
    compression: Compression,
    inflate: Inflate,
}

impl MessageReader {
    fn new(compression: Compression) -> Self {
        Self { compression, inflate: Inflate::new(false, 15) }
    }

    fn read(&mut self, stream: &mut impl Read) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut message = Vec::new();
        let mut compressed = false;
        loop {
            let [first, second] = octets(stream)?;
            let len = match second {
                126 => u64::from(u16::from_be_bytes(octets(stream)?)),
                127 => u64::from_be_bytes(octets(stream)?),
                len => u64::from(len),
            };
            let start = message.len();
            Read::by_ref(stream).take(len).read_to_end(&mut message)?;
            match first & 0x0f {
                // A ping or a pong is none of our business.
                9 | 10 => message.truncate(start),
                0..=2 => {
                    compressed |= first & 0x40 != 0;
                    if first & 0x80 != 0 {
                        break;
                    }
                }
                _ => return Err("the server sent something else than a message".into()),
            }
        }
        match (compressed, self.compression) {
            (false, _) => Ok(message),
            (true, Compression::Deflate) => self.inflate(&message),
            (true, Compression::Off) => Err("the server compressed a message".into()),
        }
    }

    fn inflate(&mut self, message: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut input = message.to_vec();
        input.extend_from_slice(&[0, 0, 0xff, 0xff]);
        let mut output = vec![0; 64 * 1024];
        let before = self.inflate.total_out();
        let status = self.inflate.decompress(&input, &mut output, InflateFlush::SyncFlush);
        status.map_err(|error| format!("the server's answer cannot be inflated: {error:?}"))?;
        output.truncate(usize::try_from(self.inflate.total_out() - before)?);
        Ok(output)
    }
}

fn octets<const N: usize>(stream: &mut impl Read) -> Result<[u8; N], Box<dyn Error>> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut octets: &[u8], compression: Compression) -> Result<Vec<u8>, Box<dyn Error>> {
        MessageReader::new(compression).read(&mut octets)
    }

    #[test]
    fn a_message_is_read_whole_past_fragments_and_pings() {
        let octets = [0x01, 1, b'a', 0x89, 1, b'p', 0x80, 2, b'b', b'c'];
        assert_eq!(read(&octets, Compression::Off).unwrap(), b"abc");
    }

    #[test]
    fn a_compressed_message_is_inflated() {
        // RFC 7692, section 7.2.3.1.
        let octets = [0xc1, 7, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(read(&octets, Compression::Deflate).unwrap(), b"Hello");
        assert!(read(&octets, Compression::Off).is_err());
    }

    #[test]
    fn a_close_frame_is_no_message() {
        assert!(read(&[0x88, 0], Compression::Off).is_err());
    }
}

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{CHUNK_OCTETS, ContextTakeover, PerMessageDeflate, TAIL, pool};
use crate::Role;

/// The largest distance that a message can refer back: the window of deflate.
const WINDOW_OCTETS: usize = 32 * 1024;

/// Decompresses the messages of one sender: RFC 7692, section 7.2.2.
///
/// Without context takeover it owns nothing between messages.
pub(crate) struct Inflater {
    takeover: ContextTakeover,
    /// In the middle of a message, and with context takeover always once there was one.
    stream: Option<Box<Inflate>>,
}

/// Why a message cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// It is no compressed message.
    Corrupt,
    /// It gets longer than it may.
    TooLong,
}

impl Inflater {
    /// For what `sender` sends.
    pub(crate) fn new(agreed: &PerMessageDeflate, sender: Role) -> Self {
        Self { takeover: agreed.context_takeover(sender), stream: None }
    }

    /// Decompresses a part of a message, and appends at most `octets_max` octets to `out`.
    pub(crate) fn inflate(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        octets_max: usize,
    ) -> Result<(), InflateError> {
        let end_max = out.len().saturating_add(octets_max);
        let stream = self.stream.get_or_insert_with(pool::take_inflate);
        let mut chunk = [0; CHUNK_OCTETS];
        loop {
            let (read, written) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(input, &mut chunk, InflateFlush::SyncFlush);
            let status = status.map_err(|_| InflateError::Corrupt)?;
            let read = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(stream.total_out() - written).unwrap_or(usize::MAX);
            if written > end_max - out.len() {
                return Err(InflateError::TooLong);
            }
            out.extend_from_slice(chunk.get(..written).unwrap_or_default());
            input = input.get(read..).unwrap_or_default();
            if status == Status::StreamEnd {
                // A final block ends the stream of deflate, but not the message: RFC 7692, section
                // 7.2.3.4. What follows goes on with the same window.
                stream.reset(false);
                let window = out.len().saturating_sub(WINDOW_OCTETS);
                let _ = stream.set_dictionary(out.get(window..).unwrap_or_default());
            }
            let is_stuck = read == 0 && written == 0;
            if is_stuck || (input.is_empty() && written < CHUNK_OCTETS) {
                return if input.is_empty() || !is_stuck {
                    Ok(())
                } else {
                    Err(InflateError::Corrupt)
                };
            }
        }
    }

    /// Ends a message, of which at most `octets_max` octets are left.
    pub(crate) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        octets_max: usize,
    ) -> Result<(), InflateError> {
        self.inflate(&TAIL, out, octets_max)?;
        if self.takeover == ContextTakeover::Refuse
            && let Some(stream) = self.stream.take()
        {
            pool::give_inflate(stream);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.stream.is_none()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("takeover", &self.takeover).finish_non_exhaustive()
    }
}

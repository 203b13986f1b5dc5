use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{CHUNK_OCTETS, ContextTakeover, PerMessageDeflate, TAIL, pool};
use crate::Role;

/// Decompresses the messages of one sender: RFC 7692, section 7.2.2.
///
/// Without context takeover it owns nothing between messages.
pub(crate) struct Inflater {
    takeover: ContextTakeover,
    /// In the middle of a message, and with context takeover always once there was one.
    stream: Option<Box<Inflate>>,
    position: Position,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Nothing of it has come, or a final block has just ended.
    BetweenBlocks,
    /// Somewhere in a block, as far as one can tell: the flush that ends a message begins a block.
    WithinBlock,
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
        Self {
            takeover: agreed.context_takeover(sender),
            stream: None,
            position: Position::BetweenBlocks,
        }
    }

    /// Decompresses a part of a message, and appends at most `octets_max` octets to `out`, also where it
    /// fails: what comes before the failure.
    ///
    /// A final block ends a stream of deflate, but not the message: RFC 7692, section 7.2.3.4. What
    /// follows is another stream, and can refer to nothing before it.
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
            let read = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(stream.total_out() - written).unwrap_or(usize::MAX);
            let kept = written.min(end_max - out.len());
            out.extend_from_slice(chunk.get(..kept).unwrap_or_default());
            if kept < written {
                return Err(InflateError::TooLong);
            }
            input = input.get(read..).unwrap_or_default();
            match status {
                Err(_) => return Err(InflateError::Corrupt),
                Ok(Status::StreamEnd) => {
                    stream.reset(false);
                    self.position = Position::BetweenBlocks;
                }
                Ok(Status::Ok | Status::BufError) => {
                    if read > 0 {
                        self.position = Position::WithinBlock;
                    } else if written == 0 && !input.is_empty() {
                        return Err(InflateError::Corrupt);
                    }
                }
            }
            if input.is_empty() && written < CHUNK_OCTETS {
                return Ok(());
            }
        }
    }

    /// Ends a message, of which at most `octets_max` octets are left.
    pub(crate) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        octets_max: usize,
    ) -> Result<(), InflateError> {
        // A sender that had nothing to flush sends nothing of a flush either.
        if self.position == Position::WithinBlock {
            self.inflate(&TAIL, out, octets_max)?;
            self.position = Position::BetweenBlocks;
        }
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

use bytes::{Buf, Bytes};

use super::DecodeError;

/// What is still to come of the body of a frame that is skipped. None of it is kept.
#[derive(Debug)]
pub(super) enum SkippedBody {
    /// It is as long as `content-length` says.
    Counted { remaining: usize },
    /// It ends at the first NUL.
    Open { octets: usize },
}

/// Whether a frame has been skipped to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of the input belongs to it, and more is to come.
    GoesOn,
    Done,
}

impl SkippedBody {
    /// Takes its octets, and the NUL behind them, off the front of `input`.
    pub(super) fn skip(
        &mut self,
        input: &mut Bytes,
        octets_max: usize,
    ) -> Result<Progress, DecodeError> {
        match self {
            Self::Counted { remaining } => {
                let len = input.len().min(*remaining);
                input.advance(len);
                *remaining -= len;
            }
            Self::Open { octets } => {
                let len = memchr::memchr(0, input).unwrap_or(input.len());
                *octets += len;
                if *octets > octets_max {
                    return Err(DecodeError::BodyTooLong { max: octets_max });
                }
                input.advance(len);
            }
        }
        match input.first() {
            None => Ok(Progress::GoesOn),
            Some(0) => {
                input.advance(1);
                Ok(Progress::Done)
            }
            Some(_) => Err(DecodeError::MissingNul),
        }
    }
}

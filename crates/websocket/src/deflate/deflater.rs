use std::fmt;

use zlib_rs::{Deflate, DeflateFlush};

use super::pool::{self, Setting};
use super::{CHUNK_OCTETS, ContextTakeover, DeflateMode, DeflateOptions, PerMessageDeflate, TAIL};
use crate::Role;

/// Octets that deflate cannot refer to at the far end of its window.
const WINDOW_MARGIN: usize = 262;

/// Compresses the messages of one sender: RFC 7692, section 7.2.1.
pub(crate) struct Deflater {
    setting: Setting,
    threshold: usize,
    context: Context,
}

enum Context {
    /// Each message by itself.
    None,
    /// The last octets of plain text that the peer has.
    History { octets: Vec<u8>, octets_max: usize },
    /// All of them: a compressor made at the first message.
    Dedicated(Option<Box<Deflate>>),
    /// The peer's window is too small for any compressor at hand.
    Impossible,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deflated {
    Compressed,
    /// It is better sent as it is.
    Raw,
}

impl Deflater {
    /// For what `sender` sends.
    pub(crate) fn new(options: &DeflateOptions, agreed: &PerMessageDeflate, sender: Role) -> Self {
        let window_bits = agreed.max_window_bits(sender);
        let takeover = agreed.context_takeover(sender);
        let context = match options.mode {
            _ if window_bits < 9 => Context::Impossible,
            _ if takeover == ContextTakeover::Refuse => Context::None,
            DeflateMode::Shared => Context::None,
            DeflateMode::History { octets } => {
                let octets_max = octets.min((1 << window_bits) - WINDOW_MARGIN);
                Context::History { octets: Vec::new(), octets_max }
            }
            DeflateMode::Dedicated => Context::Dedicated(None),
        };
        let setting = Setting { level: options.level, window_bits };
        Self { setting, threshold: options.threshold(), context }
    }

    /// Appends the compressed message to `out`, unless it is better sent as it is.
    pub(crate) fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Deflated {
        if payload.len() < self.threshold.max(1) {
            return Deflated::Raw;
        }
        match &mut self.context {
            Context::Impossible => Deflated::Raw,
            Context::None => deflate_pooled(self.setting, &[], payload, out),
            Context::History { octets, octets_max } => {
                let deflated = deflate_pooled(self.setting, octets, payload, out);
                // A message that is sent raw does not enter the peer's window.
                if deflated == Deflated::Compressed {
                    remember(octets, *octets_max, payload);
                }
                deflated
            }
            Context::Dedicated(stream) => {
                // The message is in the window from now on, so it has to be sent compressed.
                let stream = stream.get_or_insert_with(|| self.setting.new_deflate());
                compress(stream, payload, out);
                Deflated::Compressed
            }
        }
    }

    /// How a message is compressed that goes to others too, if this sender's peer can read it then.
    pub(crate) fn shared_setting(&self) -> Option<SharedSetting> {
        match self.context {
            Context::None | Context::History { .. } => {
                Some(SharedSetting { setting: self.setting, threshold: self.threshold })
            }
            Context::Dedicated(_) | Context::Impossible => None,
        }
    }

    /// A message compressed for all was sent to this peer.
    pub(crate) fn record_shared(&mut self, payload: &[u8]) {
        if let Context::History { octets, octets_max } = &mut self.context {
            remember(octets, *octets_max, payload);
        }
    }
}

/// How a message for many peers is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedSetting {
    setting: Setting,
    threshold: usize,
}

impl SharedSetting {
    /// As [`Deflater::deflate`], without reference to earlier messages of any connection.
    pub(crate) fn deflate(self, payload: &[u8], out: &mut Vec<u8>) -> Deflated {
        if payload.len() < self.threshold.max(1) {
            return Deflated::Raw;
        }
        deflate_pooled(self.setting, &[], payload, out)
    }
}

fn deflate_pooled(setting: Setting, history: &[u8], payload: &[u8], out: &mut Vec<u8>) -> Deflated {
    let mut stream = pool::take_deflate(setting);
    let before = out.len();
    if !history.is_empty() {
        // Fails only on a stream with a header, or one that has begun.
        let _ = stream.set_dictionary(history);
    }
    compress(&mut stream, payload, out);
    pool::give_deflate(setting, stream);
    if out.len() - before >= payload.len() {
        out.truncate(before);
        return Deflated::Raw;
    }
    Deflated::Compressed
}

fn compress(stream: &mut Deflate, mut payload: &[u8], out: &mut Vec<u8>) {
    let mut chunk = [0; CHUNK_OCTETS];
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        // Fails only on a stream that was made wrongly, and then writes nothing.
        let _ = stream.compress(payload, &mut chunk, DeflateFlush::SyncFlush);
        let read = usize::try_from(stream.total_in() - read).unwrap_or(usize::MAX);
        let written = usize::try_from(stream.total_out() - written).unwrap_or(usize::MAX);
        out.extend_from_slice(chunk.get(..written).unwrap_or_default());
        payload = payload.get(read..).unwrap_or_default();
        if payload.is_empty() && written < CHUNK_OCTETS {
            break;
        }
    }
    if out.ends_with(&TAIL) {
        out.truncate(out.len() - TAIL.len());
    }
}

fn remember(history: &mut Vec<u8>, octets_max: usize, payload: &[u8]) {
    let kept = payload.get(payload.len().saturating_sub(octets_max)..).unwrap_or_default();
    let forgotten = (history.len() + kept.len()).saturating_sub(octets_max);
    history.drain(..forgotten.min(history.len()));
    history.extend_from_slice(kept);
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("setting", &self.setting).finish_non_exhaustive()
    }
}

//! Options of permessage-deflate from octets.

use tidings_websocket::{ContextTakeover, DeflateMode, DeflateOptions};

/// Octets that options are made of.
pub(super) const OPTION_OCTETS: usize = 5;

/// All modes, and all numbers with and without sense.
pub(super) fn deflate_options(octets: [u8; OPTION_OCTETS]) -> DeflateOptions {
    let [modes, history, window, peer_window, level] = octets;
    let mode = match modes & 3 {
        0 => DeflateMode::Shared,
        1 => DeflateMode::History { octets: usize::from(history) * 160 },
        2 => DeflateMode::History { octets: usize::MAX },
        _ => DeflateMode::Dedicated,
    };
    let peer_context_takeover = match modes & 4 {
        0 => ContextTakeover::Allow,
        _ => ContextTakeover::Refuse,
    };
    let threshold_octets = match modes & 0x18 {
        0 => None,
        8 => Some(0),
        _ => Some(1),
    };
    DeflateOptions {
        mode,
        level: level % 12,
        threshold_octets,
        window_bits: if window >= 0xe0 { None } else { Some(window % 18) },
        peer_window_bits: peer_window % 18,
        peer_context_takeover,
    }
}

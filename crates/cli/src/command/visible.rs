//! What peers say, as it may be printed.

use std::fmt;

/// Text of a peer that cannot move the cursor or change the terminal.
pub(super) struct Visible<'a>(pub(super) &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() && c != '\t' {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// Octets that are no text.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_control_the_terminal() {
        let shown = Visible("a\x1b[2Jb\r\nc\td\u{9b}e").to_string();
        assert_eq!(shown, "a\\u{1b}[2Jb\\r\\nc\td\\u{9b}e");
    }
}

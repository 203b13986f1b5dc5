//! Numbers of things, in words.

use std::fmt::Display;

/// So many of them: the number, and the thing in the singular or the plural.
pub(crate) fn counted(number: impl Display + PartialEq + From<u8>, thing: &str) -> String {
    let ending = if number == 1.into() { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(0_usize, "message"), "0 messages");
        assert_eq!(counted(1_u64, "message"), "1 message");
        assert_eq!(counted(2_u32, "queue"), "2 queues");
    }
}

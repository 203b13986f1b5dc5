//! The query of a URI as a form has it: names and values, percent-encoded.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// The names and values of a query, decoded, in their order. What is not UTF-8 is replaced by U+FFFD.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode_str(&spaced).decode_utf8_lossy().into_owned().into();
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_in_their_order() {
        let pairs: Vec<_> = pairs("a=1&b&&c=x+y%2B%3D=&a=%ff").collect();
        let expected = [("a", "1"), ("b", ""), ("c", "x y+=="), ("a", "\u{fffd}")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.into(), value.into())));
    }
}

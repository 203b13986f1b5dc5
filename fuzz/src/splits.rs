//! Ways to cut a stream into reads.

use crate::random::Random;

/// How a stream is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Splits {
    /// Not at all.
    Whole,
    /// After every octet.
    Octets,
    /// Anywhere, as follows from the seed.
    Seeded(u64),
}

/// The longest stream that is cut after every octet. Longer ones would only take time.
const OCTETS_MAX: usize = 4_096;

impl Splits {
    /// The finest cut that is worth its while for `stream`.
    pub(crate) fn octets(stream: &[u8]) -> Self {
        if stream.len() <= OCTETS_MAX { Self::Octets } else { Self::Seeded(0) }
    }

    /// The reads that make up `stream`, as copies that may be unmasked in place.
    pub(crate) fn reads(self, stream: &[u8]) -> Vec<Vec<u8>> {
        let mut random = match self {
            Self::Whole => return vec![stream.to_vec()],
            Self::Octets => return stream.iter().map(|octet| vec![*octet]).collect(),
            Self::Seeded(seed) => Random::new(seed),
        };
        let mut reads = Vec::new();
        let mut rest = stream;
        while !rest.is_empty() {
            let (read, further) = rest.split_at(random.len().min(rest.len()));
            reads.push(read.to_vec());
            rest = further;
        }
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost() {
        let stream: Vec<u8> = (0..=255).collect();
        for splits in [Splits::Whole, Splits::Octets, Splits::Seeded(1), Splits::Seeded(2)] {
            assert_eq!(splits.reads(&stream).concat(), stream, "{splits:?}");
        }
    }
}

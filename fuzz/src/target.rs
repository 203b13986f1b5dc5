//! What is fuzzed, as a table of values.

use crate::random::Random;
use crate::targets::{
    deflate, extensions, frames, handshake_client, handshake_server, selector, session_operations,
    sockjs_body, stomp_frames,
};

/// One thing that takes octets from strangers.
pub(crate) struct Target {
    /// The name of the folder of its corpus, too.
    pub(crate) name: &'static str,
    /// Panics when something does not hold for the input.
    pub(crate) check: fn(&[u8]),
    /// Makes up an input that gets further than noise does.
    pub(crate) sample: fn(&mut Random) -> Vec<u8>,
    /// Pieces that mean something.
    pub(crate) dictionary: &'static [&'static [u8]],
    /// Octets that it may allocate in all for each octet of input.
    pub(crate) allocated_per_octet_max: usize,
}

/// Where octets are decoded: what comes of them is copied, in several ways of cutting it, and compared.
pub(crate) const DECODING: usize = 1024;

/// Every target there is.
pub(crate) const TARGETS: &[Target] = &[
    handshake_server::TARGET,
    handshake_client::TARGET,
    extensions::TARGET,
    frames::TARGET,
    deflate::TARGET,
    session_operations::TARGET,
    stomp_frames::TARGET,
    sockjs_body::TARGET,
    selector::TARGET,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::corpus;

    #[test]
    fn every_target_has_a_corpus_that_passes() {
        for target in TARGETS {
            let corpus = corpus(target).unwrap();
            assert!(!corpus.is_empty(), "{} has no corpus", target.name);
            for (_, input) in corpus {
                (target.check)(&input);
            }
        }
    }

    #[test]
    fn every_target_takes_what_it_makes_up_and_noise() {
        for target in TARGETS {
            let mut random = Random::new(1);
            for len in 0..100 {
                (target.check)(&(target.sample)(&mut random));
                (target.check)(&random.octets(len));
            }
        }
    }
}

//! Numbers that look random and follow from a seed: SplitMix64.

use std::hash::{BuildHasher, RandomState};

/// A seed that is another one each time.
pub(crate) fn any_seed() -> u64 {
    // Small enough to be typed.
    RandomState::new().hash_one(0) % 1_000_000_000
}

/// A source of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not zero.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is less than a usize")
    }

    /// Whether something happens that happens once in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn octets(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.octet()).collect()
    }

    /// One of `choices`, of which there are some.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A length that is small more often than not, and now and then just where encodings change.
    pub(crate) fn len(&mut self) -> usize {
        match self.below(16) {
            0 => self.pick(&[125, 126, 127, 128, 65_535, 65_536]),
            1 => self.below(5_000),
            2..8 => self.below(200),
            _ => self.below(16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_determines_what_follows() {
        let draw = |seed| Random::new(seed).octets(20);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_stay_below_the_end() {
        let mut random = Random::new(1);
        for end in 1..100 {
            assert!(random.below(end) < end);
        }
    }
}

//! Changes to inputs.

use crate::random::Random;

/// The longest input.
const OCTETS_MAX: usize = 128 * 1024;

/// Numbers at which lengths and codes change their meaning.
const NUMBERS: &[u64] = &[
    0,
    1,
    0x7d,
    0x7e,
    0x7f,
    0x80,
    0xff,
    0x3e8,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    1 << 62,
    1 << 63,
    u64::MAX,
];

/// Changes `input` in one to four ways. `other` is another input, to take pieces from.
pub(crate) fn mutate(random: &mut Random, input: &mut Vec<u8>, other: &[u8], dictionary: &[&[u8]]) {
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        match random.below(8) {
            0 => flip_bit(random, input),
            1 => {
                if let Some(octet) = input.get_mut(at) {
                    *octet = random.octet();
                }
            }
            2 => overwrite(input, at, &number(random)),
            3 => insert(input, at, &number(random)),
            4 => {
                if !dictionary.is_empty() {
                    insert(input, at, random.pick(dictionary));
                }
            }
            5 => {
                let end = (at + random.len()).min(input.len());
                input.drain(at..end);
            }
            6 => {
                let end = (at + random.len()).min(input.len());
                let again = input[at..end].to_vec();
                insert(input, at, &again);
            }
            _ => {
                let start = random.below(other.len() + 1);
                let end = (start + random.len()).min(other.len());
                insert(input, at, &other[start..end]);
            }
        }
    }
    input.truncate(OCTETS_MAX);
}

fn flip_bit(random: &mut Random, input: &mut [u8]) {
    if !input.is_empty() {
        let at = random.below(input.len());
        input[at] ^= 1 << random.below(8);
    }
}

/// The last octets of a number, two, four or eight.
fn number(random: &mut Random) -> Vec<u8> {
    let octets = random.pick(NUMBERS).to_be_bytes();
    octets[random.pick(&[0, 4, 6])..].to_vec()
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

fn overwrite(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let end = (at + piece.len()).min(input.len());
    input.splice(at..end, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_of_anything_stay_within_the_limit() {
        let mut random = Random::new(3);
        let mut input = Vec::new();
        for _ in 0..10_000 {
            let other = random.octets(50);
            mutate(&mut random, &mut input, &other, &[b"GET"]);
            assert!(input.len() <= OCTETS_MAX);
        }
    }
}

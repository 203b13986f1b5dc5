/// The key that a client masks the payload of one frame with: RFC 6455, section 5.3.
///
/// It must be unpredictable to whoever chooses the payload, so each frame takes a new one from a
/// strong source of randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaskingKey(pub [u8; 4]);

impl MaskingKey {
    /// The key as it applies to a payload without its first `octets` octets.
    pub(crate) fn advanced(self, octets: usize) -> Self {
        let mut key = self.0;
        key.rotate_left(octets % 4);
        Self(key)
    }
}

/// Masks `octets`, the start of a payload, in place. Masking twice with one key unmasks.
///
/// # Examples
///
/// ```
/// use tidings_websocket::{MaskingKey, apply_mask};
///
/// let mut octets = *b"Hello";
/// apply_mask(MaskingKey([0x37, 0xfa, 0x21, 0x3d]), &mut octets);
/// assert_eq!(octets, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[inline]
pub fn apply_mask(key: MaskingKey, octets: &mut [u8]) {
    let half = u64::from(u32::from_ne_bytes(key.0));
    let word = half << 32 | half;
    // Blocks of a known size become vector instructions.
    let (blocks, rest) = octets.as_chunks_mut::<32>();
    for block in blocks {
        block.as_chunks_mut::<8>().0.iter_mut().for_each(|octets| mask_word(word, octets));
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    words.iter_mut().for_each(|octets| mask_word(word, octets));
    for (octet, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *octet ^= key;
    }
}

#[inline]
fn mask_word(key: u64, octets: &mut [u8; 8]) {
    *octets = (u64::from_ne_bytes(*octets) ^ key).to_ne_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_can_be_unmasked_in_two_parts_cut_anywhere() {
        let key = MaskingKey([1, 2, 3, 4]);
        let plain: Vec<u8> = (0..40).collect();
        for cut in 0..=plain.len() {
            let mut octets = plain.clone();
            apply_mask(key, &mut octets);
            let (first, second) = octets.split_at_mut(cut);
            apply_mask(key, first);
            apply_mask(key.advanced(cut), second);
            assert_eq!(octets, plain, "cut at {cut}");
        }
    }
}

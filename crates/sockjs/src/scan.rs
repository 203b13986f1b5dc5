/// Octets looked at together: so many that a processor does it in a few steps.
const BLOCK: usize = 32;

/// Where the first octet is that `is_wanted`.
///
/// Blocks without any are passed over by a loop without branches, which the compiler turns into vector
/// instructions: most texts have nothing in them that has to be escaped.
#[inline]
pub(crate) fn position(octets: &[u8], is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let mut passed = 0;
    for block in octets.chunks_exact(BLOCK) {
        if block.iter().fold(false, |found, octet| found | is_wanted(*octet)) {
            break;
        }
        passed += BLOCK;
    }
    let rest = octets.get(passed..)?;
    rest.iter().position(|octet| is_wanted(*octet)).map(|at| passed + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_is() {
        for len in 0..100 {
            let mut octets = vec![b'.'; len];
            assert_eq!(position(&octets, |octet| octet == b'x'), None);
            for at in (0..len).rev() {
                octets[at] = b'x';
                assert_eq!(position(&octets, |octet| octet == b'x'), Some(at));
            }
        }
    }
}

//! Masking keys that nobody can predict: RFC 6455, section 5.3.

use std::cell::RefCell;

use tidings_websocket::MaskingKey;

/// Keys drawn from the operating system at a time.
const POOL_KEYS: usize = 256;

thread_local! {
    static POOL: RefCell<Vec<[u8; 4]>> = const { RefCell::new(Vec::new()) };
}

/// A fresh key. All connections of a thread draw from one pool, so that few keys cost a system call.
pub(super) fn masking_key() -> MaskingKey {
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            pool.resize(POOL_KEYS, [0; 4]);
            getrandom::fill(pool.as_flattened_mut())
                .expect("the operating system provides randomness");
        }
        MaskingKey(pool.pop().expect("the pool was just filled"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_is_handed_out_twice() {
        let keys: HashSet<_> = (0..1_000).map(|_| masking_key().0).collect();
        // Of a thousand random keys two are equal once in ten thousand runs, four never.
        assert!(keys.len() >= 998);
    }
}

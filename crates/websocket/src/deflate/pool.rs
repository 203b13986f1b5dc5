//! Streams that the connections of a thread share: each is used for one message and then reset.

use std::cell::RefCell;

use zlib_rs::{Deflate, DeflateConfig, Inflate};

/// Streams of each kind that a thread keeps.
const POOLED_MAX: usize = 4;

thread_local! {
    static DEFLATES: RefCell<Vec<(Setting, Box<Deflate>)>> = const { RefCell::new(Vec::new()) };
    #[expect(clippy::vec_box, reason = "they are boxed where they are used")]
    static INFLATES: RefCell<Vec<Box<Inflate>>> = const { RefCell::new(Vec::new()) };
}

/// How a compressor is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) level: u8,
    pub(super) window_bits: u8,
}

impl Setting {
    pub(super) fn new_deflate(self) -> Box<Deflate> {
        // Less memory than by default, and faster for messages of some kilobytes.
        let mem_level = 5;
        let config = DeflateConfig {
            level: i32::from(self.level.clamp(1, 9)),
            window_bits: -i32::from(self.window_bits),
            mem_level,
            ..DeflateConfig::default()
        };
        Box::new(Deflate::new_with_config(config))
    }
}

/// A compressor without context.
pub(super) fn take_deflate(setting: Setting) -> Box<Deflate> {
    let pooled = DEFLATES.with_borrow_mut(|pool| {
        let index = pool.iter().position(|(pooled, _)| *pooled == setting)?;
        Some(pool.swap_remove(index).1)
    });
    pooled.unwrap_or_else(|| setting.new_deflate())
}

/// Gives a compressor back, after [`take_deflate`] or anew.
pub(super) fn give_deflate(setting: Setting, mut deflate: Box<Deflate>) {
    deflate.reset();
    DEFLATES.with_borrow_mut(|pool| {
        if pool.len() < POOLED_MAX {
            pool.push((setting, deflate));
        }
    });
}

/// A decompressor without context, for any window.
pub(super) fn take_inflate() -> Box<Inflate> {
    let pooled = INFLATES.with_borrow_mut(Vec::pop);
    pooled.unwrap_or_else(|| Box::new(Inflate::new(false, 15)))
}

/// Gives a decompressor back.
pub(super) fn give_inflate(mut inflate: Box<Inflate>) {
    inflate.reset(false);
    INFLATES.with_borrow_mut(|pool| {
        if pool.len() < POOLED_MAX {
            pool.push(inflate);
        }
    });
}

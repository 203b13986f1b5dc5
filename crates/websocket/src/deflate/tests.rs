use super::*;
use crate::{Extension, Role};

fn agree(options: &DeflateOptions) -> PerMessageDeflate {
    options.accept(&[options.offer()]).unwrap().0
}

fn both(mode: DeflateMode) -> (Deflater, Inflater) {
    let options = DeflateOptions {
        mode,
        threshold_octets: Some(1),
        peer_context_takeover: ContextTakeover::Allow,
        ..DeflateOptions::default()
    };
    let agreed = agree(&options);
    (Deflater::new(&options, &agreed, Role::Server), Inflater::new(&agreed, Role::Server))
}

fn modes() -> [DeflateMode; 3] {
    [DeflateMode::Shared, DeflateMode::History { octets: 1024 }, DeflateMode::Dedicated]
}

fn inflate(inflater: &mut Inflater, compressed: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut out = Vec::new();
    inflater.inflate(compressed, &mut out, 10_000_000)?;
    inflater.finish(&mut out, 10_000_000)?;
    Ok(out)
}

#[test]
fn messages_come_back_in_every_mode() {
    for mode in modes() {
        let (mut deflater, mut inflater) = both(mode);
        for n in 0..50_usize {
            let payload = format!("{{\"tick\":{n},\"price\":{}}}", n * 17).repeat(1 + n % 7 * 400);
            let mut out = b"before".to_vec();
            match deflater.deflate(payload.as_bytes(), &mut out) {
                Deflated::Compressed => {
                    let plain = inflate(&mut inflater, &out[6..]).unwrap();
                    assert_eq!(plain, payload.as_bytes(), "{mode:?} {n}");
                }
                Deflated::Raw => assert_eq!(out, b"before"),
            }
        }
    }
}

#[test]
fn what_does_not_get_shorter_is_sent_as_it_is_and_not_remembered() {
    let noise: Vec<u8> =
        (0..300_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for mode in [DeflateMode::Shared, DeflateMode::History { octets: 1024 }] {
        let (mut deflater, mut inflater) = both(mode);
        let mut out = Vec::new();
        assert_eq!(deflater.deflate(&noise, &mut out), Deflated::Raw);
        assert_eq!(out, []);
        let second = [&noise[..200], &[7; 200]].concat();
        assert_eq!(deflater.deflate(&second, &mut out), Deflated::Compressed);
        assert_eq!(inflate(&mut inflater, &out), Ok(second));
    }
}

#[test]
fn short_messages_are_sent_as_they_are() {
    let options = DeflateOptions::default();
    let agreed = agree(&options);
    let mut deflater = Deflater::new(&options, &agreed, Role::Server);
    let mut out = Vec::new();
    assert_eq!(deflater.deflate(&[b'x'; 511], &mut out), Deflated::Raw);
    assert_eq!(deflater.deflate(&[b'x'; 512], &mut out), Deflated::Compressed);
}

#[test]
fn without_context_each_message_stands_by_itself() {
    let (mut deflater, _) = both(DeflateMode::Shared);
    let mut frames = [Vec::new(), Vec::new()];
    for frame in &mut frames {
        deflater.deflate(b"the same again and again and again", frame);
    }
    assert_eq!(frames[0], frames[1]);
}

#[test]
fn a_message_for_all_can_come_between_those_of_a_history() {
    let (mut deflater, mut inflater) = both(DeflateMode::History { octets: 1024 });
    let shared = deflater.shared_setting().unwrap();
    for n in 0..20 {
        let payload = format!("message number {n}, much as the others, much as the others");
        let mut out = Vec::new();
        let deflated = if n % 3 == 0 {
            let deflated = shared.deflate(payload.as_bytes(), &mut out);
            deflater.record_shared(payload.as_bytes());
            deflated
        } else {
            deflater.deflate(payload.as_bytes(), &mut out)
        };
        assert_eq!(deflated, Deflated::Compressed);
        assert_eq!(inflate(&mut inflater, &out).unwrap(), payload.as_bytes());
    }
    assert!(both(DeflateMode::Dedicated).0.shared_setting().is_none());
}

#[test]
fn a_final_block_ends_neither_the_message_nor_the_connection() {
    let (_, mut inflater) = both(DeflateMode::Shared);
    // RFC 7692, section 7.2.3.4: "Hello" in a block that says it is the last.
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    for _ in 0..3 {
        assert_eq!(inflate(&mut inflater, &hello).unwrap(), b"Hello");
    }
    assert_eq!(inflate(&mut inflater, &[0x03, 0x80]), Ok(Vec::new()));
}

#[test]
fn a_message_that_ends_without_a_flush_leaves_the_next_as_it_is() {
    let (_, mut inflater) = both(DeflateMode::Dedicated);
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for nothing in [&[][..], &[0x03, 0x80], &[0x00], &[]] {
        assert_eq!(inflate(&mut inflater, nothing), Ok(Vec::new()), "{nothing:?}");
        assert_eq!(inflate(&mut inflater, &hello).unwrap(), b"Hello", "after {nothing:?}");
    }
}

#[test]
fn nothing_can_be_referred_to_before_a_final_block_however_it_is_cut() {
    let hello_and_again =
        [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0, 0, 0xff, 0xff, 0xf2, 0, 0x11, 0, 0];
    let final_hello_and_again = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0xf2, 0, 0x11, 0, 0];
    for octets_at_a_time in 1..=hello_and_again.len() {
        let inflate_cut = |input: &[u8]| {
            let (_, mut inflater) = both(DeflateMode::Dedicated);
            let mut out = Vec::new();
            for part in input.chunks(octets_at_a_time) {
                inflater.inflate(part, &mut out, 1000)?;
            }
            inflater.finish(&mut out, 1000).map(|()| out)
        };
        assert_eq!(inflate_cut(&hello_and_again).unwrap(), b"HelloHello");
        assert_eq!(inflate_cut(&final_hello_and_again), Err(InflateError::Corrupt));
    }
}

#[test]
fn what_is_too_long_before_it_is_corrupt_is_too_long() {
    let (mut deflater, mut inflater) = both(DeflateMode::Shared);
    let mut message = Vec::new();
    deflater.deflate(&[b'a'; 200], &mut message);
    message.extend_from_slice(&[0x00, 0x00, 0xff, 0xff, 0x06]);
    let mut out = Vec::new();
    assert_eq!(inflater.inflate(&message, &mut out, 199), Err(InflateError::TooLong));
    assert_eq!(out, [b'a'; 199]);
}

#[test]
fn a_bomb_stops_at_its_limit() {
    for mode in modes() {
        let (mut deflater, mut inflater) = both(mode);
        let mut bomb = Vec::new();
        assert_eq!(deflater.deflate(&vec![0; 5_000_000], &mut bomb), Deflated::Compressed);
        assert!(bomb.len() < 50_000);
        let mut out = Vec::new();
        let stopped = inflater.inflate(&bomb, &mut out, 100_000);
        assert_eq!(stopped, Err(InflateError::TooLong));
        assert!(out.capacity() <= 400_000, "{}", out.capacity());
    }
}

#[test]
fn what_is_not_deflate_is_corrupt() {
    let (_, mut inflater) = both(DeflateMode::Shared);
    assert_eq!(inflate(&mut inflater, &[0x06, 0xff, 0xff]), Err(InflateError::Corrupt));
}

#[test]
fn an_inflater_without_context_owns_nothing_between_messages() {
    let options = DeflateOptions { threshold_octets: Some(1), ..DeflateOptions::default() };
    let agreed = agree(&options);
    let mut deflater = Deflater::new(&options, &agreed, Role::Client);
    let mut inflater = Inflater::new(&agreed, Role::Client);
    let mut out = Vec::new();
    deflater.deflate(&[b'a'; 1000], &mut out);
    inflate(&mut inflater, &out).unwrap();
    assert!(inflater.is_idle());
}

#[test]
fn a_window_of_eight_bits_is_sent_to_without_compression() {
    let options = DeflateOptions { mode: DeflateMode::Dedicated, ..DeflateOptions::default() };
    let answer = "permessage-deflate; client_max_window_bits=8; server_no_context_takeover";
    let agreed = options.agree(&Extension::parse_list(answer).unwrap()).unwrap().unwrap();
    let mut deflater = Deflater::new(&options, &agreed, Role::Client);
    assert_eq!(deflater.deflate(&[b'a'; 1000], &mut Vec::new()), Deflated::Raw);
}

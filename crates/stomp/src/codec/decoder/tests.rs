use super::*;

/// All frames of `input` for a session of `version`, and the error that ended it.
fn decode(version: Option<Version>, input: &[u8]) -> (Vec<Frame>, Option<DecodeError>) {
    decode_pieces(version, Limits::default(), [input])
}

fn decode_pieces<'a>(
    version: Option<Version>,
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = Decoder::new(limits);
    if let Some(version) = version {
        decoder.set_version(version);
    }
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.handle_input(Bytes::copy_from_slice(piece));
        loop {
            match decoder.poll_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn frame(command: Command, headers: &[(&str, &str)], body: &'static [u8]) -> Frame {
    let headers = headers.iter().copied().collect();
    Frame { command, headers, body: Bytes::from_static(body) }
}

fn check(input: &[u8], expected: &[Frame]) {
    for version in Version::ALL {
        assert_eq!(decode(Some(version), input), (expected.to_vec(), None), "{version}");
    }
}

fn check_error(input: &[u8], expected: DecodeError) {
    for version in Version::ALL {
        assert_eq!(decode(Some(version), input), (Vec::new(), Some(expected)), "{version}");
    }
}

#[test]
fn a_frame_is_a_command_headers_an_empty_line_a_body_and_nul() {
    let headers = [("destination", "/queue/a"), ("empty", "")];
    check(
        b"SEND\ndestination:/queue/a\nempty:\n\nhello\nworld\0",
        &[frame(Command::Send, &headers, b"hello\nworld")],
    );
    check(b"DISCONNECT\n\n\0", &[frame(Command::Disconnect, &[], b"")]);
}

#[test]
fn line_ends_may_stand_before_between_and_after_frames() {
    let begin = frame(Command::Begin, &[("transaction", "t")], b"");
    check(
        b"\n\r\n\n\nBEGIN\ntransaction:t\n\n\0\r\n\n\r\nBEGIN\ntransaction:t\n\n\0\n",
        &[begin.clone(), begin],
    );
    check(b"\n\n\r\n", &[]);
}

#[test]
fn frames_may_follow_each_other_without_a_gap() {
    let ack = frame(Command::Ack, &[("id", "1")], b"");
    check(b"ACK\nid:1\n\n\0ACK\nid:1\n\n\0", &[ack.clone(), ack]);
}

#[test]
fn a_line_may_end_in_cr_lf_in_every_version() {
    check(
        b"SEND\r\ndestination:/queue/a\r\n\r\nhello\r\n\0\r\n",
        &[frame(Command::Send, &[("destination", "/queue/a")], b"hello\r\n")],
    );
}

#[test]
fn a_carriage_return_within_a_line_is_an_error() {
    check_error(b"SEND\rX\n", DecodeError::StrayCarriageReturn);
    check_error(b"SEND\na:b\rc\n", DecodeError::StrayCarriageReturn);
    check_error(b"SEND\na:b\r\r\n", DecodeError::StrayCarriageReturn);
    check_error(b"\r\r\n", DecodeError::StrayCarriageReturn);
}

#[test]
fn the_command_must_be_one_in_upper_case() {
    check_error(b"SENT\n", DecodeError::UnknownCommand);
    check_error(b"SEND \n", DecodeError::UnknownCommand);
    check_error(b"GET / HTTP/1.1\r\n", DecodeError::UnknownCommand);
    check_error(b"\xff\xfe\n", DecodeError::UnknownCommand);
    check_error(b"send\n", DecodeError::CommandNotInUpperCase(Command::Send));
    check_error(b"Connect\n", DecodeError::CommandNotInUpperCase(Command::Connect));
}

#[test]
fn a_header_needs_a_name_and_a_colon() {
    check_error(b"SEND\ndestination\n", DecodeError::HeaderWithoutColon);
    check_error(b"SEND\n:value\n", DecodeError::HeaderWithoutName);
}

#[test]
fn a_value_may_hold_further_colons() {
    let headers = [("url", "http://a:80/"), ("time", "12:30")];
    check(b"SEND\nurl:http://a:80/\ntime:12:30\n\n\0", &[frame(Command::Send, &headers, b"")]);
}

#[test]
fn repeated_headers_are_kept_and_the_first_wins() {
    let (frames, _) = decode(Some(Version::V1_2), b"SEND\nfoo:1\nfoo:2\n\n\0");
    assert_eq!(frames[0].headers.get("foo"), Some("1"));
    assert_eq!(frames[0].headers.len(), 2);
}

#[test]
fn escapes_are_read_by_version() {
    let input = b"SEND\na\\cb:1\\n2\\\\\n\n\0";
    let raw = frame(Command::Send, &[("a\\cb", "1\\n2\\\\")], b"");
    let unescaped = frame(Command::Send, &[("a:b", "1\n2\\")], b"");
    assert_eq!(decode(Some(Version::V1_0), input), (vec![raw], None));
    assert_eq!(decode(Some(Version::V1_1), input), (vec![unescaped.clone()], None));
    assert_eq!(decode(Some(Version::V1_2), input), (vec![unescaped], None));
}

#[test]
fn an_unknown_escape_is_fatal_from_1_1() {
    let undefined = Some(DecodeError::UndefinedEscape);
    for input in [&b"SEND\na:\\t\n\n\0"[..], b"SEND\n\\t:a\n\n\0", b"SEND\na:b\\\n\n\0"] {
        assert_eq!(decode(Some(Version::V1_0), input).1, None);
        assert_eq!(decode(Some(Version::V1_1), input).1, undefined);
        assert_eq!(decode(Some(Version::V1_2), input).1, undefined);
    }
    let carriage_return = b"SEND\na:\\r\n\n\0";
    assert_eq!(decode(Some(Version::V1_1), carriage_return).1, undefined);
    assert_eq!(decode(Some(Version::V1_2), carriage_return).0[0].headers.get("a"), Some("\r"));
}

#[test]
fn connect_is_never_unescaped() {
    let headers = [("passcode", "a\\nb\\q:c")];
    let input = b"CONNECT\npasscode:a\\nb\\q:c\n\n\0";
    check(input, &[frame(Command::Connect, &headers, b"")]);
    assert_eq!(decode(None, input), (vec![frame(Command::Connect, &headers, b"")], None));
}

#[test]
fn leading_blanks_of_a_value_are_padding_in_1_0_only() {
    let input = b"SEND\ndestination: /queue/a \n\n\0";
    let value = |version| {
        let (frames, _) = decode(Some(version), input);
        frames[0].headers.get("destination").unwrap().to_owned()
    };
    assert_eq!(value(Version::V1_0), "/queue/a ");
    assert_eq!(value(Version::V1_1), " /queue/a ");
    assert_eq!(value(Version::V1_2), " /queue/a ");
}

#[test]
fn octets_that_are_not_utf_8_are_kept() {
    let mut expected = frame(Command::Send, &[], b"\xff\xfe");
    expected.headers.push_octets(b"a\xff", b"\xc3(");
    check(b"SEND\na\xff:\xc3(\n\n\xff\xfe\0", &[expected]);
    check("SEND\né:ü\n\n\0".as_bytes(), &[frame(Command::Send, &[("é", "ü")], b"")]);
}

#[test]
fn a_counted_body_may_hold_nuls() {
    check(
        b"SEND\ncontent-length:5\n\na\0b\0c\0",
        &[frame(Command::Send, &[("content-length", "5")], b"a\0b\0c")],
    );
    check(
        b"SEND\ncontent-length:0\n\n\0\n",
        &[frame(Command::Send, &[("content-length", "0")], b"")],
    );
}

#[test]
fn the_first_content_length_counts_and_blanks_around_it_do_not_matter() {
    let headers = [("content-length", "3"), ("content-length", "x")];
    check(
        b"SEND\ncontent-length:3\ncontent-length:x\n\nabc\0",
        &[frame(Command::Send, &headers, b"abc")],
    );
    let (frames, error) = decode(Some(Version::V1_2), b"SEND\ncontent-length: 3 \n\nabc\0");
    assert_eq!((&frames[0].body[..], error), (&b"abc"[..], None));
}

#[test]
fn a_content_length_that_is_no_number_is_an_error() {
    for value in ["-1", "+5", "", " ", "0x5", "5a", "1 2", "1.0", "\u{665}"] {
        let input = format!("SEND\ncontent-length:{value}\n\nhello\0");
        check_error(input.as_bytes(), DecodeError::InvalidContentLength);
    }
}

#[test]
fn a_content_length_beyond_the_limit_or_any_integer_is_refused_at_once() {
    let max = Limits::default().body_octets_max;
    for value in ["16777217", "18446744073709551615", "18446744073709551616"] {
        let input = format!("SEND\ncontent-length:{value}\n\n");
        check_error(input.as_bytes(), DecodeError::BodyTooLong { max });
    }
}

#[test]
fn a_declared_length_reserves_nothing() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_version(Version::V1_2);
    decoder.handle_input(Bytes::from("SEND\ncontent-length:16777216\n\nhello"));
    assert_eq!(decoder.poll_frame(), Ok(None));
    let State::CountedBody { body, .. } = &decoder.state else { panic!("not within a body") };
    assert!(body.capacity() < 64);
}

#[test]
fn a_frame_that_is_skipped_is_passed_over_without_its_body_being_kept() {
    for (head, is_counted) in [("NONSENSE\n\n", false), ("NONSENSE\ncontent-length:9\n\n", true)] {
        let mut decoder = Decoder::new(Limits::default()).unknown_commands(UnknownCommands::Skip);
        decoder.set_version(Version::V1_2);
        for piece in [head, "abc", "def", "ghi"] {
            decoder.handle_input(Bytes::from(piece));
            assert_eq!(decoder.poll_frame(), Ok(None));
            assert!(!decoder.has_failed());
        }
        let State::SkippedBody { body, .. } = &decoder.state else { panic!("not within a body") };
        match body {
            SkippedBody::Counted { remaining } => assert!(is_counted && *remaining == 0),
            SkippedBody::Open { octets } => assert!(!is_counted && *octets == 9),
        }
        decoder.handle_input(Bytes::from("\0\nSEND\n\n\0"));
        assert_eq!(decoder.poll_frame(), Err(DecodeError::UnknownCommand));
        assert!(!decoder.has_failed());
        assert_eq!(decoder.poll_frame(), Ok(Some(frame(Command::Send, &[], b""))));
    }
}

#[test]
fn a_frame_that_is_skipped_has_the_limits_of_others() {
    let limits = Limits { body_octets_max: 2, ..Limits::default() };
    for (input, expected) in [
        ("NONSENSE\n\nabc", DecodeError::BodyTooLong { max: 2 }),
        ("NONSENSE\ncontent-length:3\n\n", DecodeError::BodyTooLong { max: 2 }),
        ("NONSENSE\ncontent-length:2\n\nabc", DecodeError::MissingNul),
        ("NONSENSE\ncontent-length:0\n\na", DecodeError::MissingNul),
    ] {
        let mut decoder = Decoder::new(limits).unknown_commands(UnknownCommands::Skip);
        decoder.set_version(Version::V1_2);
        for octet in input.as_bytes() {
            decoder.handle_input(Bytes::copy_from_slice(&[*octet]));
        }
        assert_eq!(decoder.poll_frame(), Err(expected), "{input}");
        assert!(decoder.has_failed());
        assert_eq!(decoder.poll_frame(), Err(expected), "{input}");
    }
}

#[test]
fn the_counted_body_must_end_in_nul() {
    check_error(b"SEND\ncontent-length:3\n\nabcd\0", DecodeError::MissingNul);
    check_error(b"SEND\ncontent-length:0\n\n\n\0", DecodeError::MissingNul);
    check(b"SEND\ncontent-length:3\n\nabc", &[]);
}

#[test]
fn a_nul_before_the_empty_line_is_an_error() {
    check_error(b"SEND\ndestination:/queue/a\0", DecodeError::NulBeforeBody);
    check_error(b"SEND\0", DecodeError::NulBeforeBody);
    check_error(b"\0", DecodeError::NulBeforeBody);
}

#[test]
fn line_limits_hold_to_the_octet() {
    let limits = Limits {
        command_octets_max: 4,
        header_line_octets_max: 8,
        headers_max: 2,
        ..Limits::default()
    };
    let check = |input: &str, expected: Option<DecodeError>| {
        let whole = decode_pieces(Some(Version::V1_2), limits, [input.as_bytes()]);
        assert_eq!(whole.1, expected, "{input:?}");
        let octets = input.as_bytes().chunks(1);
        assert_eq!(decode_pieces(Some(Version::V1_2), limits, octets), whole, "{input:?}");
    };
    check("SEND\n12345:78\n\n\0", None);
    check("BEGIN\n", Some(DecodeError::CommandTooLong { max: 4 }));
    check("12345", Some(DecodeError::CommandTooLong { max: 4 }));
    check("SEND\n12345:789\n", Some(DecodeError::HeaderTooLong { max: 8 }));
    check("SEND\n12345:789", Some(DecodeError::HeaderTooLong { max: 8 }));
    check("SEND\na:1\nb:2\n\n\0", None);
    check("SEND\na:1\nb:2\nc:3\n", Some(DecodeError::TooManyHeaders { max: 2 }));
}

#[test]
fn body_limits_hold_with_and_without_content_length() {
    let limits = Limits { body_octets_max: 3, ..Limits::default() };
    let check = |input: &str, expected: Option<DecodeError>| {
        let whole = decode_pieces(Some(Version::V1_2), limits, [input.as_bytes()]);
        assert_eq!(whole.1, expected, "{input:?}");
        let octets = input.as_bytes().chunks(1);
        assert_eq!(decode_pieces(Some(Version::V1_2), limits, octets), whole, "{input:?}");
    };
    let too_long = Some(DecodeError::BodyTooLong { max: 3 });
    check("SEND\n\nabc\0", None);
    check("SEND\n\nabcd", too_long);
    check("SEND\ncontent-length:3\n\nabc\0", None);
    check("SEND\ncontent-length:4\n\n", too_long);
}

#[test]
fn before_login_the_whole_frame_is_limited() {
    let limits = Limits { before_login_octets_max: 16, ..Limits::default() };
    let too_long = Some(DecodeError::TooLongBeforeLogin { max: 16 });
    let check = |input: &str, expected: Option<DecodeError>| {
        let whole = decode_pieces(None, limits, [input.as_bytes()]);
        assert_eq!(whole.1, expected, "{input:?}");
        let octets = input.as_bytes().chunks(1);
        assert_eq!(decode_pieces(None, limits, octets), whole, "{input:?}");
        assert_eq!(decode_pieces(Some(Version::V1_2), limits, [input.as_bytes()]).1, None);
    };
    let blank_lines = "\n\r\n".repeat(20);
    check(&format!("{blank_lines}CONNECT\nab:cd\n\n\0"), None);
    check(&format!("{blank_lines}CONNECT\nabc:de\n\n\0"), too_long);
    check("CONNECT\na:bc\n\n\0\r\n\r\nCONNECT\na:bc\n\n\0", None);
    check("CONNECT\n\n1234567\0", too_long);
    check("CONNECT\n\n123456\0", None);
    check("CONNECT\ncontent-length:5\n\n", too_long);
}

#[test]
fn a_tls_client_hello_is_known_by_its_first_octet() {
    assert_eq!(decode(None, b"\x16\x03\x01").1, Some(DecodeError::TlsClientHello));
}

#[test]
fn nothing_is_decoded_after_an_error() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.handle_input(Bytes::from("NONSENSE\n"));
    assert_eq!(decoder.poll_frame(), Err(DecodeError::UnknownCommand));
    decoder.handle_input(Bytes::from("CONNECT\n\n\0"));
    assert_eq!(decoder.poll_frame(), Err(DecodeError::UnknownCommand));
    assert_eq!(decoder.pending_octets(), 0);
}

#[test]
fn input_may_be_handed_in_faster_than_it_is_taken() {
    let mut decoder = Decoder::new(Limits::default());
    for piece in ["CONN", "ECT\n", "host:a\n", "\n\0CONN", "ECT\n\n\0"] {
        decoder.handle_input(Bytes::from(piece));
    }
    let first = decoder.poll_frame().unwrap().unwrap();
    assert_eq!(first.headers.get("host"), Some("a"));
    assert_eq!(decoder.poll_frame(), Ok(Some(Frame::new(Command::Connect))));
    assert_eq!(decoder.poll_frame(), Ok(None));
}

#[test]
fn a_body_is_copied_only_where_it_is_little_of_the_input() {
    let body = "x".repeat(100);
    for head in ["SEND\n\n", "SEND\ncontent-length:100\n\n"] {
        for (line_ends, is_shared) in [(0, true), (50, true), (200, false)] {
            let line_ends = "\n".repeat(line_ends);
            let input = Bytes::from(format!("{head}{body}\0{line_ends}"));
            let mut decoder = Decoder::new(Limits::default());
            decoder.handle_input(input.clone());
            let frame = decoder.poll_frame().unwrap().unwrap();
            assert_eq!(decoder.poll_frame(), Ok(None));
            assert_eq!(frame.body, body);
            assert_eq!(!input.is_unique(), is_shared, "{head:?} {}", line_ends.len());
        }
    }
}

#[test]
fn an_idle_decoder_owns_no_buffer() {
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_version(Version::V1_2);
    for octet in b"\r\nSEND\nname:value\ncontent-length:5\n\nhello\0SEND\n\nhello\0\r\n" {
        decoder.handle_input(Bytes::copy_from_slice(&[*octet]));
        while decoder.poll_frame().unwrap().is_some() {}
    }
    let input = Bytes::from(vec![b'\n'; 1000]);
    decoder.handle_input(input.clone());
    assert_eq!(decoder.poll_frame(), Ok(None));
    assert!(input.is_unique());
    assert!(matches!(decoder.state, State::Command));
    assert_eq!((decoder.line.capacity(), decoder.further.capacity()), (0, 0));
}

/// Looking at what has been looked at before would take these some 10^12 steps.
#[test]
fn a_long_frame_in_single_octets_is_looked_at_once() {
    const BODY: usize = 1 << 20;
    let header = "x".repeat(16_000);
    for length in [String::new(), format!("content-length:{BODY}\n")] {
        let head = format!("SEND\nlong:{header}\n{length}\n").into_bytes();
        let frame = [head, vec![b'x'; BODY], vec![0]].concat();
        let (frames, error) =
            decode_pieces(Some(Version::V1_2), Limits::default(), frame.chunks(1));
        assert_eq!((frames[0].body.len(), error), (BODY, None));

        let mut untaken = Decoder::new(Limits::default());
        untaken.set_version(Version::V1_2);
        for octet in frame.chunks(1) {
            untaken.handle_input(Bytes::copy_from_slice(octet));
        }
        assert_eq!(untaken.poll_frame(), Ok(frames.into_iter().next()));
    }
}

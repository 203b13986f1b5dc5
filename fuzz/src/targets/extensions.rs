//! The field Sec-WebSocket-Extensions, as either end takes it from the other.

use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Method, StatusCode, Version};
use tidings_websocket::handshake::client::OpeningHandshake;
use tidings_websocket::handshake::server::{self, accept};
use tidings_websocket::{
    ContextTakeover, DeflateMode, DeflateOptions, Extension, PerMessageDeflate, Role,
};

use super::deflate_options::{OPTION_OCTETS, deflate_options};
use crate::random::Random;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "extensions",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b"permessage-deflate",
        b"; server_no_context_takeover",
        b"; client_no_context_takeover",
        b"; server_max_window_bits",
        b"; client_max_window_bits",
        b"=8",
        b"=9",
        b"=15",
        b"=16",
        b"=\"10\"",
        b"=\"1\\0\"",
        b", ",
        b";",
        b"\"",
        b"\\",
        b"\t",
        b"\n",
        b"\xff",
    ],
};

const NAME: &str = "permessage-deflate";
const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What one handshake may list.
const EXTENSIONS_MAX: usize = 32;
const PARAMS_MAX: usize = 16;

/// The options of one end, and the fields that it gets: one in each line.
fn check(input: &[u8]) {
    let Some((options, block)) = input.split_first_chunk::<OPTION_OCTETS>() else { return };
    let options = deflate_options(*options);
    let lines: Vec<&[u8]> = block.split(|octet| *octet == b'\n').collect();
    let listed: Option<Vec<Extension>> =
        lines.iter().map(|line| parse(line)).collect::<Option<Vec<_>>>().map(|all| all.concat());
    let listed = listed.filter(|extensions| extensions.len() <= EXTENSIONS_MAX);

    if let Some(headers) = headers(&lines) {
        check_request(&headers, listed.as_deref());
        check_response(&options, &headers, listed.as_deref());
    }
    let Some(listed) = listed else { return };
    if let Some((agreed, answer)) = options.accept(&listed) {
        check_answer(&options, &listed, &agreed, &answer);
    }
    if let Ok(agreed) = options.agree(&listed) {
        check_agreed(&options, &listed, agreed.as_ref());
    }
}

/// The extensions in one field. What is accepted is printed as what is accepted as the same.
fn parse(line: &[u8]) -> Option<Vec<Extension>> {
    let extensions = Extension::parse_list(std::str::from_utf8(line).ok()?).ok()?;
    assert!(extensions.len() <= EXTENSIONS_MAX);
    assert!(extensions.iter().all(|extension| extension.params().count() <= PARAMS_MAX));
    let printed: Vec<String> = extensions.iter().map(Extension::to_string).collect();
    assert_eq!(Extension::parse_list(&printed.join(", ")).as_ref(), Ok(&extensions));
    Some(extensions)
}

/// The fields with what else a handshake takes on both sides, if HTTP lets them through.
fn headers(lines: &[&[u8]]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_bytes(line).ok()?);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
    Some(headers)
}

/// A server takes the fields of a request together.
fn check_request(headers: &HeaderMap, listed: Option<&[Extension]>) {
    match accept(&Method::GET, Version::HTTP_11, headers) {
        Ok(accepted) => assert_eq!(Some(accepted.extensions()), listed),
        Err(error) => {
            assert_eq!(error, server::HandshakeError::InvalidExtension);
            assert_eq!(listed, None);
        }
    }
}

/// A client takes from the fields of a response what it takes from their extensions.
fn check_response(options: &DeflateOptions, headers: &HeaderMap, listed: Option<&[Extension]>) {
    let no_subprotocols: [&str; 0] = [];
    let opening = OpeningHandshake::new([0; 16], no_subprotocols).expect("there are none");
    let opened = opening.clone().verify_extended_connect(StatusCode::OK, headers);
    assert_eq!(opened.is_ok(), listed.is_some_and(<[_]>::is_empty), "nothing was offered");
    let opened = opening
        .with_deflate(Some(*options))
        .verify_extended_connect(StatusCode::OK, headers)
        .map(|opened| opened.deflate().copied());
    let expected = listed.and_then(|listed| options.agree(listed).ok());
    assert_eq!(opened.ok(), expected);
}

/// What a server answers keeps within its options, and within one of the offers.
fn check_answer(
    options: &DeflateOptions,
    offers: &[Extension],
    agreed: &PerMessageDeflate,
    answer: &Extension,
) {
    assert_eq!(Extension::parse_list(&answer.to_string()), Ok(vec![answer.clone()]));
    assert_eq!(answer.name(), NAME);
    let answers_one =
        offers.iter().filter(|offer| offer.name() == NAME).any(|offer| answers(offer, answer));
    assert!(answers_one, "{answer} answers none of {offers:?}");
    check_refusals(options, agreed, Role::Client);
    assert!((9..=15).contains(&agreed.max_window_bits(Role::Server)));
    assert!((8..=15).contains(&agreed.max_window_bits(Role::Client)));
    let takeovers =
        [(SERVER_NO_CONTEXT_TAKEOVER, Role::Server), (CLIENT_NO_CONTEXT_TAKEOVER, Role::Client)];
    for (name, sender) in takeovers {
        let refused = agreed.context_takeover(sender) == ContextTakeover::Refuse;
        assert_eq!(param(answer, name).is_some(), refused, "{name}");
    }
    let bits = value(answer, SERVER_MAX_WINDOW_BITS).unwrap_or(15);
    assert_eq!(bits, agreed.max_window_bits(Role::Server));
    if let Some(bits) = value(answer, CLIENT_MAX_WINDOW_BITS) {
        assert_eq!(bits, agreed.max_window_bits(Role::Client));
    }
}

/// Whether the answer asks for nothing that the offer does not allow, and gives all that it asks for.
fn answers(offer: &Extension, answer: &Extension) -> bool {
    let server_window = match param(offer, SERVER_MAX_WINDOW_BITS) {
        Some(_) => value(answer, SERVER_MAX_WINDOW_BITS) <= value(offer, SERVER_MAX_WINDOW_BITS),
        None => true,
    };
    let client_window = match param(answer, CLIENT_MAX_WINDOW_BITS) {
        Some(_) => {
            let offered = value(offer, CLIENT_MAX_WINDOW_BITS).unwrap_or(15);
            param(offer, CLIENT_MAX_WINDOW_BITS).is_some()
                && value(answer, CLIENT_MAX_WINDOW_BITS).is_some_and(|bits| bits <= offered)
        }
        None => true,
    };
    let takeovers = [SERVER_NO_CONTEXT_TAKEOVER, CLIENT_NO_CONTEXT_TAKEOVER];
    let refusals = takeovers
        .iter()
        .all(|name| param(offer, name).is_none() || param(answer, name) == Some(None));
    server_window && client_window && refusals
}

/// What a client agrees on is what one extension says, within its own options.
fn check_agreed(
    options: &DeflateOptions,
    answered: &[Extension],
    agreed: Option<&PerMessageDeflate>,
) {
    let Some(agreed) = agreed else {
        assert!(answered.is_empty());
        return;
    };
    let [answer] = answered else { panic!("{} answers were agreed on", answered.len()) };
    assert_eq!(answer.name(), NAME);
    check_refusals(options, agreed, Role::Server);
    assert!(agreed.max_window_bits(Role::Server) <= options.peer_window_bits.clamp(9, 15));
    let bits = value(answer, SERVER_MAX_WINDOW_BITS).unwrap_or(15);
    assert_eq!(bits, agreed.max_window_bits(Role::Server));
    let own = options.window_bits.map_or(15, |bits| bits.clamp(9, 15));
    let bits = value(answer, CLIENT_MAX_WINDOW_BITS).unwrap_or(15);
    assert!(agreed.max_window_bits(Role::Client) <= own.min(bits));
    if param(answer, CLIENT_NO_CONTEXT_TAKEOVER).is_some() {
        assert_eq!(agreed.context_takeover(Role::Client), ContextTakeover::Refuse);
    }
}

/// Whoever refuses contexts gets none, and who compresses without one says so.
fn check_refusals(options: &DeflateOptions, agreed: &PerMessageDeflate, peer: Role) {
    if options.peer_context_takeover == ContextTakeover::Refuse {
        assert_eq!(agreed.context_takeover(peer), ContextTakeover::Refuse);
    }
    let this = match peer {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    };
    if options.mode == DeflateMode::Shared {
        assert_eq!(agreed.context_takeover(this), ContextTakeover::Refuse);
    }
}

fn param<'a>(extension: &'a Extension, name: &str) -> Option<Option<&'a str>> {
    let mut params = extension.params();
    params.find(|(param, _)| *param == name).map(|(_, value)| value)
}

fn value(extension: &Extension, name: &str) -> Option<u8> {
    param(extension, name)??.parse().ok()
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = random.octets(OPTION_OCTETS);
    for _ in 0..=random.below(4) {
        let name = match random.below(8) {
            0 => "x-webkit-deflate-frame",
            _ => NAME,
        };
        out.extend_from_slice(name.as_bytes());
        for _ in 0..random.below(5) {
            let param = random.pick(&[
                SERVER_NO_CONTEXT_TAKEOVER,
                CLIENT_NO_CONTEXT_TAKEOVER,
                SERVER_MAX_WINDOW_BITS,
                CLIENT_MAX_WINDOW_BITS,
            ]);
            let has_value = param.ends_with("bits") != random.one_in(8);
            let value = match random.below(16) {
                0 => random.pick(&["=\"1\\2\"", "=\"9\"", "=+9", "=09", "=16", "=7", "= 10 "]),
                _ => random.pick(&["=8", "=9", "=10", "=11", "=12", "=13", "=14", "=15"]),
            };
            out.extend_from_slice(random.pick(&["; ", ";", " ;\t"]).as_bytes());
            out.extend_from_slice(param.as_bytes());
            if has_value {
                out.extend_from_slice(value.as_bytes());
            }
        }
        out.extend_from_slice(random.pick(&[", ", ",", "\n", " , ,"]).as_bytes());
    }
    out
}

//! Digest: RFC 7616, and its predecessor without `qop`, RFC 2069.

use md5::Md5;
use sha2::{Digest, Sha256};

use super::challenge::Challenge;
use super::{ChallengedRequest, Credentials, Staleness};

/// How often the nonce was used: each answer is to a new challenge.
const NONCE_COUNT: &str = "00000001";

/// A challenge that can be answered.
#[derive(Debug)]
pub(super) struct DigestChallenge<'a> {
    challenge: &'a Challenge,
    nonce: &'a str,
    algorithm: Algorithm,
    session: SessionVariant,
    protection: Protection,
}

/// The hash, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

/// Whether the first hash also covers the nonces: the algorithms that end in `-sess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SessionVariant {
    Plain,
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// `qop=auth`.
    Auth,
    /// No `qop` at all.
    Rfc2069,
}

impl<'a> DigestChallenge<'a> {
    /// The challenge, if it is one of Digest with a known algorithm.
    pub(super) fn of(challenge: &'a Challenge) -> Option<Self> {
        if !challenge.is("Digest") || challenge.parameter("realm").is_none() {
            return None;
        }
        let nonce = challenge.parameter("nonce")?;
        let name = challenge.parameter("algorithm").unwrap_or("MD5").to_ascii_uppercase();
        let (name, session) = match name.strip_suffix("-SESS") {
            Some(name) => (name, SessionVariant::Session),
            None => (name.as_str(), SessionVariant::Plain),
        };
        let algorithm = match name {
            "MD5" => Algorithm::Md5,
            "SHA-256" => Algorithm::Sha256,
            _ => return None,
        };
        let protection = match challenge.parameter("qop") {
            None => Protection::Rfc2069,
            Some(qop) if qop.split(',').any(|it| it.trim().eq_ignore_ascii_case("auth")) => {
                Protection::Auth
            }
            Some(_) => return None,
        };
        Some(Self { challenge, nonce, algorithm, session, protection })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn is_stale(&self) -> Staleness {
        match self.challenge.parameter("stale") {
            Some(stale) if stale.eq_ignore_ascii_case("true") => Staleness::Stale,
            _ => Staleness::Fresh,
        }
    }

    /// The value of the header field that answers the challenge.
    pub(super) fn answer(
        &self,
        credentials: &Credentials,
        request: &ChallengedRequest<'_>,
        client_nonce: &str,
    ) -> String {
        let Credentials { user, password, .. } = credentials;
        let realm = self.challenge.parameter("realm").unwrap_or_default();
        let hash = |parts: &[&str]| self.algorithm.hash(&parts.join(":"));

        let secret = hash(&[user, realm, password]);
        let secret = match self.session {
            SessionVariant::Plain => secret,
            SessionVariant::Session => hash(&[&secret, self.nonce, client_nonce]),
        };
        let asked = hash(&[request.method, request.target]);
        let response = match self.protection {
            Protection::Rfc2069 => hash(&[&secret, self.nonce, &asked]),
            Protection::Auth => {
                hash(&[&secret, self.nonce, NONCE_COUNT, client_nonce, "auth", &asked])
            }
        };

        let hashes_user = self.challenge.parameter("userhash") == Some("true");
        let user = if hashes_user { hash(&[user, realm]) } else { user.clone() };
        let mut value = format!(
            "Digest username={}, realm={}, uri={}, algorithm={}, nonce={}, response=\"{response}\"",
            quote(&user),
            quote(realm),
            quote(request.target),
            self.name(),
            quote(self.nonce),
        );
        if self.protection == Protection::Auth {
            let nonce = quote(client_nonce);
            value.push_str(&format!(", qop=auth, nc={NONCE_COUNT}, cnonce={nonce}"));
        }
        if let Some(opaque) = self.challenge.parameter("opaque") {
            value.push_str(&format!(", opaque={}", quote(opaque)));
        }
        if hashes_user {
            value.push_str(", userhash=true");
        }
        value
    }

    fn name(&self) -> &'static str {
        match (self.algorithm, self.session) {
            (Algorithm::Md5, SessionVariant::Plain) => "MD5",
            (Algorithm::Md5, SessionVariant::Session) => "MD5-sess",
            (Algorithm::Sha256, SessionVariant::Plain) => "SHA-256",
            (Algorithm::Sha256, SessionVariant::Session) => "SHA-256-sess",
        }
    }
}

impl Algorithm {
    /// The hash in hexadecimal digits.
    fn hash(self, text: &str) -> String {
        fn hex(octets: &[u8]) -> String {
            octets.iter().map(|octet| format!("{octet:02x}")).collect()
        }
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::super::challenge::challenges;
    use super::*;

    /// RFC 7616, section 3.9.1.
    const EXAMPLE: &str = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                           algorithm=ALGORITHM, \
                           nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                           opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    const CLIENT_NONCE: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

    fn answer(line: &str, credentials: &Credentials, target: &str, client_nonce: &str) -> String {
        let found = challenges(line);
        let challenge = DigestChallenge::of(&found[0]).unwrap();
        let request = ChallengedRequest { method: "GET", target };
        challenge.answer(credentials, &request, client_nonce)
    }

    fn response(value: &str) -> &str {
        value.split_once("response=\"").unwrap().1.split_once('"').unwrap().0
    }

    #[test]
    fn the_responses_are_those_of_the_standards_example() {
        let mufasa = Credentials::new("Mufasa", "Circle of Life");
        let cases = [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ];
        for (algorithm, expected) in cases {
            let line = EXAMPLE.replace("ALGORITHM", algorithm);
            let value = answer(&line, &mufasa, "/dir/index.html", CLIENT_NONCE);
            assert_eq!(response(&value), expected, "{value}");
            for part in [
                "username=\"Mufasa\"",
                "realm=\"http-auth@example.org\"",
                "uri=\"/dir/index.html\"",
                "qop=auth",
                "nc=00000001",
                &format!("cnonce=\"{CLIENT_NONCE}\""),
                "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
            ] {
                assert!(value.contains(part), "{part} in {value}");
            }
        }
    }

    #[test]
    fn the_predecessor_without_qop_is_answered_as_in_its_erratum() {
        let mufasa = Credentials::new("Mufasa", "CircleOfLife");
        let line = "Digest realm=\"testrealm@host.com\", \
                    nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
                    opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let value = answer(line, &mufasa, "/dir/index.html", "");
        assert_eq!(response(&value), "1949323746fe6a43ef61f9606e7febea");
        assert!(!value.contains("qop"), "{value}");
    }

    #[test]
    fn sess_algorithms_hash_the_nonces_into_the_secret() {
        let user = Credentials::new("user", "password");
        let line = "Digest realm=\"r\", nonce=\"n\", qop=auth, algorithm=SHA-256-sess";
        let value = answer(line, &user, "/", "c");
        let hash = |text: &str| Algorithm::Sha256.hash(text);
        let secret = hash(&format!("{}:n:c", hash("user:r:password")));
        let expected = hash(&format!("{secret}:n:00000001:c:auth:{}", hash("GET:/")));
        assert_eq!(response(&value), expected);
        assert!(value.contains("algorithm=SHA-256-sess"), "{value}");
    }

    #[test]
    fn a_user_can_be_told_by_its_hash() {
        let user = Credentials::new("user", "password");
        let line = "Digest realm=\"r\", nonce=\"n\", qop=auth, userhash=true";
        let value = answer(line, &user, "/", "c");
        let hashed = Algorithm::Md5.hash("user:r");
        assert!(value.contains(&format!("username=\"{hashed}\"")), "{value}");
        assert!(value.contains("userhash=true"), "{value}");
    }

    #[test]
    fn quotes_in_what_the_server_says_stay_inside_quotes() {
        let user = Credentials::new("user", "password");
        let line = "Digest realm=\"a\\\"b\", nonce=\"n\", qop=auth";
        let value = answer(line, &user, "/", "c");
        assert!(value.contains("realm=\"a\\\"b\""), "{value}");
    }

    #[test]
    fn other_algorithms_and_protections_cannot_be_answered() {
        for line in [
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"r\", qop=\"auth\"",
            "Digest nonce=\"n\", qop=\"auth\"",
        ] {
            assert!(DigestChallenge::of(&challenges(line)[0]).is_none(), "{line}");
        }
    }
}

//! Answers to a server's or a proxy's question who is there: RFC 9110, section 11.

mod challenge;
mod digest;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use self::challenge::{Challenge, challenges};
use self::digest::DigestChallenge;

/// A user's name and password, for servers and proxies that ask for them.
///
/// Basic (RFC 7617) and Digest (RFC 7616, with SHA-256 or MD5) are answered, Digest preferred. Nothing
/// is sent before it is asked for. Basic shows the password to whoever can read the connection.
///
/// # Examples
///
/// ```
/// use tidings::client::Credentials;
///
/// let credentials = Credentials::new("Mufasa", "Circle of Life").realm("http-auth@example.org");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
    realm: Option<String>,
}

impl Credentials {
    /// Credentials for whatever realm asks.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into(), realm: None }
    }

    /// Has only this realm answered.
    #[must_use]
    pub fn realm(self, realm: impl Into<String>) -> Self {
        Self { realm: Some(realm.into()), ..self }
    }

    /// The answer to what the fields `challenged` ask, if there is one.
    pub(super) fn answer(
        &self,
        headers: &HeaderMap,
        challenged: HeaderName,
        request: &ChallengedRequest<'_>,
    ) -> Option<Answer> {
        let asked: Vec<Challenge> = headers
            .get_all(challenged)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(challenges)
            .filter(|challenge| self.is_for(challenge))
            .collect();
        let digest = asked.iter().filter_map(DigestChallenge::of).max_by_key(|it| it.algorithm());
        if let Some(digest) = digest {
            let is_stale = digest.is_stale();
            let value = digest.answer(self, request, &client_nonce());
            return Answer::new(&value, is_stale);
        }
        // A user with a colon cannot be told in Basic: RFC 7617, section 2.
        let basic = asked.iter().any(|it| it.is("Basic")) && !self.user.contains(':');
        let value = basic.then(|| self.basic())?;
        Answer::new(&value, Staleness::Fresh)
    }

    fn is_for(&self, challenge: &Challenge) -> bool {
        let realm = challenge.parameter("realm").unwrap_or_default();
        self.realm.as_deref().is_none_or(|known| known == realm)
    }

    fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl std::fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("realm", &self.realm)
            .finish_non_exhaustive()
    }
}

/// What a digest is made of besides the credentials.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChallengedRequest<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
}

/// The value of `Authorization` or `Proxy-Authorization`.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) value: HeaderValue,
    pub(super) staleness: Staleness,
}

/// Whether the challenge says that only the nonce of the last answer was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Staleness {
    Fresh,
    Stale,
}

impl Answer {
    fn new(value: &str, staleness: Staleness) -> Option<Self> {
        let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        value.set_sensitive(true);
        Some(Self { value, staleness })
    }
}

/// What one side has been asked and has answered: no question twice, unless the answer was stale.
#[derive(Debug, Default)]
pub(super) enum Dialogue {
    #[default]
    Unasked,
    Answered(HeaderValue),
    AnsweredAgain(HeaderValue),
}

impl Dialogue {
    /// What to send.
    pub(super) fn value(&self) -> Option<&HeaderValue> {
        match self {
            Self::Unasked => None,
            Self::Answered(value) | Self::AnsweredAgain(value) => Some(value),
        }
    }

    /// Takes in what there is to answer next, if anything. The error is that there is nothing, or that
    /// the last answer was refused.
    pub(super) fn advance(&mut self, answer: Option<Answer>) -> Result<(), Refused> {
        let answer = answer.ok_or(Refused)?;
        *self = match (&*self, answer.staleness) {
            (Self::Unasked, _) => Self::Answered(answer.value),
            (Self::Answered(_), Staleness::Stale) => Self::AnsweredAgain(answer.value),
            _ => return Err(Refused),
        };
        Ok(())
    }
}

/// There are no credentials, or they were refused.
#[derive(Debug)]
pub(super) struct Refused;

fn client_nonce() -> String {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).expect("the operating system provides randomness");
    STANDARD.encode(octets)
}

#[cfg(test)]
mod tests {
    use http::header::WWW_AUTHENTICATE;

    use super::*;

    const REQUEST: ChallengedRequest<'_> = ChallengedRequest { method: "GET", target: "/" };

    fn answer(credentials: &Credentials, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
        }
        let answer = credentials.answer(&headers, WWW_AUTHENTICATE, &REQUEST)?;
        Some(answer.value.to_str().unwrap().to_owned())
    }

    #[test]
    fn basic_is_that_of_the_standards_example() {
        let aladdin = Credentials::new("Aladdin", "open sesame");
        let value = answer(&aladdin, &["Basic realm=\"WallyWorld\""]);
        assert_eq!(value.as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    }

    #[test]
    fn digest_comes_before_basic_and_sha_256_before_md5() {
        let user = Credentials::new("user", "password");
        let md5 = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";
        let sha = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
        let value = answer(&user, &["Basic realm=\"r\"", md5, sha]).unwrap();
        assert!(value.starts_with("Digest ") && value.contains("algorithm=SHA-256"), "{value}");
        let value = answer(&user, &["Basic realm=\"r\"", md5]).unwrap();
        assert!(value.contains("algorithm=MD5"), "{value}");
    }

    #[test]
    fn another_realm_is_not_answered() {
        let user = Credentials::new("user", "password").realm("inside");
        assert_eq!(answer(&user, &["Basic realm=\"outside\""]), None);
        assert!(answer(&user, &["Basic realm=\"outside\", Basic realm=\"inside\""]).is_some());
    }

    #[test]
    fn what_cannot_be_answered_is_not() {
        let user = Credentials::new("user", "password");
        for line in ["", "Bearer realm=\"r\"", "Negotiate", "Digest realm=\"r\""] {
            assert_eq!(answer(&user, &[line]), None, "{line}");
        }
        let with_colon = Credentials::new("a:b", "password");
        assert_eq!(answer(&with_colon, &["Basic realm=\"r\""]), None);
    }

    #[test]
    fn a_refused_answer_is_not_repeated_but_a_stale_one_once() {
        let value = HeaderValue::from_static("x");
        let fresh = Answer { value: value.clone(), staleness: Staleness::Fresh };
        let stale = Answer { value, staleness: Staleness::Stale };
        let mut dialogue = Dialogue::default();
        assert!(dialogue.advance(Some(fresh.clone())).is_ok());
        assert!(dialogue.advance(Some(fresh)).is_err());
        assert!(dialogue.advance(Some(stale.clone())).is_ok());
        assert!(dialogue.advance(Some(stale)).is_err());
    }

    #[test]
    fn the_password_is_not_shown() {
        let shown = format!("{:?}", Credentials::new("user", "password"));
        assert!(!shown.contains("password"), "{shown}");
    }
}

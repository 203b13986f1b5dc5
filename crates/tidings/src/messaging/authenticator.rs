use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tidings_stomp::{Connect, Headers};

use crate::endpoint::{Handshake, Principal};

/// Decides who may come to the broker, and who they are.
///
/// It is asked for every CONNECT of STOMP, whichever door it came through, and for every
/// [event stream](crate::AppBuilder::event_source). Without one, any login is accepted.
/// What it answers is the session's [principal](crate::endpoint::Session::principal), named by the
/// `user-name` header of CONNECTED; when a [login expires](Principal::expiring_at), so does the session, and so it
/// does when the login of the handshake expires before.
///
/// It has [so much time](crate::server::StompOptions::authentication_timeout), and
/// [so many](crate::server::StompOptions::authentications_max) are asked at a time; others wait, but not
/// [too many](crate::server::StompOptions::authentications_waiting_max).
/// Event streams have turns [of their own](crate::server::EventSourceOptions::authentications_max), so that
/// neither waits for the other. It may be cancelled, when the time is over or the server stops. If it panics, the client
/// is refused. A closure will do:
///
/// ```
/// use tidings::App;
/// use tidings::endpoint::Principal;
/// use tidings::messaging::{AccessDenied, Login};
///
/// # fn is_right(_: &str, _: &str) -> bool { true }
/// let app = App::builder().stomp("/stomp").authenticator(|login: Login| async move {
///     match login.login.zip(login.passcode) {
///         Some((name, passcode)) if is_right(&name, &passcode) => Ok(Principal::new(name)),
///         _ => Err(AccessDenied::new("Log in with your name and your password.")),
///     }
/// });
/// # app.build().unwrap();
/// ```
///
/// Whatever `is_right` does, it must take the same time for all that is wrong: have it verify a hash of the
/// password, and compare tokens in constant time, not by `==`. `docs/stomp.md` has an example.
pub trait Authenticator: Send + Sync + 'static {
    /// Says who a client is. A principal without a name is nobody: whoever answers with it lets the client not in, and the
    /// log has an error.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`]: the client gets an ERROR frame, and is disconnected at once. An event stream is
    /// answered with status 401.
    fn authenticate(
        &self,
        login: Login,
    ) -> impl Future<Output = Result<Principal, AccessDenied>> + Send;
}

impl<F, Authenticated> Authenticator for F
where
    F: Fn(Login) -> Authenticated + Send + Sync + 'static,
    Authenticated: Future<Output = Result<Principal, AccessDenied>> + Send,
{
    fn authenticate(
        &self,
        login: Login,
    ) -> impl Future<Output = Result<Principal, AccessDenied>> + Send {
        self(login)
    }
}

/// How a client makes itself known.
#[derive(Clone)]
#[non_exhaustive]
pub struct Login {
    /// The `login` header of CONNECT. If that has none, the user of HTTP's Basic authentication
    /// (RFC 7617) in the opening handshake.
    pub login: Option<String>,
    /// The `passcode` header of CONNECT, or the password that came with the login otherwise. Never to be
    /// logged; `Debug` does not show it.
    pub passcode: Option<String>,
    /// All headers of CONNECT, where a client may put a token for example. An event stream has none.
    pub headers: Headers,
    /// How the connection came about: headers such as `authorization` and `cookie`, the address of the
    /// peer, the certificates that it has shown, and the principal, if somebody knows that already. Over
    /// TCP there is no request.
    pub handshake: Handshake,
}

impl Login {
    pub(crate) fn new(connect: &Connect, handshake: &Handshake) -> Self {
        let of_handshake = Self::of_handshake(handshake);
        let given = connect.login.clone().filter(|login| !login.is_empty());
        let (login, passcode) = if given.is_some() || of_handshake.login.is_none() {
            (given, connect.passcode.clone())
        } else {
            (of_handshake.login, of_handshake.passcode)
        };
        Self { login, passcode, headers: connect.headers.clone(), ..of_handshake }
    }

    /// That of a client that sends a new one on its open session. What its handshake told of it has had its time.
    pub(crate) fn renewed(headers: &Headers, handshake: &Handshake) -> Self {
        let header = |name| headers.get(name).filter(|it| !it.is_empty()).map(str::to_owned);
        let (login, passcode) = (header("login"), header("passcode"));
        Self { login, passcode, headers: headers.clone(), handshake: handshake.without_login() }
    }

    /// That of a client that has nothing but its handshake.
    pub(crate) fn of_handshake(handshake: &Handshake) -> Self {
        let credentials = handshake.header("authorization").and_then(basic_credentials);
        let (login, passcode) = credentials.unzip();
        Self { login, passcode, headers: Headers::default(), handshake: handshake.clone() }
    }

    /// Where clients of STOMP send a new login on an open session, if there is an authenticator: a SEND to
    /// `/session/renew` with the headers that CONNECT would have, such as `Authorization`. The authenticator is asked
    /// again, and if it knows the same user, the session goes on with the principal that it answers. A receipt
    /// says that it does. Only the message counts, and the certificates of the connection:
    /// [`handshake`](Self::handshake) has no request and no principal. The message goes nowhere else, and needs no [rule](crate::AppBuilder::rules).
    pub const RENEWAL_DESTINATION: &str = "/session/renew";

    /// The token by which the client makes itself known, if it has one: a JSON Web Token, or whatever else the application
    /// has given it. Nobody has looked at it yet. It is the first of these that there is:
    ///
    /// 1. the header `Authorization: Bearer TOKEN` of CONNECT, its name in any case;
    /// 2. the `passcode` of a CONNECT that has no `login`;
    /// 3. the header `Authorization: Bearer TOKEN` of the opening handshake (RFC 6750, section 2.1);
    /// 4. a subprotocol `bearer.TOKEN` that the client offers beside those of STOMP, which pages can do;
    /// 5. the parameter `access_token` in the query of the opening handshake (section 2.3), which stays in the logs of
    ///    whatever is in between: give such tokens a short life;
    /// 6. the cookie `access_token` of the opening handshake.
    ///
    /// Compare it in constant time, or verify its signature.
    #[must_use]
    pub fn bearer_token(&self) -> Option<String> {
        let of_frame = self.headers.iter().find_map(|(name, value)| {
            name.eq_ignore_ascii_case("authorization").then(|| bearer(value)).flatten()
        });
        let passcode = || {
            let names_nobody = self.headers.get("login").is_none_or(str::is_empty);
            self.headers.get("passcode").filter(|it| names_nobody && !it.is_empty())
        };
        let of_frame = of_frame.or_else(passcode).map(str::to_owned);
        of_frame.or_else(|| token_of_handshake(&self.handshake))
    }

    /// Whom the opening handshake has made known: its principal, or the common name of the certificate
    /// that the client has shown to TLS, which has been verified.
    pub fn verified(&self) -> Option<Principal> {
        let of_certificate = || self.handshake.client_common_name().map(Principal::new);
        self.handshake.principal().cloned().or_else(of_certificate)
    }

    /// Who it is if everybody is believed, but those whose certificate does not say who they are.
    pub(crate) fn claimed(self) -> Result<Option<Principal>, AccessDenied> {
        if let Some(principal) = self.verified() {
            return Ok(Some(principal));
        }
        if self.handshake.client_certificates().next().is_some() {
            return Err(AccessDenied::new(
                "No common name can be read in your certificate, and that is who you are. Show another one.",
            ));
        }
        // Libraries send an empty one for who has given none.
        Ok(self.login.filter(|login| !login.is_empty()).map(Principal::claimed))
    }
}

/// Shows everything but what is secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("login", &self.login)
            .field("passcode", &self.passcode.as_ref().map(|_| "[hidden]"))
            .field("headers", &self.headers)
            .field("remote_addr", &self.handshake.remote_addr())
            .finish_non_exhaustive()
    }
}

/// Why a client may not open a session. What it says goes to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessDenied {
    advice: Box<str>,
}

impl AccessDenied {
    /// A refusal that tells the client what to do, in a sentence.
    pub fn new(advice: impl Into<Box<str>>) -> Self {
        Self { advice: advice.into() }
    }
}

impl fmt::Display for AccessDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access denied: {}", self.advice)
    }
}

impl Error for AccessDenied {}

impl From<&AccessDenied> for tidings_stomp::Error {
    fn from(denied: &AccessDenied) -> Self {
        Self::new("access denied", denied.advice.clone())
    }
}

/// An authenticator whose type is forgotten.
pub(crate) trait AnyAuthenticator: Send + Sync {
    fn authenticate_boxed(
        &self,
        login: Login,
    ) -> Pin<Box<dyn Future<Output = Result<Principal, AccessDenied>> + Send + '_>>;
}

impl<A: Authenticator> AnyAuthenticator for A {
    fn authenticate_boxed(
        &self,
        login: Login,
    ) -> Pin<Box<dyn Future<Output = Result<Principal, AccessDenied>> + Send + '_>> {
        Box::pin(self.authenticate(login))
    }
}

/// The token of an `Authorization` field: RFC 6750, section 2.1.
fn bearer(field: &str) -> Option<&str> {
    let (scheme, token) = field.trim().split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
}

fn token_of_handshake(handshake: &Handshake) -> Option<String> {
    let values = |name: &'static str| {
        let of_name = handshake.headers().filter(move |(known, _)| *known == name);
        of_name.filter_map(|(_, value)| str::from_utf8(value).ok())
    };
    let subprotocol = || {
        let mut offered = values("sec-websocket-protocol").flat_map(|offer| offer.split(','));
        offered.find_map(|offer| offer.trim().strip_prefix("bearer."))
    };
    let cookie = || {
        let mut cookies = values("cookie").flat_map(|cookies| cookies.split(';'));
        cookies.find_map(|cookie| cookie.trim().strip_prefix("access_token="))
    };
    let query = || {
        let mut query = handshake.query_pairs();
        query.find_map(|(name, value)| (name == "access_token").then(|| value.into_owned()))
    };
    let token = values("authorization").find_map(bearer).or_else(subprotocol).map(str::to_owned);
    let token = token.or_else(query).or_else(|| cookie().map(str::to_owned));
    token.filter(|token| !token.is_empty())
}

/// The user and the password of an `Authorization` field: RFC 7617, section 2.
fn basic_credentials(field: &str) -> Option<(String, String)> {
    let (scheme, credentials) = field.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(credentials.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::PathParams;

    #[test]
    fn a_passcode_is_not_shown() {
        let login = Login {
            login: Some("ann".to_owned()),
            passcode: Some("hush".to_owned()),
            headers: Headers::from([("login", "ann"), ("passcode", "hush")]),
            handshake: Handshake::default(),
        };
        let shown = format!("{login:?}");
        assert!(shown.contains("ann") && !shown.contains("hush"), "{shown}");
        let headers = Headers::from([("Authorization", "Bearer hush"), ("Cookie", "a=hush")]);
        let login = Login { headers, ..login };
        assert_eq!(login.bearer_token().as_deref(), Some("hush"));
        let shown = format!("{login:?}");
        assert!(shown.contains("Authorization") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn a_token_comes_from_the_first_place_that_has_one() {
        let all = [
            ("authorization", "Bearer of-handshake"),
            ("sec-websocket-protocol", "v12.stomp, bearer.of-subprotocol"),
            ("cookie", "a=b; access_token=of-cookie"),
        ];
        let handshake = |fields: &[(&'static str, &'static str)], query: &str| {
            let headers = fields.iter().map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static(value))
            });
            let uri = format!("/stomp{query}").parse().unwrap();
            Handshake::new(&uri, &headers.collect(), PathParams::default(), None)
        };
        let query = "?a=b&access_token=of%2Dquery";
        let check = |headers: &[(&str, &str)], handshake: &Handshake, expected: Option<&str>| {
            let headers: Headers = headers.iter().copied().collect();
            let passcode = headers.get("passcode").map(str::to_owned);
            let login = headers.get("login").map(str::to_owned);
            let login = Login { login, passcode, headers, handshake: handshake.clone() };
            assert_eq!(login.bearer_token().as_deref(), expected, "{login:?}");
        };
        let full = handshake(&all, query);
        let bearer = ("AUTHORIZATION", "bearer  of-frame ");
        check(&[("passcode", "of-passcode"), bearer], &full, Some("of-frame"));
        check(&[("passcode", "of-passcode"), ("login", "")], &full, Some("of-passcode"));
        check(&[("passcode", "secret"), ("login", "ann")], &full, Some("of-handshake"));
        check(&[("Authorization", "Basic YW5uOg==")], &full, Some("of-handshake"));
        check(&[], &handshake(&all[1..], query), Some("of-subprotocol"));
        check(&[], &handshake(&all[2..], query), Some("of-query"));
        check(&[], &handshake(&all[2..], ""), Some("of-cookie"));
        let others = [
            ("authorization", "Basic YW5uOg=="),
            ("sec-websocket-protocol", "v12.stomp"),
            ("cookie", "access_token="),
        ];
        check(&[("passcode", "")], &handshake(&others, "?access_tokens=x"), None);
    }

    #[test]
    fn basic_credentials_are_a_user_and_a_password_that_may_have_colons() {
        let check = |field: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(basic_credentials(field), expected, "{field}");
        };
        check("Basic YW5uOnNlY3JldDox", Some(("ann", "secret:1")));
        check("basic YW5uOg==", Some(("ann", "")));
        check("Bearer YW5uOnNlY3JldDox", None);
        check("Basic YW5u", None);
        check("Basic !", None);
        check("Basic", None);
    }
}

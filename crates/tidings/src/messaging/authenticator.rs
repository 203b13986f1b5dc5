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
    /// Says who a client is.
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

    /// That of a client that has nothing but its handshake.
    pub(crate) fn of_handshake(handshake: &Handshake) -> Self {
        let credentials = handshake.header("authorization").and_then(basic_credentials);
        let (login, passcode) = credentials.unzip();
        Self { login, passcode, headers: Headers::default(), handshake: handshake.clone() }
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
        Ok(self.login.filter(|login| !login.is_empty()).map(Principal::new))
    }
}

/// Shows everything but the passcode.
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

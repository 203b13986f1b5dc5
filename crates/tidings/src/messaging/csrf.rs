use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

use tidings_stomp::{Error, Headers};

use crate::endpoint::Session;

/// Asks for a token in CONNECT that only pages of the application know: so no other page can open a session in the name of
/// whoever looks at it, even where cookies say who that is and [origins](crate::server::AllowedOrigins) are
/// let in that should not be.
///
/// The token is compared, in constant time, with the one that is known of the handshake. Where none is known nobody
/// is let in. Connections over TCP come from no page, and are not asked; nor are
/// [event streams](crate::AppBuilder::event_source), which have no CONNECT and can change nothing.
///
/// ```
/// use tidings::App;
/// use tidings::messaging::Csrf;
///
/// let app = App::builder().stomp("/stomp").csrf(Csrf::cookie("XSRF-TOKEN")).build()?;
/// # let _ = app;
/// # Ok::<(), tidings::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Csrf {
    header: Box<str>,
    token: Arc<Known>,
}

type Known = dyn Fn(&Session) -> Option<String> + Send + Sync;

impl Csrf {
    /// The header of CONNECT that the token is in, unless [`header`](Self::header) says otherwise.
    pub const HEADER_DEFAULT: &str = "X-CSRF-TOKEN";

    /// The token is what `token` says of a session that has not connected yet: of its handshake, or of whatever the application
    /// keeps for the user.
    #[must_use]
    pub fn new(token: impl Fn(&Session) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { header: Self::HEADER_DEFAULT.into(), token: Arc::new(token) }
    }

    /// The token is in a cookie, which pages of the application can read, and others cannot.
    #[must_use]
    pub fn cookie(name: &str) -> Self {
        let start = format!("{name}=");
        Self::new(move |session| {
            let fields = session.handshake().headers().filter(|(name, _)| *name == "cookie");
            let mut cookies = fields
                .filter_map(|(_, value)| str::from_utf8(value).ok())
                .flat_map(|cookies| cookies.split(';'));
            cookies.find_map(|cookie| cookie.trim().strip_prefix(&*start).map(str::to_owned))
        })
    }

    /// The token is among the [user properties](crate::endpoint::Session::user_properties), where the
    /// [handshake](crate::endpoint::Configurator::handshake) has set it under this name.
    #[must_use]
    pub fn user_property(name: &str) -> Self {
        let name = name.to_owned();
        Self::new(move |session| session.user_properties().value(&name))
    }

    /// Sets the header of CONNECT that the token is in, in any case. Default:
    /// [`HEADER_DEFAULT`](Self::HEADER_DEFAULT).
    #[must_use]
    pub fn header(mut self, name: &str) -> Self {
        self.header = name.into();
        self
    }

    /// Whether a CONNECT has the token.
    pub(crate) fn check(&self, session: &Session, headers: &Headers) -> Result<(), Error> {
        // Nothing comes from a page without a request.
        if session.handshake().uri().is_empty() {
            return Ok(());
        }
        let shown = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(&self.header));
        let known = (self.token)(session).filter(|token| !token.is_empty());
        let is_right = shown.zip(known).is_some_and(|((_, shown), known)| equal(shown, &known));
        let advice = || format!("Show the CSRF token of the page in the header {}.", self.header);
        if is_right { Ok(()) } else { Err(Error::new("access denied", advice())) }
    }
}

/// In a time that does not tell how much of them is equal.
fn equal(shown: &str, known: &str) -> bool {
    let differences = shown
        .bytes()
        .zip(known.bytes())
        .fold(0, |so_far, (shown, known)| black_box(so_far | (shown ^ known)));
    shown.len() == known.len() && differences == 0
}

impl fmt::Debug for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csrf").field("header", &self.header).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_equal_or_not() {
        assert!(equal("abc", "abc"));
        for other in ["", "ab", "abd", "abcd", "bbc", "ABC"] {
            assert!(!equal(other, "abc") && !equal("abc", other), "{other}");
        }
    }
}

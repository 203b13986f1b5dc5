use std::error::Error;
use std::fmt;

use http::header::{COOKIE, HeaderMap, HeaderValue};

/// A cookie by which a load balancer knows the server that has a client's sessions.
///
/// It says nothing about who the client is: everybody gets the same value, or the one that the request
/// has brought, which is the balancer's.
///
/// # Examples
///
/// ```
/// use http::HeaderMap;
/// use tidings_sockjs::{SameSite, StickyCookie};
///
/// let cookie = StickyCookie::jsessionid();
/// let set_cookie = cookie.set_cookie(&HeaderMap::new());
/// assert_eq!(set_cookie, "JSESSIONID=dummy; path=/");
///
/// let cookie = StickyCookie::new("SERVER", "a")?.same_site(SameSite::None);
/// let set_cookie = cookie.set_cookie(&HeaderMap::new());
/// assert_eq!(set_cookie, "SERVER=a; path=/; SameSite=None; Secure");
/// # Ok::<(), tidings_sockjs::CookieError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyCookie {
    name: String,
    value: String,
    same_site: Option<SameSite>,
    secure: bool,
}

/// To which requests a browser adds a cookie (RFC 6265bis, section 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// To those of pages of the same site.
    Strict,
    /// To those of pages of the same site, and when a person follows a link.
    Lax,
    /// To all: what pages of other sites need. Browsers take such a cookie only if it is secure.
    None,
}

impl StickyCookie {
    /// The cookie that the reference has: `JSESSIONID`, with the value `dummy`.
    pub fn jsessionid() -> Self {
        Self {
            name: "JSESSIONID".to_owned(),
            value: "dummy".to_owned(),
            same_site: None,
            secure: false,
        }
    }

    /// A cookie of this name, and the value that it has unless the request brings one.
    ///
    /// # Errors
    ///
    /// [`CookieError`] for characters that a cookie's name or value must not have (RFC 6265, section
    /// 4.1.1).
    pub fn new(name: &str, value: &str) -> Result<Self, CookieError> {
        let is_token =
            |octet: u8| octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&octet);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(CookieError::Name);
        }
        if !is_value(value.as_bytes()) {
            return Err(CookieError::Value);
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned(), ..Self::jsessionid() })
    }

    /// Says to which requests browsers shall add it. [`SameSite::None`] makes it secure. Not said by
    /// default, which browsers take for [`SameSite::Lax`].
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self.secure |= same_site == SameSite::None;
        self
    }

    /// Has browsers add it only where the connection is secure. Off by default.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// The `Set-Cookie` of the answer to a request with these headers.
    pub fn set_cookie(&self, request: &HeaderMap) -> HeaderValue {
        let cookies = request
            .get_all(COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|octet| *octet == b';').map(<[u8]>::trim_ascii));
        let mut known = cookies
            .filter_map(|cookie| cookie.strip_prefix(self.name.as_bytes())?.strip_prefix(b"="));
        // What is echoed must not say more than a value.
        let value = known.next().filter(|value| is_value(value)).unwrap_or(self.value.as_bytes());
        let mut field = [self.name.as_bytes(), b"=", value, b"; path=/"].concat();
        if let Some(same_site) = self.same_site {
            field.extend_from_slice(format!("; SameSite={same_site:?}").as_bytes());
        }
        if self.secure {
            field.extend_from_slice(b"; Secure");
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(field))
            .expect("all of it is visible ASCII")
    }
}

fn is_value(value: &[u8]) -> bool {
    value.iter().all(|octet| octet.is_ascii_graphic() && !b"\",;\\".contains(octet))
}

/// What a cookie must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieError {
    /// Its name is empty, or not a token of HTTP.
    Name,
    /// Its value has spaces, quotes, commas, semicolons, backslashes, or what is not ASCII.
    Value,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name of a cookie must be one or more letters, digits or signs of a token",
            Self::Value => {
                "the value of a cookie must not have spaces, quotes, commas, semicolons or backslashes"
            }
        })
    }
}

impl Error for CookieError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_cookie(cookies: &[&'static str]) -> HeaderValue {
        let fields = cookies.iter().map(|it| (COOKIE, HeaderValue::from_static(it)));
        StickyCookie::jsessionid().set_cookie(&fields.collect())
    }

    #[test]
    fn the_value_of_the_request_is_kept() {
        assert_eq!(set_cookie(&["JSESSIONID=abcdef"]), "JSESSIONID=abcdef; path=/");
        assert_eq!(set_cookie(&["a=b; JSESSIONID=x=; c"]), "JSESSIONID=x=; path=/");
        assert_eq!(set_cookie(&["a=b", "JSESSIONID=x"]), "JSESSIONID=x; path=/");
    }

    #[test]
    fn what_is_no_value_is_not_echoed() {
        for cookie in ["JSESSIONID=a b", "JSESSIONID=\"a\"", "JSESSIONID", "XJSESSIONID=a", ""] {
            assert_eq!(set_cookie(&[cookie]), "JSESSIONID=dummy; path=/", "{cookie}");
        }
    }

    #[test]
    fn a_cookie_says_whom_it_is_for() {
        let cookie = StickyCookie::jsessionid().same_site(SameSite::Lax).secure();
        let expected = "JSESSIONID=dummy; path=/; SameSite=Lax; Secure";
        assert_eq!(cookie.set_cookie(&HeaderMap::new()), expected);
    }

    #[test]
    fn names_and_values_that_would_say_more_are_refused() {
        for name in ["", "a b", "a=b", "a;", "\u{e9}"] {
            assert_eq!(StickyCookie::new(name, ""), Err(CookieError::Name), "{name}");
        }
        for value in ["a b", "a;b", "a,b", "\"", "\n"] {
            assert_eq!(StickyCookie::new("a", value), Err(CookieError::Value), "{value:?}");
        }
    }
}

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

use super::url::{Scheme, WebSocketUrl};

/// Cookies that are kept: 50, the least that RFC 6265, section 6.1, asks for.
const COOKIES_MAX: usize = 50;

/// Octets of a cookie's name and value: 4,096, as in the same place.
const COOKIE_OCTETS_MAX: usize = 4096;

/// What servers want to be reminded of as long as a session lives: RFC 6265, with cookies for single hosts only.
///
/// No cookie outlives the jar, so of a time of expiry only one in the past counts: it removes the cookie.
#[derive(Default)]
pub(super) struct CookieJar(Mutex<Vec<Cookie>>);

struct Cookie {
    host: Box<str>,
    path: String,
    name: String,
    value: String,
    is_secure: bool,
}

impl CookieJar {
    /// Adds the cookies for `url` to those that are among the header fields of a request.
    pub(super) fn add_to(&self, headers: &mut HeaderMap, url: &WebSocketUrl) {
        let jar = self.lock();
        let mut own = jar.iter().filter(|cookie| cookie.is_for(url)).peekable();
        if own.peek().is_none() {
            return;
        }
        let given = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let own = own.map(|Cookie { name, value, .. }| format!("{name}={value}"));
        let all = given.map(str::to_owned).chain(own).collect::<Vec<_>>().join("; ");
        if let Ok(mut value) = HeaderValue::from_str(&all) {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    /// Takes in what an answer from `url` sets.
    pub(super) fn take_from(&self, headers: &HeaderMap, url: &WebSocketUrl) {
        let lines = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        for (cookie, life) in lines.filter_map(|line| Cookie::parse(line, url)) {
            let mut jar = self.lock();
            jar.retain(|known| !known.has_place_of(&cookie));
            if life == Life::GoesOn && jar.len() < COOKIES_MAX {
                jar.push(cookie);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    GoesOn,
    IsOver,
}

impl Cookie {
    /// The value of `Set-Cookie`: RFC 6265, section 5.2. `None` for one that cannot be kept.
    fn parse(line: &str, url: &WebSocketUrl) -> Option<(Self, Life)> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > COOKIE_OCTETS_MAX {
            return None;
        }
        let mut cookie = Self {
            host: url.host().into(),
            path: default_path(url),
            name: name.to_owned(),
            value: value.to_owned(),
            is_secure: false,
        };
        let (mut max_age, mut expires) = (None, None);
        for part in parts {
            let (attribute, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => cookie.path = value.to_owned(),
                "path" => cookie.path = default_path(url),
                "secure" => cookie.is_secure = true,
                "max-age" => max_age = value.parse::<i64>().ok().or(max_age),
                "expires" => expires = httpdate::parse_http_date(value).ok().or(expires),
                _ => {}
            }
        }
        // A page that anybody can forge must not set what is meant for secure ones: RFC 6265bis, section 5.7.
        if cookie.is_secure && url.scheme() == Scheme::Ws {
            return None;
        }
        let is_over = match (max_age, expires) {
            (Some(seconds), _) => seconds <= 0,
            (None, Some(time)) => time <= std::time::SystemTime::now(),
            (None, None) => false,
        };
        Some((cookie, if is_over { Life::IsOver } else { Life::GoesOn }))
    }

    fn has_place_of(&self, other: &Self) -> bool {
        (&self.host, &self.path, &self.name) == (&other.host, &other.path, &other.name)
    }

    /// Section 5.4 of the same.
    fn is_for(&self, url: &WebSocketUrl) -> bool {
        let path = url.path_and_query().path();
        let is_beneath = path.strip_prefix(self.path.as_str()).is_some_and(|rest| {
            rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/')
        });
        let is_shown = !self.is_secure || url.scheme() == Scheme::Wss;
        *self.host == *url.host() && is_beneath && is_shown
    }
}

/// The folder of the URL: section 5.1.4.
fn default_path(url: &WebSocketUrl) -> String {
    match url.path_and_query().path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> WebSocketUrl {
        text.parse().unwrap()
    }

    fn set(jar: &CookieJar, from: &str, lines: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, HeaderValue::from_str(line).unwrap());
        }
        jar.take_from(&headers, &url(from));
    }

    fn sent(jar: &CookieJar, to: &str) -> String {
        let mut headers = HeaderMap::new();
        jar.add_to(&mut headers, &url(to));
        headers.get(COOKIE).map_or("", |value| value.to_str().unwrap()).to_owned()
    }

    #[test]
    fn what_is_set_comes_back_to_whoever_set_it() {
        let jar = CookieJar::default();
        set(&jar, "ws://example.org/echo/info", &["JSESSIONID=dummy; path=/", "a = b"]);
        assert_eq!(sent(&jar, "ws://example.org/echo/0/x/xhr"), "JSESSIONID=dummy; a=b");
        assert_eq!(sent(&jar, "ws://example.org/echoes"), "JSESSIONID=dummy");
        assert_eq!(sent(&jar, "ws://example.com/echo/info"), "");
        set(&jar, "ws://example.org/echo/info", &["a=c"]);
        assert_eq!(sent(&jar, "ws://example.org/echo/"), "JSESSIONID=dummy; a=c");
    }

    #[test]
    fn what_the_user_gave_comes_first() {
        let jar = CookieJar::default();
        set(&jar, "ws://example.org/", &["a=b"]);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_static("user=me"));
        jar.add_to(&mut headers, &url("ws://example.org/"));
        assert_eq!(headers[COOKIE], "user=me; a=b");
        assert!(headers[COOKIE].is_sensitive());
    }

    #[test]
    fn a_cookie_that_is_over_is_gone() {
        let jar = CookieJar::default();
        let at = "ws://example.org/";
        set(&jar, at, &["a=1", "b=2", "c=3", "d=4; Max-Age=0"]);
        set(&jar, at, &["a=; Max-Age=0", "b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        set(&jar, at, &["c=5; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
        assert_eq!(sent(&jar, at), "c=5");
    }

    #[test]
    #[cfg(feature = "tls")]
    fn a_secure_cookie_stays_with_secure_connections() {
        let jar = CookieJar::default();
        set(&jar, "wss://example.org/", &["a=b; Secure; HttpOnly; SameSite=None"]);
        set(&jar, "ws://example.org/", &["c=d; Secure"]);
        assert_eq!(sent(&jar, "wss://example.org/"), "a=b");
        assert_eq!(sent(&jar, "ws://example.org/"), "");
    }

    #[test]
    fn a_jar_holds_no_more_than_it_may() {
        let jar = CookieJar::default();
        let at = "ws://example.org/";
        set(&jar, at, &[&format!("long={}", "x".repeat(COOKIE_OCTETS_MAX)), "", "=x", "x"]);
        assert_eq!(sent(&jar, at), "");
        for number in 0..=COOKIES_MAX {
            set(&jar, at, &[&format!("c{number}=")]);
        }
        assert_eq!(sent(&jar, at).split("; ").count(), COOKIES_MAX);
    }
}

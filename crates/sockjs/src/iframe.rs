use std::error::Error;
use std::fmt;

use md5::{Digest, Md5};

/// The page that `sockjs-client` loads into an iframe, to make requests to this server from a page of
/// another origin.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::IframePage;
///
/// let page = IframePage::new("/sockjs.js")?;
/// assert!(page.html().contains("<script src=\"/sockjs.js\"></script>"));
/// # Ok::<(), tidings_sockjs::SockJsUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IframePage {
    html: String,
    etag: String,
}

/// The hash of the script inside the page, for those who forbid inline scripts: as a source of
/// `script-src` in a `Content-Security-Policy`.
pub const IFRAME_SCRIPT_HASH: &str = "'sha256-lYmFXEsqdsgpRcqXPmVFJyV4CiaTNuS5IK/HjT7/fdk='";

impl IframePage {
    /// A page that loads the client's script from `sockjs_url`.
    ///
    /// # Errors
    ///
    /// [`SockJsUrlError`] unless the URL begins with `/` or `http`, and needs no quotes.
    pub fn new(sockjs_url: &str) -> Result<Self, SockJsUrlError> {
        let is_absolute = sockjs_url.starts_with('/') || sockjs_url.starts_with("http");
        let is_strange = |char: char| char.is_control() || matches!(char, '"' | '<' | '>' | ' ');
        if !is_absolute || sockjs_url.contains(is_strange) {
            return Err(SockJsUrlError(sockjs_url.to_owned()));
        }
        let html = format!(
            "<!DOCTYPE html>\n\
             <html>\n\
             <head>\n\
             \x20 <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n\
             \x20 <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
             \x20 <script src=\"{sockjs_url}\"></script>\n\
             \x20 <script>{SCRIPT}</script>\n\
             </head>\n\
             <body>\n\
             \x20 <h2>Don't panic!</h2>\n\
             \x20 <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>\n\
             </body>\n\
             </html>\n"
        );
        let hash = Md5::digest(html.as_bytes());
        let etag = hash.iter().fold("\"".to_owned(), |etag, octet| etag + &format!("{octet:02x}"));
        Ok(Self { html, etag: etag + "\"" })
    }

    /// The body of the answer.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// Its `ETag`, quotes included: the same as long as the page is.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Whether a client that has sent this `If-None-Match` has the page already (RFC 9110, section
    /// 13.1.2).
    pub fn is_known_to(&self, if_none_match: &str) -> bool {
        if_none_match
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == self.etag)
    }
}

/// Fixed by the test suite of SockJS, spaces included.
const SCRIPT: &str = "\n    document.domain = document.domain;\n    SockJS.bootstrap_iframe();\n  ";

/// Whether the segment is the name of the page, in any of its versions.
pub(crate) fn is_iframe(segment: &str) -> bool {
    let version = segment.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    let is_allowed = |octet: u8| matches!(octet, b'0'..=b'9' | b'-' | b'.' | b'a'..=b'z' | b'_');
    version.is_some_and(|version| version.bytes().all(is_allowed))
}

/// A URL that the page cannot load a script from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SockJsUrlError(String);

impl fmt::Display for SockJsUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sockjs_url {:?} must begin with / or http, without quotes, angle brackets or spaces",
            self.0
        )
    }
}

impl Error for SockJsUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_the_page_has_a_name() {
        for name in
            ["iframe.html", "iframe-a.html", "iframe-.html", "iframe-0.1.2abc-dirty.2144.html"]
        {
            assert!(is_iframe(name), "{name}");
        }
        for name in [
            "iframe",
            "iframe.htm",
            "IFRAME.HTML",
            "IFRAME",
            "iframe.HTML",
            "iframe.xml",
            "iframexhtml",
            "iframe-A.html",
            "iframe-\u{e9}.html",
        ] {
            assert!(!is_iframe(name), "{name}");
        }
    }

    #[test]
    fn the_page_is_known_by_its_etag() {
        let page = IframePage::new("http://x/sockjs.js").unwrap();
        let etag = page.etag();
        assert_eq!(etag.len(), 34);
        assert!(page.is_known_to(etag) && page.is_known_to("*"));
        assert!(page.is_known_to(&format!("\"a\", W/{etag}")));
        assert!(!page.is_known_to("\"a\"") && !page.is_known_to(""));
        assert_ne!(IframePage::new("/sockjs.js").unwrap().etag(), etag);
    }

    #[test]
    fn the_hash_is_that_of_the_script_inside_the_page() {
        use base64::Engine;

        let page = IframePage::new("/sockjs.js").unwrap();
        let script = page.html().split("<script>").nth(1).unwrap();
        let script = script.split("</script>").next().unwrap();
        let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(script));
        assert_eq!(IFRAME_SCRIPT_HASH, format!("'sha256-{hash}'"));
    }

    #[test]
    fn only_a_url_goes_into_the_page() {
        for url in ["", "sockjs.js", "javascript:1", "/\"", "/<", "http://x/ y", "/\n"] {
            assert!(IframePage::new(url).is_err(), "{url:?}");
        }
    }
}

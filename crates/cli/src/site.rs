mod disk;
mod embedded;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use tidings::server::Body;
use tower::Service;
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, DefaultServeDirFallback};

use disk::Disk;
use embedded::Embedded;

/// What the bundled pages may load and do: everything from here and nothing inline. The playground opens
/// WebSockets wherever its user wants.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// The client for browsers, which every site has.
const CLIENT: &str = "/tidings/sockjs.js";

/// A site of static files: the bundled one, or a directory.
#[derive(Clone, Debug)]
pub(crate) struct Site(Source);

#[derive(Clone, Debug)]
enum Source {
    Bundled(Files<Embedded>),
    Directory(Files<Disk>),
}

type Files<B> = ServeDir<DefaultServeDirFallback, B>;

/// The site that is part of the program.
pub(crate) fn bundled() -> Site {
    Site(Source::Bundled(files(Embedded)))
}

/// The files below `root`, without those whose path has a name that begins with a dot.
///
/// They are read when they are asked for, and symbolic links are followed: who may write to the directory
/// decides what is served.
pub(crate) fn directory(root: &Path) -> Site {
    Site(Source::Directory(files(Disk::new(root))))
}

fn files<B: Backend>(backend: B) -> Files<B> {
    ServeDir::with_backend("", backend).ignore_multi_range_requests(true)
}

impl<B> Service<Request<B>> for Site {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request = request.map(drop);
        match &self.0 {
            Source::Bundled(files) => Box::pin(answer_bundled(files.clone(), request)),
            Source::Directory(_) if request.uri().path() == CLIENT => {
                Box::pin(answer_bundled(self::files(Embedded), request))
            }
            Source::Directory(files) => Box::pin(answer_directory(files.clone(), request)),
        }
    }
}

async fn answer_bundled(
    files: Files<Embedded>,
    mut request: Request<()>,
) -> Result<Response<Body>, Infallible> {
    // The files have digests but no dates; see `embedded::Metadata`.
    request.headers_mut().remove(header::IF_MODIFIED_SINCE);
    request.headers_mut().remove(header::IF_UNMODIFIED_SINCE);
    let has_version = has_version(request.uri().path());
    let mut response = answer(files, request).await;

    let found = response.status() != StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.remove(header::LAST_MODIFIED);
    state_charset(headers);
    let cache_control =
        if has_version && found { "public, max-age=31536000, immutable" } else { "no-cache" };
    insert(headers, header::CACHE_CONTROL, cache_control);
    insert(headers, header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    insert(headers, header::REFERRER_POLICY, "same-origin");
    Ok(response)
}

/// Somebody else's pages: they are served as they are, and what they may do is theirs to say.
async fn answer_directory(
    files: Files<Disk>,
    request: Request<()>,
) -> Result<Response<Body>, Infallible> {
    let mut response = answer(files, request).await;
    insert(response.headers_mut(), header::CACHE_CONTROL, "no-cache");
    Ok(response)
}

async fn answer<B: Backend>(mut files: Files<B>, mut request: Request<()>) -> Response<Body> {
    keep_simple_range(request.headers_mut());
    let method = request.method().clone();
    let mut response = if request.uri().path().starts_with("//") {
        // The redirect from `//name` to `//name/` would lead to a host of that name.
        not_found()
    } else {
        let Ok(response) = files.call(request).await;
        response.map(Body::new)
    };
    if response.status() == StatusCode::NOT_FOUND {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static("/404.html");
        let Ok(page) = files.call(request).await;
        response = if page.status() == StatusCode::OK { page.map(Body::new) } else { not_found() };
        *response.status_mut() = StatusCode::NOT_FOUND;
        // They describe the page, and a 404 is not to be kept or asked for in parts.
        for name in [header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES] {
            response.headers_mut().remove(name);
        }
    }
    insert(response.headers_mut(), header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}

fn not_found() -> Response<Body> {
    let mut response = Response::new(Body::from("Not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    insert(response.headers_mut(), header::CONTENT_TYPE, "text/plain; charset=utf-8");
    response
}

/// Leaves a `Range` only where it means what `ServeDir` takes it for. A server may ignore it (RFC 9110,
/// 14.2) and must do so when its unit is unknown or `If-Range` names another version, which `ServeDir`
/// does not look at.
fn keep_simple_range(headers: &mut HeaderMap) {
    let in_octets = |range: &HeaderValue| {
        let unit = range.as_bytes().split(|octet| *octet == b'=').next().unwrap_or_default();
        unit.eq_ignore_ascii_case(b"bytes")
    };
    if headers.contains_key(header::IF_RANGE) || !headers.get(header::RANGE).is_some_and(in_octets)
    {
        headers.remove(header::RANGE);
    }
}

/// Whether the path leads into a folder of `vendor`, whose names contain a version: what is there never
/// changes.
fn has_version(path: &str) -> bool {
    path.strip_prefix("/vendor/").is_some_and(|file| file.contains('/'))
}

/// The bundled texts are UTF-8.
fn state_charset(headers: &mut HeaderMap) {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if let Some(text) = content_type.filter(|value| value.starts_with("text/"))
        && !text.contains("charset")
        && let Ok(with_charset) = HeaderValue::try_from(format!("{text}; charset=utf-8"))
    {
        headers.insert(header::CONTENT_TYPE, with_charset);
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Method;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE,
    X_CONTENT_TYPE_OPTIONS,
};
use http_body_util::BodyExt;

use super::*;

const PAGES: [&str; 5] = ["/", "/greetings/", "/chat/", "/playground/", "/lab/"];
const SCRIPT: &str = "/vendor/stompjs-7.5.0/stomp.umd.min.js";

async fn call(site: &Site, request: Request<()>) -> Response<Body> {
    let Ok(response) = site.clone().call(request).await;
    response
}

async fn get(site: &Site, path: &str) -> Response<Body> {
    call(site, Request::get(path).body(()).unwrap()).await
}

async fn get_with(site: &Site, path: &str, fields: &[(HeaderName, &str)]) -> Response<Body> {
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(name, *value);
    }
    call(site, request.body(()).unwrap()).await
}

fn field(response: &Response<Body>, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn octets(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(octets(response).await.to_vec()).unwrap()
}

fn source(path: &str) -> Vec<u8> {
    let folder = match path {
        "tidings/sockjs.js" => "../../clients/typescript/dist",
        _ => "site",
    };
    let name = path.strip_prefix("tidings/").unwrap_or(path);
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(name)).unwrap()
}

/// A directory of its own for one test, gone when the test ends.
struct Directory(PathBuf);

impl Directory {
    fn new(files: &[(&str, &str)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidings-site-{}-{count}", std::process::id());
        let root = std::env::temp_dir().join(name);
        for (path, content) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        Self(root)
    }

    fn site(&self) -> Site {
        directory(&self.0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn every_bundled_file_is_served_as_it_is_in_the_repository() {
    let site = bundled();
    for path in Embedded::paths() {
        let response = get(&site, &format!("/{path}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(field(&response, CONTENT_LENGTH), source(path).len().to_string(), "{path}");
        assert!(octets(response).await == source(path), "{path}");
    }
}

#[tokio::test]
async fn directories_are_answered_with_their_index() {
    for page in PAGES {
        let response = get(&bundled(), page).await;
        assert_eq!(response.status(), StatusCode::OK);
        let path = format!("{}index.html", &page[1..]);
        assert!(octets(response).await == source(&path), "{page}");
    }
}

#[tokio::test]
async fn content_types_follow_the_extension() {
    let types = [
        ("/", "text/html; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/chat.js", "text/javascript; charset=utf-8"),
        ("/assets/favicon.svg", "image/svg+xml"),
        ("/vendor/sockjs-client-1.6.1/LICENSE.txt", "text/plain; charset=utf-8"),
    ];
    for (path, content_type) in types {
        assert_eq!(field(&get(&bundled(), path).await, CONTENT_TYPE), content_type, "{path}");
    }
}

#[tokio::test]
async fn every_answer_forbids_guessing_the_type_and_foreign_code() {
    for path in ["/", SCRIPT, "/nothing", "/chat"] {
        let response = get(&bundled(), path).await;
        assert_eq!(field(&response, X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert!(field(&response, CONTENT_SECURITY_POLICY).starts_with("default-src 'self';"));
    }
}

#[test]
fn pages_have_nothing_inline() {
    for path in Embedded::paths().filter(|path| path.ends_with(".html")) {
        let page = String::from_utf8(source(path)).unwrap();
        for element in page.split('<').skip(1) {
            let tag = element.split('>').next().unwrap();
            assert!(!tag.starts_with("style"), "{path}: <{tag}>");
            assert!(!tag.starts_with("script") || tag.contains(" src="), "{path}: <{tag}>");
            assert!(!tag.contains(" style="), "{path}: <{tag}>");
            assert!(!tag.split(' ').any(|part| part.starts_with("on")), "{path}: <{tag}>");
        }
    }
}

#[tokio::test]
async fn links_between_pages_lead_somewhere() {
    let site = bundled();
    for path in Embedded::paths().filter(|path| path.ends_with(".html")) {
        let page = String::from_utf8(source(path)).unwrap();
        for attribute in ["href=\"", "src=\""] {
            for rest in page.split(attribute).skip(1) {
                let link = rest.split(['"', '#']).next().unwrap();
                if !link.is_empty() {
                    assert_eq!(get(&site, link).await.status(), StatusCode::OK, "{path}: {link}");
                }
            }
        }
    }
}

#[tokio::test]
async fn directory_without_slash_is_redirected_with_its_query() {
    let response = get(&bundled(), "/chat?room=galley").await;
    assert!(response.status().is_redirection());
    assert_eq!(field(&response, LOCATION), "/chat/?room=galley");
}

#[tokio::test]
async fn nobody_is_redirected_to_another_host() {
    for path in ["//chat", "//chat/../chat", "///chat"] {
        assert_eq!(get(&bundled(), path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn unknown_path_gets_the_page_for_it() {
    for path in ["/nothing", "/chat/nothing", "/assets/", "/index.html/", "/chat/index.html/x"] {
        let response = get(&bundled(), path).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(field(&response, CACHE_CONTROL), "no-cache");
        assert_eq!(field(&response, ETAG), "");
        assert_eq!(field(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert!(octets(response).await == source("404.html"), "{path}");
    }
}

#[tokio::test]
async fn missing_file_stays_missing_whatever_is_asked_about_it() {
    let fields = [(IF_NONE_MATCH, "*"), (RANGE, "bytes=0-3")];
    for path in ["/nothing", "/vendor/stompjs-0.0.0/stomp.umd.min.js"] {
        let response = get_with(&bundled(), path, &fields).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(field(&response, CACHE_CONTROL), "no-cache");
        assert_eq!(octets(response).await.len(), source("404.html").len());
    }
}

#[tokio::test]
async fn paths_do_not_leave_the_site() {
    let outside = Directory::new(&[("site/index.html", "inside"), ("secret.txt", "secret")]);
    let sites = [bundled(), directory(&outside.0.join("site"))];
    let paths = [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/%2fetc%2fpasswd",
        "/index.html%00",
        "/%ff",
    ];
    for site in sites {
        for path in paths {
            let status = get(&site, path).await.status();
            assert_eq!(status, StatusCode::NOT_FOUND, "{path} of {site:?}");
        }
    }
}

#[tokio::test]
async fn known_version_is_not_sent_again() {
    for path in ["/", "/assets/chat.js", SCRIPT] {
        let first = get(&bundled(), path).await;
        let etag = field(&first, ETAG).to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        for condition in [etag.clone(), format!("\"other\", W/{etag}"), "*".to_owned()] {
            let again = get_with(&bundled(), path, &[(IF_NONE_MATCH, &condition)]).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{condition}");
            assert_eq!(field(&again, ETAG), etag);
            assert_eq!(field(&again, CACHE_CONTROL), field(&first, CACHE_CONTROL));
            assert!(octets(again).await.is_empty());
        }
        let other = get_with(&bundled(), path, &[(IF_NONE_MATCH, "\"other\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn etags_differ_between_files() {
    let mut etags = Vec::new();
    for path in Embedded::paths() {
        etags.push(field(&get(&bundled(), &format!("/{path}")).await, ETAG).to_owned());
    }
    let files = etags.len();
    etags.sort_unstable();
    etags.dedup();
    assert_eq!(etags.len(), files);
}

#[tokio::test]
async fn bundled_files_have_no_date() {
    let fields = [(IF_MODIFIED_SINCE, "Fri, 31 Dec 9999 23:59:59 GMT")];
    let response = get_with(&bundled(), "/", &fields).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(field(&response, LAST_MODIFIED), "");
}

#[tokio::test]
async fn only_what_has_a_version_in_its_path_is_kept_unasked() {
    let site = bundled();
    for path in ["/", "/chat/", "/assets/chat.js", "/vendor/README.md", "/chat"] {
        assert_eq!(field(&get(&site, path).await, CACHE_CONTROL), "no-cache", "{path}");
    }
    let kept = "public, max-age=31536000, immutable";
    assert_eq!(field(&get(&site, SCRIPT).await, CACHE_CONTROL), kept);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let request = Request::head("/chat/").body(()).unwrap();
    let head = call(&bundled(), request).await;
    let get = get(&bundled(), "/chat/").await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers(), get.headers());
    assert!(octets(head).await.is_empty());
}

#[tokio::test]
async fn other_methods_are_refused() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri("/").body(()).unwrap();
        let response = call(&bundled(), request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(field(&response, ALLOW), "GET,HEAD");
    }
}

#[tokio::test]
async fn one_range_is_served_as_such() {
    let whole = source("index.html");
    let len = whole.len();
    let ranges = [
        ("bytes=0-99", 0..100),
        ("bytes=100-", 100..len),
        ("bytes=-50", len - 50..len),
        ("bytes=10-99999999", 10..len),
    ];
    for (range, expected) in ranges {
        let response = get_with(&bundled(), "/", &[(RANGE, range)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let content_range = format!("bytes {}-{}/{len}", expected.start, expected.end - 1);
        assert_eq!(field(&response, CONTENT_RANGE), content_range);
        assert_eq!(field(&response, CONTENT_LENGTH), expected.len().to_string());
        assert!(octets(response).await == whole[expected], "{range}");
    }
}

#[tokio::test]
async fn range_beyond_the_end_is_refused() {
    let response = get_with(&bundled(), "/", &[(RANGE, "bytes=99999999-")]).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let len = source("index.html").len();
    assert_eq!(field(&response, CONTENT_RANGE), format!("bytes */{len}"));
}

#[tokio::test]
async fn ranges_that_are_not_served_get_the_whole() {
    let requests: [&[(HeaderName, &str)]; 3] = [
        &[(RANGE, "bytes=0-1,4-5")],
        &[(RANGE, "lines=1-2")],
        &[(RANGE, "bytes=0-1"), (IF_RANGE, "\"another version\"")],
    ];
    for fields in requests {
        let response = get_with(&bundled(), "/", fields).await;
        assert_eq!(response.status(), StatusCode::OK, "{fields:?}");
        assert_eq!(octets(response).await.len(), source("index.html").len());
    }
}

#[tokio::test]
async fn directory_is_served_with_its_own_pages() {
    let root =
        Directory::new(&[("index.html", "start"), ("a/index.html", "a"), ("404.html", "no")]);
    let site = root.site();
    for (path, status, content) in [
        ("/", StatusCode::OK, "start"),
        ("/a/", StatusCode::OK, "a"),
        ("/b/", StatusCode::NOT_FOUND, "no"),
    ] {
        let response = get(&site, path).await;
        assert_eq!(response.status(), status);
        assert_eq!(field(&response, CACHE_CONTROL), "no-cache");
        assert_eq!(field(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(field(&response, CONTENT_SECURITY_POLICY), "");
        assert_eq!(text(response).await, content);
    }
    assert_eq!(field(&get(&site, "/a?b").await, LOCATION), "/a/?b");
}

#[tokio::test]
async fn directory_without_a_page_for_it_answers_404_in_words() {
    let root = Directory::new(&[("index.html", "start")]);
    let response = get(&root.site(), "/nothing").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(field(&response, CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(text(response).await, "Not found\n");
}

#[tokio::test]
async fn changed_file_is_served_anew() {
    let root = Directory::new(&[("page.html", "before")]);
    let response = get(&root.site(), "/page.html").await;
    let etag = field(&response, ETAG).to_owned();
    let date = field(&response, LAST_MODIFIED).to_owned();
    let fields = [(IF_NONE_MATCH, etag.as_str())];
    let again = get_with(&root.site(), "/page.html", &fields).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let again = get_with(&root.site(), "/page.html", &[(IF_MODIFIED_SINCE, &date)]).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);

    fs::write(root.0.join("page.html"), "afterwards").unwrap();
    let again = get_with(&root.site(), "/page.html", &fields).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(text(again).await, "afterwards");
}

#[tokio::test]
async fn hidden_files_are_not_served() {
    let root = Directory::new(&[
        ("index.html", "start"),
        (".env", "secret"),
        (".git/config", "secret"),
        ("a/.htpasswd", "secret"),
        (".well-known/security.txt", "public"),
    ]);
    let site = root.site();
    for path in ["/.env", "/%2eenv", "/.git/config", "/.git", "/.git/", "/a/.htpasswd"] {
        assert_eq!(get(&site, path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(text(get(&site, "/.well-known/security.txt").await).await, "public");
}

#[tokio::test]
async fn what_is_no_file_is_not_opened() {
    let root = Directory::new(&[("a/index.html/b", "")]);
    let _listener = UnixListener::bind(root.0.join("socket")).unwrap();
    let long = format!("/{}", "a".repeat(4000));
    assert_eq!(get(&root.site(), "/a/").await.status(), StatusCode::NOT_FOUND);
    for path in ["/socket", "/a/index.html/b/c", &long] {
        for method in [Method::GET, Method::HEAD] {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            let status = call(&root.site(), request).await.status();
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn every_site_has_the_client_for_browsers() {
    let directory = Directory::new(&[("index.html", "<h1>mine</h1>")]);
    for site in [bundled(), super::directory(&directory.0)] {
        let response = get(&site, CLIENT).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(field(&response, CONTENT_TYPE).starts_with("text/javascript"));
        let etag = field(&response, ETAG).to_owned();
        assert!(!etag.is_empty());
        assert_eq!(octets(response).await, source("tidings/sockjs.js"));
        let again = get_with(&site, CLIENT, &[(IF_NONE_MATCH, &etag)]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }
}

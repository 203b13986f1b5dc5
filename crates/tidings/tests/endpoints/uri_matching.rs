//! Which endpoint a request is for: Jakarta WebSocket 3.1.1, annotated and programmatic.

use tidings::endpoint::{Endpoint, EndpointError, Session};
use tidings::{App, AppBuilder, server_endpoint};

use super::support::{Running, WebSocket, serve};

/// Says which template matched, and the values of its variables.
fn matched(template: &str, session: &Session) -> String {
    let params = session.path_params().iter();
    params.fold(template.to_owned(), |text, (name, value)| format!("{text} {name}={value}"))
}

/// A programmatic endpoint at the template.
struct At(&'static str);

impl Endpoint for At {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        Ok(session.send(matched(self.0, session)).await?)
    }
}

/// Annotated endpoints at these templates.
macro_rules! annotated {
    ($($name:ident $path:literal),*) => {
        $(
            struct $name;

            #[server_endpoint($path)]
            impl $name {
                #[on_open]
                fn opened(&self, session: &Session) -> String {
                    matched(Self::PATH, session)
                }
            }

            impl $name {
                const PATH: &'static str = $path;
            }
        )*
    };
}

/// Annotated endpoints at these templates, and a function that serves them in each style.
macro_rules! endpoints {
    (fn $serve:ident, $($name:ident $path:literal),*) => {
        annotated!($($name $path),*);

        async fn $serve() -> [Running; 2] {
            let annotated = App::builder()$(.endpoint(|| $name))*;
            let programmatic = App::builder()$(.endpoint_at($path, || At($path)))*;
            serve_both(annotated, programmatic).await
        }
    };
}

async fn serve_both(annotated: AppBuilder, programmatic: AppBuilder) -> [Running; 2] {
    [serve(annotated.build().unwrap()).await, serve(programmatic.build().unwrap()).await]
}

/// What matches, or the status of the answer.
async fn request(server: &Running, path: &str) -> String {
    match WebSocket::connect(server.http, path, "").await {
        Ok(mut client) => client.text().await,
        Err(head) => head.split(' ').nth(1).unwrap().to_owned(),
    }
}

async fn check(servers: &[Running], cases: &[(&str, &str)]) {
    for server in servers {
        for (path, expected) in cases {
            assert_eq!(request(server, path).await, *expected, "{path}");
        }
    }
}

endpoints! {
    fn serve_all,
    // Neither in the order of precedence nor in its reverse.
    V "/{a}", A "/a",
    Vv "/{c}/{d}", Cd "/c/d", Vd "/{c}/d", Cv "/c/{d}",
    Vvd "/{a}/{c}/d", Acd "/a/c/d", Vcv "/{a}/c/{d}", Avv "/a/{c}/{d}",
    Vvv "/{a}/{c}/{d}", Acv "/a/c/{d}", Vcd "/{a}/c/d", Avd "/a/{c}/d"
}

#[tokio::test]
async fn of_one_segment_the_literal_goes_before_the_variable() {
    check(&serve_all().await, &[("/a", "/a"), ("/c", "/{a} a=c")]).await;
}

#[tokio::test]
async fn of_two_segments_literals_go_before_variables_from_left_to_right() {
    let cases = [
        ("/c/d", "/c/d"),
        ("/c/one", "/c/{d} d=one"),
        ("/one/d", "/{c}/d c=one"),
        ("/one/two", "/{c}/{d} c=one d=two"),
    ];
    check(&serve_all().await, &cases).await;
}

#[tokio::test]
async fn of_three_segments_literals_go_before_variables_from_left_to_right() {
    let cases = [
        ("/a/c/d", "/a/c/d"),
        ("/a/c/three", "/a/c/{d} d=three"),
        ("/a/two/d", "/a/{c}/d c=two"),
        ("/a/one/two", "/a/{c}/{d} c=one d=two"),
        ("/one/c/d", "/{a}/c/d a=one"),
        ("/one/c/two", "/{a}/c/{d} a=one d=two"),
        ("/one/two/d", "/{a}/{c}/d a=one c=two"),
        ("/one/two/three", "/{a}/{c}/{d} a=one c=two d=three"),
    ];
    check(&serve_all().await, &cases).await;
}

#[tokio::test]
async fn a_path_with_more_segments_than_any_template_is_404() {
    check(&serve_all().await, &[("/a/c/d/e", "404"), ("/", "404")]).await;
}

endpoints!(fn serve_crossed, VarD "/{v}/d", BVar "/b/{w}");

#[tokio::test]
async fn where_two_templates_match_the_one_with_the_earlier_literal_wins() {
    let cases = [("/b/d", "/b/{w} w=d"), ("/c/d", "/{v}/d v=c"), ("/b/e", "/b/{w} w=e")];
    check(&serve_crossed().await, &cases).await;
}

endpoints!(fn serve_fruit, Fruit "/a/{v}");

#[tokio::test]
async fn a_variable_is_one_segment_that_is_not_empty() {
    let mut cases =
        ["/a", "/a/", "/a//", "/a/b/", "/a/b/c", "/b/c"].map(|path| (path, "404")).to_vec();
    cases.push(("/a/apple", "/a/{v} v=apple"));
    check(&serve_fruit().await, &cases).await;
}

#[tokio::test]
async fn a_value_is_percent_decoded_after_its_segment_was_found() {
    let cases = [
        ("/a/b%20c", "/a/{v} v=b c"),
        ("/a/b%2Fc", "/a/{v} v=b/c"),
        ("/a/%C3%B6", "/a/{v} v=ö"),
        // Once is enough.
        ("/a/%2541", "/a/{v} v=%41"),
        // A plus is a space in a query only.
        ("/a/b+c", "/a/{v} v=b+c"),
        ("/%61/b", "/a/{v} v=b"),
    ];
    check(&serve_fruit().await, &cases).await;
}

#[tokio::test]
async fn a_value_that_is_not_utf_8_is_400() {
    check(&serve_fruit().await, &[("/a/%ff", "400"), ("/a/%C3", "400")]).await;
}

endpoints!(fn serve_detour, Xc "/a/{x}/c", Yb "/{y}/b/d");

#[tokio::test]
async fn a_template_whose_beginning_matches_better_does_not_hide_one_that_matches() {
    let cases = [("/a/b/d", "/{y}/b/d y=a"), ("/a/b/c", "/a/{x}/c x=b"), ("/a/b/e", "404")];
    check(&serve_detour().await, &cases).await;
}

#[tokio::test]
async fn dot_segments_are_removed_before_matching_and_lead_nowhere_else() {
    let cases = [
        ("/a/./apple", "/a/{v} v=apple"),
        ("/x/../a/apple", "/a/{v} v=apple"),
        ("/../../a/apple", "/a/{v} v=apple"),
        ("/x/%2e%2E/a/apple", "/a/{v} v=apple"),
        ("/a/..", "404"),
        ("/a/b/..", "404"),
        ("/a/%2e", "404"),
    ];
    check(&serve_fruit().await, &cases).await;
}

/// Both name their endpoints, and nothing is served.
fn assert_conflict(builder: AppBuilder, first: &str, second: &str) {
    let error = builder.endpoint(|| Cd).build().unwrap_err().to_string();
    assert!(error.contains(&format!("{first} and {second}")), "{error}");
    assert!(!error.contains("/c/d"), "only what conflicts is told: {error}");
}

annotated!(First "/x/{a}", Second "/x/{b}", Third "/x/{b}/c", Fourth "/x/{b}/c");

#[tokio::test]
async fn two_endpoints_at_one_path_do_not_build_and_both_are_named() {
    let (third, fourth) = (
        "`/x/{b}/c` (endpoints::uri_matching::Third)",
        "`/x/{b}/c` (endpoints::uri_matching::Fourth)",
    );
    assert_conflict(App::builder().endpoint(|| Third).endpoint(|| Fourth), third, fourth);
    let at = "`/y` (endpoints::uri_matching::At)";
    let programmatic = App::builder().endpoint_at("/y", || At("1")).endpoint_at("/y", || At("2"));
    assert_conflict(programmatic, at, at);
}

#[tokio::test]
async fn equivalent_templates_do_not_build() {
    let (first, second) =
        ("`/x/{a}` (endpoints::uri_matching::First)", "`/x/{b}` (endpoints::uri_matching::Second)");
    assert_conflict(App::builder().endpoint(|| First).endpoint(|| Second), first, second);
    let at = |path| format!("`{path}` (endpoints::uri_matching::At)");
    let programmatic =
        App::builder().endpoint_at("/x/{a}", || At("1")).endpoint_at("/x/{b}", || At("2"));
    assert_conflict(programmatic, &at("/x/{a}"), &at("/x/{b}"));
}

/// What does not compile in an annotated endpoint does not build at a path made at run time.
#[tokio::test]
async fn a_malformed_template_does_not_build_and_says_why() {
    let cases = [
        ("a", "must begin with `/`"),
        ("/a//b", "empty segment"),
        ("/a/", "empty segment"),
        ("/./a", "`.` or `..`"),
        ("/a/../b", "`.` or `..`"),
        ("/{a}b", "whole segment"),
        ("/{a}/{a}", "twice"),
        ("/{}", "name"),
        ("/a?b", "query"),
    ];
    for (path, why) in cases {
        let error = App::builder().endpoint_at(path, || At("")).build().unwrap_err().to_string();
        assert!(error.contains(&format!("`{path}`")) && error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn one_bad_endpoint_keeps_all_from_being_served_and_every_mistake_is_told() {
    let builder = App::builder()
        .endpoint(|| Fruit)
        .endpoint_at("no-slash", || At(""))
        .endpoint_at("/{a}b", || At(""))
        .endpoint(|| First)
        .endpoint(|| Second);
    // There is no application that could be served.
    let error = builder.build().map(drop).unwrap_err().to_string();
    for mistake in ["`no-slash`", "`/{a}b`", "`/x/{a}`", "`/x/{b}`"] {
        assert!(error.contains(mistake), "{error}");
    }
}

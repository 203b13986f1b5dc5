//! Several applications in one process, which know nothing of each other, and how clients call what is for their handlers.

use futures_util::{Stream, stream};
use tidings::broker::DestinationPolicy;
use tidings::client::Client;
use tidings::client::stomp::StompClient;
use tidings::endpoint::{Endpoint, EndpointError, Message, Session};
use tidings::messaging::{Access, HandlerError, Rules, Separator, deny, permit};
use tidings::server::Server;
use tidings::testing::TestApp;
use tidings::{App, controller};
use tokio::sync::oneshot;

struct Named(&'static str);

#[controller]
impl Named {
    #[message_mapping("/who")]
    #[send_to("/topic/names")]
    fn who(&self) -> &'static str {
        self.0
    }
}

struct Colors;

#[controller("/red")]
impl Colors {
    #[message_mapping("/{shade}/{number}")]
    fn color(
        &self,
        #[destination_variable] shade: String,
        #[destination_variable] number: u32,
    ) -> String {
        format!("{shade} {number}")
    }
}

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

/// The admins' application, beside that of all.
fn apps() -> (App, App) {
    let admin = App::builder().stomp("/admin/stomp").controller(Named("admin"));
    let admin = admin.endpoint_at("/admin/{name}/echo", || Echo).build().expect("an application");
    let app = App::builder().stomp("/stomp").controller(Named("app")).beside(admin.clone());
    (app.build().expect("paths differ"), admin)
}

async fn hears(client: &StompClient) -> String {
    let mut names = client.subscribe::<String>("/topic/names").await.expect("a subscription");
    client.send("/app/who").receipt().await.expect("a handler");
    names.next().await.expect("it goes on").expect("a message").payload
}

#[tokio::test]
async fn the_same_destinations_are_others_in_another_application() {
    let (app, admin) = apps();
    let kit = TestApp::new(app.clone());
    let connect = |url| kit.client().stomp().connect(url);
    let of_app = connect("ws://test/stomp").await.expect("the application's own");
    let of_admin = connect("ws://test/admin/stomp").await.expect("the other's");
    let mut of_all = of_app.subscribe::<String>("/topic/names").await.expect("a subscription");
    assert_eq!(hears(&of_admin).await, "admin");
    assert_eq!(hears(&of_app).await, "app");
    // Had the other's message come here, it would have come before.
    let first = of_all.next().await.expect("it goes on").expect("a message");
    assert_eq!(first.payload, "app");
    assert_eq!((app.stats().stomp.connected, admin.stats().stomp.connected), (1, 1));
}

#[tokio::test]
async fn an_endpoint_of_either_is_found() {
    let (app, _) = apps();
    let mut socket = TestApp::new(app).websocket("/admin/eve/echo").connect().await;
    socket.send("hello").await;
    assert_eq!(socket.next_text().await, "hello");
}

#[test]
fn a_path_that_both_want_is_a_mistake_of_whoever_comes_later() {
    let (_, admin) = apps();
    let app = App::builder().stomp("/admin/stomp").endpoint_at("/admin/{who}/echo", || Echo);
    let error = app.beside(admin).build().expect_err("two conflicts").to_string();
    for path in ["/admin/stomp", "/admin/{who}/echo"] {
        assert!(error.contains(path), "{error}");
    }
}

#[test]
fn what_is_deployed_later_must_not_take_the_other_s_path() {
    let (app, _) = apps();
    let taken = app.deploy(|endpoints| endpoints.endpoint_at("/admin/{id}/echo", || Echo));
    assert!(taken.is_err());
}

#[tokio::test]
async fn each_has_its_own_port_for_tcp_and_all_end_together() {
    let (app, admin) = apps();
    let server = Server::new(app).stomp_listen("127.0.0.1:0").await.expect("a port");
    let server = server.stomp_listen_app(&admin, "127.0.0.1:0").await.expect("a port");
    let addrs = server.stomp_addrs();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(server.run_until(async {
        let _ = stopped.await;
    }));
    let mut heard = Vec::new();
    let mut clients = Vec::new();
    for addr in addrs {
        let client = Client::builder().stomp().connect(&format!("stomp://{addr}")).await;
        let client = client.expect("a connection");
        heard.push(hears(&client).await);
        clients.push(client);
    }
    assert_eq!(heard, ["app", "admin"]);
    drop(stop);
    served.await.expect("the server ends");
    assert_eq!(admin.stats().sessions.open(), 0);
}

fn colors() -> tidings::AppBuilder {
    let prefixes = ["/app", "/api"];
    App::builder().controller(Colors).application_prefixes(prefixes).separator(Separator::Dot)
}

#[tokio::test(start_paused = true)]
async fn dots_may_stand_between_what_handlers_are_called_by_behind_any_prefix() {
    let app = TestApp::new(colors().build().expect("one controller"));
    let mut bob = app.stomp().connect().await;
    bob.subscribe("/topic/red.dark.*").await;
    for (destination, expected) in [("/app/red.dark.1", "dark 1"), ("/api/red.dark.2", "dark 2")] {
        bob.send(destination, "").await;
        assert_eq!(bob.next_text().await, expected);
    }
    let error = bob.try_send("/app/red/dark/3", "").await.expect_err("slashes are not for it");
    assert_eq!(error.message, "no handler");
}

#[tokio::test(start_paused = true)]
async fn rules_split_where_handlers_do() {
    let rules = Rules::new().connect(permit()).send("/app/red/dark/**", deny());
    let rules = rules.subscribe("/topic/**", permit());
    let rules = rules.send("/app/red.pale.**", deny()).send("/app/**", permit());
    let app = TestApp::new(colors().rules(rules).build().expect("rules about something"));
    let error = app.stomp().connect().await.try_send("/api/red.pale.1", "").await;
    assert_eq!(error.expect_err("it is denied").message, "access denied");
    let error = app.stomp().connect().await.try_send("/app/red.dark.1", "").await;
    assert_eq!(error.expect_err("it is denied").message, "access denied");
    app.stomp().connect().await.send("/app/red.light.1", "").await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_holds_behind_every_prefix_of_the_application() {
    let is_ours = |access: &Access| access.variable("shade") == Some("ours");
    let rules = Rules::new()
        .any("/app/red/dark/**", deny())
        .any("/api/red/hidden/*", deny())
        .any("/*/red/pale/**", deny())
        .any("/v2/*/red/light/**", deny())
        .send("/api/red/{shade}/7", is_ours)
        .rest(permit());
    let prefixes = ["/app", "/api", "/v2/api"];
    let app = App::builder().controller(Colors).application_prefixes(prefixes).rules(rules);
    let app = TestApp::new(app.build().expect("rules about something"));
    for prefix in prefixes {
        for path in ["/red/dark/1", "/red/hidden/1", "/red/pale/1", "/red/light/1", "/red/its/7"] {
            let name = format!("{prefix}{path}");
            let error = app.stomp().connect().await.try_send(&name, "").await.expect_err(&name);
            assert_eq!(error.body, format!("SEND to {name} is not allowed to you."));
        }
        let secret = format!("{prefix}/red/dark/1");
        let error = app.stomp().connect().await.try_subscribe(&secret).await.expect_err(&secret);
        assert_eq!(error.body, format!("SUBSCRIBE to {secret} is not allowed to you."));
        for path in ["/red/any/1", "/red/ours/7"] {
            app.stomp().connect().await.send(&format!("{prefix}{path}"), "").await;
        }
    }
}

#[test]
fn of_two_prefixes_none_begins_as_the_other() {
    let app = App::builder().application_prefixes(["/app", "/app/v2"]).build();
    let told = app.expect_err("a destination would be behind both").to_string();
    assert!(told.contains("application prefix /app/v2/ begins as /app/ does"), "{told}");
}

#[test]
fn a_prefix_without_a_slash_at_its_start_is_a_mistake() {
    let app = App::builder().application_prefixes(["/app", "api/"]).build();
    let told = app.expect_err("no destination begins so").to_string();
    assert!(
        told.contains("application prefix `api` does not begin with a slash: `/api`"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn rules_hold_for_users_whose_prefix_has_no_slash() {
    let rules = Rules::new().send("people/{name}/queue/secret", deny()).rest(permit());
    let app = App::builder().user_prefix("people").rules(rules).build().expect("a prefix");
    let app = TestApp::new(app);
    for secret in ["people/bob/queue/secret", "people/b%2Fb/queue/secret"] {
        let error = app.stomp().connect().await.try_send(secret, "").await.expect_err(secret);
        assert_eq!(error.message, "access denied");
    }
    let mut bob = app.stomp().user("bob").connect().await;
    bob.subscribe("people/queue/open").await;
    app.stomp().connect().await.send("people/bob/queue/open", "hello").await;
    assert_eq!(bob.next_text().await, "hello");
}

struct Versions;

#[controller("/v1.0")]
impl Versions {
    #[message_mapping("/say")]
    fn say(&self) {}

    #[subscribe_mapping("/{name}")]
    fn hear(&self) -> &'static str {
        "v1.0"
    }
}

#[test]
fn between_dots_a_mapping_with_dots_is_a_mistake() {
    let dotted = App::builder().controller(Versions).separator(Separator::Dot).build();
    let told = dotted.expect_err("no destination is for it").to_string();
    for mapping in ["#[message_mapping(\"/v1.0/say\")]", "#[subscribe_mapping(\"/v1.0/{name}\")]"] {
        assert!(told.contains(&format!("{mapping} of ")), "{told}");
    }
    assert!(told.contains("write a slash in its place"), "{told}");
    App::builder().controller(Versions).build().expect("a dot is part of a segment");
}

#[test]
fn what_the_broker_has_is_not_the_applications() {
    for (prefix, taken) in [("/topic", &["/topic/"][..]), ("/", &["/topic/", "/queue/"])] {
        let wrong = App::builder().application_prefix(prefix).build().unwrap_err();
        let told = wrong.to_string();
        for taken in taken {
            assert!(told.contains(&format!("with {taken} would never reach the broker")), "{told}");
        }
    }
    let below = App::builder().topic_prefixes(["/app.topic/"]).application_prefix("/app").build();
    below.expect("they are told apart");
}

/// Sends to destinations that are misspelt.
struct Lost;

#[controller]
impl Lost {
    #[message_mapping("/odd", "/strange")]
    #[send_to("/topc/odd", "/topic/even")]
    fn odd(&self) -> &'static str {
        "odd"
    }

    #[message_mapping("/mine")]
    #[send_to_user("/user/queue/x")]
    fn mine(&self) -> &'static str {
        "mine"
    }

    #[subscribe_mapping("/numbers/{kind}")]
    #[send_to("/topc/{kind}")]
    fn numbers(
        &self,
        #[destination_variable] kind: String,
    ) -> impl Stream<Item = String> + Send + 'static {
        stream::iter([kind])
    }

    #[message_exception_handler]
    #[send_to("/errors")]
    fn failed(&self, error: &HandlerError) -> String {
        error.to_string()
    }
}

#[test]
fn a_reply_that_goes_nowhere_is_a_mistake_of_its_handler() {
    let lost = App::builder().controller(Lost).build().expect_err("four replies go nowhere");
    let told: Vec<_> = lost.mistakes().map(|it| it.to_string()).collect();
    let expected = [
        "::Lost::odd: #[send_to(\"/topc/odd\")]: unknown destination /topc/odd: a destination is /topic/NAME",
        "::Lost::mine: #[send_to_user(\"/user/queue/x\")]",
        "::Lost::numbers: #[send_to(\"/topc/{kind}\")]: unknown destination /topc/NAME",
        "::Lost::failed: #[send_to(\"/errors\")]: unknown destination /errors",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.contains(expected), "{told}");
    }
    assert!(told[0].contains("/app/NAME"), "{}", told[0]);
    assert!(told[1].ends_with("so write `/queue/x`"), "{}", told[1]);
}

#[test]
fn several_mistakes_are_told_in_lines_of_their_own() {
    let one = App::builder().application_prefix("api").build().expect_err("it has no slash");
    let told = one.to_string();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with("application cannot be built: application prefix `api`"), "{told}");
    let two = App::builder().application_prefixes(["api", "v2"]).build();
    let told = two.expect_err("they have no slashes").to_string();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_eq!(lines[0], "application cannot be built:");
    assert!(lines[2].starts_with("  application prefix `v2`"), "{told}");
}

#[test]
fn a_controller_that_no_prefix_leads_to_is_a_mistake() {
    let named = App::builder().application_prefixes([]).controller(Named("app")).build();
    let told = named.expect_err("nothing reaches it").to_string();
    assert!(told.contains("no application prefix by which anything could reach them"), "{told}");
    App::builder().application_prefixes([]).build().expect("nothing is to be reached");
}

#[test]
fn a_misspelt_rule_or_policy_is_a_mistake() {
    for (pattern, instead) in [
        ("/topic/secret**", "/topic/secret/**"),
        ("/topic/secret*", "/topic/secret/*"),
        (" /topic/secret", "/topic/secret"),
        ("/topic/secret/", "/topic/secret"),
        ("topic/secret", "/topic/secret"),
    ] {
        let rules = Rules::new().connect(permit()).any(pattern, deny()).rest(permit());
        let ruled = App::builder().rules(rules).build().expect_err(pattern);
        let policy = DestinationPolicy::default();
        let set = App::builder().destination_policy(pattern, policy).build().expect_err(pattern);
        for (mistakes, of) in [(ruled, "rule `any "), (set, "policy of `")] {
            let told: Vec<_> = mistakes.mistakes().map(|it| it.to_string()).collect();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(&format!("{of}{pattern}`: ")), "{}", told[0]);
            assert!(told[0].contains(&format!("write `{instead}`")), "{}", told[0]);
        }
    }
    let rules = Rules::new().connect(permit()).any("jobs", deny()).any("jobs/a", deny());
    App::builder().rules(rules).build().expect("names of queues");
}

#[test]
fn a_path_that_is_answered_before_the_other_application_is_asked_is_a_mistake() {
    let other = |path| App::builder().endpoint_at(path, || Echo).build().expect("an endpoint");
    let beside = |path| App::builder().stomp("/s").beside(other(path));
    for path in ["/s/x", "/s/{room}/x"] {
        let told = beside(path).build().expect_err("SockJS answers it").to_string();
        assert!(told.contains(&format!("`{path}` (")), "{told}");
        assert!(told.contains("can never be reached: `/s` (STOMP) answers everything"), "{told}");
    }
    let third = App::builder().sockjs("/t", || Echo).build().expect("a service");
    beside("/t/x").beside(third.clone()).build().expect("the second is asked before the third");
    let told = App::builder().beside(third).beside(other("/t/x")).build();
    assert!(told.expect_err("the first answers it").to_string().contains("`/t` (SockJS)"));
    for path in ["/sx", "/{any}/x", "/x/s"] {
        beside(path).build().expect("it is not beneath /s");
    }
    let own = App::builder().stomp("/s").event_source("/s/events").endpoint_at("/s/x", || Echo);
    own.build().expect("its own paths come first");
    let stream = App::builder().event_source("/s").beside(other("/s/x"));
    stream.build().expect("a stream is at its path alone");
}

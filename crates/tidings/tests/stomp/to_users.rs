//! Replies of handlers to the user, or to the session, that they answer.

use crate::client::{Client, DOORS, EVERYWHERE, header};
use crate::support::serve;
use tidings::endpoint::{BoxError, Principal};
use tidings::messaging::Login;
use tidings::{App, controller};

struct Letters;

#[controller("/letters/{box}")]
impl Letters {
    #[message_mapping("/all")]
    #[send_to_user("/queue/letters.{box}")]
    fn all(&self, text: String) -> String {
        text
    }

    #[message_mapping("/one")]
    #[send_to_user("/queue/letters.{box}", session_only)]
    fn one(&self, text: String) -> String {
        text
    }

    #[message_mapping("/default")]
    #[send_to_user]
    fn by_default(&self, text: String) -> String {
        text
    }

    #[message_mapping("/both")]
    #[send_to("/topic/letters")]
    #[send_to_user("/queue/letters.{box}")]
    fn both(&self, text: String) -> String {
        text
    }

    #[message_mapping("/fail")]
    fn fail(&self, text: String) -> Result<(), BoxError> {
        Err(text.into())
    }

    #[message_exception_handler]
    fn failed(&self, error: &tidings::messaging::HandlerError) -> String {
        format!("failed: {error}")
    }
}

fn app() -> App {
    let named = async |login: Login| Ok(Principal::new(login.login.unwrap_or_default()));
    let app = App::builder().stomp("/stomp").controller(Letters);
    app.authenticator(named).build().unwrap()
}

async fn listening(
    server: &crate::support::Running,
    door: crate::client::Door,
    user: &str,
) -> Client {
    let login = format!("login:{user}\n");
    let mut client = Client::connect_with(server, door, "1.2", &login).await;
    client.subscribe("id:l\ndestination:/user/queue/letters.7\n").await;
    client.subscribe("id:d\ndestination:/user/queue/letters/7/default\n").await;
    client.subscribe("id:e\ndestination:/user/queue/errors\n").await;
    client
}

#[tokio::test]
async fn a_reply_goes_to_all_sessions_of_the_user_or_to_one() {
    for door in DOORS {
        let server = serve(app()).await;
        let mut ann = listening(&server, door, "ann").await;
        let mut again = listening(&server, door, "ann").await;
        let mut bob = listening(&server, door, "bob").await;
        ann.send("SEND\ndestination:/app/letters/7/all\n\nto both\0").await;
        for client in [&mut ann, &mut again] {
            let letter = client.message("to both").await;
            assert_eq!(header(&letter, "subscription"), Some("l"));
        }
        ann.send("SEND\ndestination:/app/letters/7/default\n\nby default\0").await;
        for client in [&mut ann, &mut again] {
            let letter = client.message("by default").await;
            assert_eq!(header(&letter, "subscription"), Some("d"));
        }
        ann.send("SEND\ndestination:/app/letters/7/one\n\nto one\0").await;
        ann.message("to one").await;
        ann.send("SEND\ndestination:/app/letters/7/fail\n\nno\0").await;
        let told = ann.message("failed: no").await;
        assert_eq!(header(&told, "subscription"), Some("e"));
        again.goes_on().await;
        bob.goes_on().await;
    }
}

#[tokio::test]
async fn a_reply_may_go_to_all_and_to_the_user() {
    let server = serve(app()).await;
    for (door, _) in EVERYWHERE.each() {
        let mut client = listening(&server, door, "ann").await;
        client.subscribe("id:t\ndestination:/topic/letters\n").await;
        client.send("SEND\ndestination:/app/letters/7/both\n\nhello\0").await;
        let letters = [client.message("hello").await, client.message("hello").await];
        let mut subscriptions: Vec<_> =
            letters.iter().filter_map(|letter| header(letter, "subscription")).collect();
        subscriptions.sort_unstable();
        assert_eq!(subscriptions, ["l", "t"]);
        client.leave().await;
    }
}

#[tokio::test]
async fn a_session_without_a_user_is_answered_alone() {
    let app = || App::builder().stomp("/stomp").controller(Letters).build().unwrap();
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:l\ndestination:/user/queue/letters.7\n").await;
            client.send("SEND\ndestination:/app/letters/7/all\n\nhello\0").await;
            client.message("hello").await;
        })
        .await;
}

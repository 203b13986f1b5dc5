//! The AsyncAPI document of an application: that of `examples/asyncapi.rs`.
#![cfg(feature = "schemars")]

#[path = "../../../examples/asyncapi.rs"]
#[allow(dead_code)]
mod example;

use serde_json::{Value, json};
use tidings::asyncapi::AsyncApi;

fn document() -> Value {
    let app = example::app().expect("the example builds");
    app.async_api(&AsyncApi::new("Trading", "1.0.0").host("trade.example.org"))
}

#[test]
fn servers_are_the_doors() {
    let servers = &document()["servers"];
    assert_eq!(servers["websocket"]["host"], "trade.example.org");
    assert_eq!(servers["stomp"]["pathname"], "/stomp");
    assert_eq!(servers.as_object().map(serde_json::Map::len), Some(2));
}

#[test]
fn a_handler_receives_its_payload_and_sends_its_reply_where_it_goes() {
    let document = document();
    let order = &document["operations"]["Prices.order"];
    assert_eq!(order["action"], "receive");
    assert_eq!(order["summary"], "Places an order.");
    assert_eq!(
        order["description"],
        "Places an order.\n\nEverybody hears of it, and who has placed it is told its number."
    );
    assert_eq!(order["channel"], json!({ "$ref": "#/channels/app.trade.account.orders" }));
    let channel = &document["channels"]["app.trade.account.orders"];
    assert_eq!(channel["address"], "/app/trade/{account}/orders");
    assert_eq!(channel["parameters"], json!({ "account": {} }));
    assert_eq!(
        channel["messages"]["Order"],
        json!({
            "name": "Order",
            "contentType": "application/json",
            "payload": { "$ref": "#/components/schemas/Order" },
        })
    );
    let reply = &order["reply"]["channel"];
    assert_eq!(*reply, json!({ "$ref": "#/channels/user.queue.confirmations" }));
    let sent = &document["operations"]["Prices.order.reply"];
    assert_eq!(sent["action"], "send");
    assert_eq!(sent["channel"], json!({ "$ref": "#/channels/topic.orders.account" }));
    let to_user = &document["operations"]["Prices.order.reply-2"];
    assert_eq!(to_user["channel"], *reply);
}

#[test]
fn a_subscription_is_answered_with_what_the_method_or_its_stream_returns() {
    let document = document();
    let prices = &document["operations"]["Prices.prices"];
    assert_eq!(prices["action"], "send");
    let channel = &document["channels"]["app.trade.prices.symbol"];
    assert_eq!(channel["messages"]["Money"]["payload"]["$ref"], "#/components/schemas/Money");
    let positions = &document["channels"]["app.trade.positions"]["messages"];
    let expected = json!({ "name": "Json_Vec_Position", "contentType": "application/json" });
    assert_eq!(positions["Json_Vec_Position"], expected);
}

#[test]
fn what_is_said_elsewhere_or_not_at_all_is_not_promised() {
    let operations = document()["operations"].clone();
    assert_eq!(operations["Prices.note"]["messages"].as_array().map(Vec::len), Some(1));
    assert!(operations["Prices.note.reply"].is_null());
    for ping in ["Prices.ping", "Prices.ping-2"] {
        assert_eq!(operations[ping]["action"], "receive");
        assert!(operations[ping]["messages"].is_null());
    }
}

#[test]
fn the_methods_of_an_endpoint_answer_on_its_own_channel() {
    let document = document();
    let show = &document["operations"]["Ticker.show"];
    let channel = json!({ "$ref": "#/channels/ticker.symbol" });
    assert_eq!((&show["channel"], &show["reply"]["channel"]), (&channel, &channel));
    let message = |name| json!({ "$ref": format!("#/channels/ticker.symbol/messages/{name}") });
    assert_eq!(show["messages"], json!([message("Order")]));
    assert_eq!(show["reply"]["messages"], json!([message("Money")]));
    let octets = &document["channels"]["ticker.symbol"]["messages"]["Vec_u8"];
    assert_eq!(octets["contentType"], "application/octet-stream");
}

#[test]
fn schemas_are_those_of_the_types_and_of_what_is_in_them() {
    let schemas = &document()["components"]["schemas"];
    assert_eq!(schemas["Order"]["description"], "What is traded.");
    assert_eq!(schemas["Order"]["required"], json!(["symbol", "quantity"]));
    assert_eq!(schemas["Currency"]["enum"], json!(["EUR", "USD"]));
}

//! Prints the AsyncAPI document of an application: `cargo run --example asyncapi --features schemars`.

use futures_util::{Stream, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings::asyncapi::AsyncApi;
use tidings::endpoint::{BoxError, Json, Valid, Validate};
use tidings::messaging::Outgoing;
use tidings::{App, BuildError, controller, server_endpoint};

struct Prices;

/// What is traded.
#[derive(Deserialize, JsonSchema)]
struct Order {
    symbol: String,
    /// How many; negative to sell.
    quantity: i32,
    limit: Option<Money>,
}

#[derive(Deserialize, JsonSchema, Serialize)]
struct Money {
    amount: u64,
    currency: Currency,
}

#[derive(Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Currency {
    Eur,
    Usd,
}

#[derive(JsonSchema, Serialize)]
struct Confirmation {
    number: u64,
}

/// No schema is known of it.
#[derive(Serialize)]
struct Position {
    symbol: String,
}

impl Validate for Order {
    fn validate(&self) -> Result<(), BoxError> {
        if self.quantity == 0 { Err("an order is for something".into()) } else { Ok(()) }
    }
}

#[controller("/trade")]
impl Prices {
    /// Places an order.
    ///
    /// Everybody hears of it, and who has placed it is told its number.
    #[message_mapping("/{account}/orders")]
    #[send_to("/topic/orders.{account}")]
    #[send_to_user("/queue/confirmations", session_only)]
    fn order(
        &self,
        #[destination_variable] account: String,
        Valid(Json(order)): Valid<Json<Order>>,
    ) -> Json<Confirmation> {
        let number = (account.len() + order.symbol.len()) as u64 + u64::from(order.limit.is_some());
        Json(Confirmation { number })
    }

    /// A note of a trader.
    #[message_mapping("/notes")]
    fn note(&self, text: String) -> Outgoing {
        Outgoing::to("/topic/notes", text).unwrap_or_else(|_| unreachable!("text can be sent"))
    }

    #[message_mapping("/ping", "/ping/{any}", reply = none)]
    fn ping(&self) {}

    /// The prices of a symbol, until UNSUBSCRIBE.
    #[subscribe_mapping("/prices/{symbol}")]
    fn prices(&self) -> Result<impl Stream<Item = Json<Money>> + Send + 'static, BoxError> {
        Ok(stream::iter([Json(Money { amount: 42, currency: Currency::Eur })]))
    }

    #[subscribe_mapping("/positions")]
    fn positions(&self) -> Json<Vec<Position>> {
        Json(vec![Position { symbol: "TDG".to_owned() }])
    }
}

#[derive(Default)]
struct Ticker;

#[server_endpoint("/ticker/{symbol}")]
impl Ticker {
    /// Changes what is shown.
    #[on_message]
    fn show(&self, order: Json<Order>) -> Option<Json<Money>> {
        order.0.limit.map(Json)
    }

    #[on_message]
    fn octets(&self, octets: Vec<u8>) -> Vec<u8> {
        octets
    }
}

/// The application, which a test looks at too.
pub(crate) fn app() -> Result<App, BuildError> {
    App::builder().endpoint(Ticker::default).stomp("/stomp").controller(Prices).build()
}

fn main() -> Result<(), BuildError> {
    let info = AsyncApi::new("Trading", "1.0.0").host("trade.example.org");
    println!("{:#}", app()?.async_api(&info));
    Ok(())
}

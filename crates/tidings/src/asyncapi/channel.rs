//! Channels, each with the messages that go over it.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{PayloadDescription, Schemas};

/// The channels of a document, of which each has an address of its own.
pub(super) struct Channels {
    ids: HashMap<String, String>,
    channels: Map<String, Value>,
    pub(super) schemas: Schemas,
}

impl Channels {
    pub(super) fn new() -> Self {
        Self { ids: HashMap::new(), channels: Map::new(), schemas: Schemas::new() }
    }

    /// The id of the channel with this address, at these servers. It is made where there is none.
    pub(super) fn at(&mut self, address: &str, servers: &[String]) -> String {
        if let Some(id) = self.ids.get(address) {
            return id.clone();
        }
        let id = self.free_id(address);
        let mut channel = json!({ "address": address, "messages": {} });
        let servers = servers.iter().map(|it| reference(&["servers", it]));
        let servers: Vec<_> = servers.collect();
        if !servers.is_empty() {
            channel["servers"] = servers.into();
        }
        let parameters: Map<_, _> = variables(address).map(|it| (it.into(), json!({}))).collect();
        if !parameters.is_empty() {
            channel["parameters"] = parameters.into();
        }
        self.channels.insert(id.clone(), channel);
        self.ids.insert(address.to_owned(), id.clone());
        id
    }

    /// A reference to a message of a channel, which is added where it is not known.
    pub(super) fn message(&mut self, channel: &str, payload: &PayloadDescription) -> Value {
        let mut message = Map::new();
        let schema = payload.schema.map(|schema| schema(&mut self.schemas));
        let name = message_name(payload, schema.as_ref());
        message.insert("name".into(), name.clone().into());
        if let Some(content_type) = payload.content_type {
            message.insert("contentType".into(), content_type.into());
        }
        if let Some(schema) = schema {
            message.insert("payload".into(), schema);
        }
        let message = Value::Object(message);
        let messages = &mut self.channels[channel]["messages"];
        let id = numbered(&name, |id| messages.get(id).is_some_and(|known| *known != message));
        let reference = reference(&["channels", channel, "messages", &id]);
        messages[id] = message;
        reference
    }

    pub(super) fn into_parts(self) -> (Map<String, Value>, Schemas) {
        (self.channels, self.schemas)
    }

    /// Dots instead of slashes, so that no reference needs escapes.
    fn free_id(&self, address: &str) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let plain = |c: char| if is_plain(c) { Some(c) } else { (c == '/').then_some('.') };
        let plain: String = address.chars().filter_map(plain).collect();
        let plain = match plain.trim_matches('.') {
            "" => "root",
            plain => plain,
        };
        numbered(plain, |id| self.channels.contains_key(id))
    }
}

/// The first of `name`, `name-2`, `name-3` and so on that is not taken.
pub(super) fn numbered(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let others = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(others);
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// A reference to a part of the document, whose path has neither `/` nor `~` in it.
pub(super) fn reference(path: &[&str]) -> Value {
    json!({ "$ref": format!("#/{}", path.join("/")) })
}

fn variables(address: &str) -> impl Iterator<Item = &str> {
    address.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

/// That of its schema or its type, without the path of its module.
fn message_name(payload: &PayloadDescription, schema: Option<&Value>) -> String {
    let referred = schema.and_then(|schema| schema["$ref"].as_str());
    if let Some(name) = referred.and_then(|path| path.rsplit('/').next()) {
        return name.to_owned();
    }
    let type_name = (payload.type_name)();
    let words = type_name.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':'));
    let words = words.filter_map(|path| path.rsplit(':').next()).filter(|word| !word.is_empty());
    let name: String = words.collect::<Vec<_>>().join("_");
    if name.is_empty() { "Message".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_have_ids_that_need_no_escapes_and_are_each_for_one_address() {
        let mut channels = Channels::new();
        let ids =
            ["/app/rooms/{room}/say", "/app/rooms/room/say", "/", "/café", "/app/rooms/{room}/say"];
        let ids = ids.map(|address| channels.at(address, &[]));
        let expected =
            ["app.rooms.room.say", "app.rooms.room.say-2", "root", "caf", "app.rooms.room.say"];
        assert_eq!(ids, expected);
        assert_eq!(channels.channels["app.rooms.room.say"]["parameters"], json!({ "room": {} }));
    }

    #[test]
    fn messages_of_one_name_that_differ_are_told_apart() {
        let mut channels = Channels::new();
        let id = channels.at("/a", &[]);
        let text = PayloadDescription {
            content_type: Some("text/plain"),
            schema: Some(|_| json!({ "type": "string" })),
            type_name: std::any::type_name::<Vec<Option<u8>>>,
        };
        let other = PayloadDescription { content_type: None, ..text };
        let name = |reference: Value| reference["$ref"].as_str().map(str::to_owned);
        let names = [text, text, other].map(|payload| name(channels.message(&id, &payload)));
        let expected = ["Vec_Option_u8", "Vec_Option_u8", "Vec_Option_u8-2"];
        assert_eq!(names, expected.map(|it| Some(format!("#/channels/a/messages/{it}"))));
    }
}

//! The document of an application.

use serde_json::{Map, Value, json};

use super::channel::{Channels, numbered, reference};
use super::{AsyncApi, OperationDescription, PayloadDescription, ReplyTo};
use crate::messaging::{ApplicationNames, Mapping};

/// What is deployed in an application.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) endpoints: Vec<SocketEndpoint>,
    /// The prefixes of SockJS services that are no doors to STOMP.
    pub(crate) sockjs: Vec<&'a str>,
    /// The paths of STOMP.
    pub(crate) stomp: Vec<&'a str>,
    pub(crate) handlers: &'a [Handler],
    /// How clients call what is for the handlers.
    pub(crate) application: &'a ApplicationNames,
    /// Before the destinations of users; ends in `/`.
    pub(crate) user_prefix: &'a str,
}

/// A WebSocket endpoint.
#[derive(Debug)]
pub(crate) struct SocketEndpoint {
    pub(crate) path: String,
    pub(crate) type_name: &'static str,
    /// What its methods for messages take and return; nothing is known where it is not annotated.
    pub(crate) operations: &'static [OperationDescription],
}

/// A handler of a controller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handler {
    pub(crate) controller: &'static str,
    pub(crate) mapping: Mapping,
    /// `None` where the controller is not annotated.
    pub(crate) operation: Option<OperationDescription>,
}

/// The seen direction of an operation: the application's.
#[derive(Clone, Copy)]
enum Action {
    Receive,
    Send,
}

struct Document<'a> {
    parts: &'a Parts<'a>,
    host: &'a str,
    servers: Map<String, Value>,
    stomp_servers: Vec<String>,
    channels: Channels,
    operations: Map<String, Value>,
}

pub(super) fn document(info: &AsyncApi, parts: &Parts<'_>, host: &str) -> Value {
    let mut document = Document {
        parts,
        host,
        servers: Map::new(),
        stomp_servers: Vec::new(),
        channels: Channels::new(),
        operations: Map::new(),
    };
    document.add_servers();
    for endpoint in &parts.endpoints {
        document.add_endpoint(endpoint);
    }
    for prefix in &parts.sockjs {
        document.channels.at(prefix, &["sockjs".to_owned()]);
    }
    for handler in parts.handlers {
        document.add_handler(handler);
    }
    document.finish(info)
}

impl Document<'_> {
    fn add_servers(&mut self) {
        if !self.parts.endpoints.is_empty() {
            let server = json!({ "host": self.host, "protocol": "ws" });
            self.servers.insert("websocket".into(), server);
        }
        if !self.parts.sockjs.is_empty() {
            let server = json!({ "host": self.host, "protocol": "sockjs" });
            self.servers.insert("sockjs".into(), server);
        }
        for path in &self.parts.stomp {
            let id = numbered("stomp", |id| self.servers.contains_key(id));
            let description = "STOMP over WebSocket at this path, and over SockJS beneath it.";
            let server = json!({
                "host": self.host,
                "pathname": if path.is_empty() { "/" } else { path },
                "protocol": "stomp",
                "protocolVersion": "1.2",
                "description": description,
            });
            self.servers.insert(id.clone(), server);
            self.stomp_servers.push(id);
        }
    }

    fn add_endpoint(&mut self, endpoint: &SocketEndpoint) {
        let channel = self.channels.at(&endpoint.path, &["websocket".to_owned()]);
        for operation in endpoint.operations {
            let taken = operation.payload.map(|payload| self.channels.message(&channel, &payload));
            let answered =
                operation.returned.map(|returned| self.channels.message(&channel, &returned));
            let mut value = self.operation(Action::Receive, &channel, taken, operation);
            if let Some(answered) = answered {
                let (channel, messages) = (reference(&["channels", &channel]), [answered]);
                value["reply"] = json!({ "channel": channel, "messages": messages });
            }
            self.insert_operation(endpoint.type_name, operation.name, value);
        }
    }

    fn add_handler(&mut self, handler: &Handler) {
        let address = self.address(handler, ReplyTo::Subscription);
        let servers = self.stomp_servers.clone();
        let channel = self.channels.at(&address, &servers);
        let Some(operation) = &handler.operation else { return };
        if handler.mapping.is_message() {
            let taken = operation.payload.map(|payload| self.channels.message(&channel, &payload));
            let mut value = self.operation(Action::Receive, &channel, taken, operation);
            if let Some(reply) = self.reply(handler, operation) {
                value["reply"] = reply;
            }
            self.insert_operation(handler.controller, operation.name, value);
        }
        let Some(returned) = operation.returned else { return };
        for reply in operation.replies {
            self.add_reply(handler, operation, *reply, &returned);
        }
    }

    /// What is said to the sender alone.
    fn reply(&mut self, handler: &Handler, operation: &OperationDescription) -> Option<Value> {
        let returned = operation.returned?;
        let reply = operation.replies.iter().find(|reply| matches!(reply, ReplyTo::User(_)))?;
        let address = self.address(handler, *reply);
        let servers = self.stomp_servers.clone();
        let channel = self.channels.at(&address, &servers);
        let message = self.channels.message(&channel, &returned);
        Some(json!({ "channel": reference(&["channels", &channel]), "messages": [message] }))
    }

    fn add_reply(
        &mut self,
        handler: &Handler,
        operation: &OperationDescription,
        reply: ReplyTo,
        returned: &PayloadDescription,
    ) {
        let address = self.address(handler, reply);
        let servers = self.stomp_servers.clone();
        let channel = self.channels.at(&address, &servers);
        let message = self.channels.message(&channel, returned);
        let value = self.operation(Action::Send, &channel, Some(message), operation);
        let name = match reply {
            ReplyTo::Subscription => operation.name.to_owned(),
            _ => format!("{}.reply", operation.name),
        };
        self.insert_operation(handler.controller, &name, value);
    }

    /// Where a reply goes, as a client subscribes to it.
    fn address(&self, handler: &Handler, reply: ReplyTo) -> String {
        let application = self.parts.application;
        let pattern = application.written(handler.mapping.pattern());
        let user = self.parts.user_prefix.trim_end_matches('/');
        match reply {
            ReplyTo::Subscription => {
                format!("{}{pattern}", application.prefixes().next().unwrap_or_default())
            }
            ReplyTo::DefaultTopic => format!("/topic{pattern}"),
            ReplyTo::Destination(destination) => destination.to_owned(),
            ReplyTo::User(Some(path)) => format!("{user}{path}"),
            ReplyTo::User(None) => format!("{user}/queue{pattern}"),
        }
    }

    fn operation(
        &self,
        action: Action,
        channel: &str,
        message: Option<Value>,
        operation: &OperationDescription,
    ) -> Value {
        let action = match action {
            Action::Receive => "receive",
            Action::Send => "send",
        };
        let mut value = json!({ "action": action, "channel": reference(&["channels", channel]) });
        if let Some(message) = message {
            value["messages"] = json!([message]);
        }
        let documentation = operation.documentation.trim();
        if let Some(summary) = documentation.split("\n\n").next().filter(|it| !it.is_empty()) {
            value["summary"] = summary.replace('\n', " ").into();
        }
        if documentation.contains("\n\n") {
            value["description"] = documentation.into();
        }
        value
    }

    /// Operations are named for their methods.
    fn insert_operation(&mut self, type_name: &str, method: &str, mut operation: Value) {
        let owner = type_name.split('<').next().and_then(|path| path.rsplit("::").next());
        let owner = owner.unwrap_or(type_name);
        operation["tags"] = json!([{ "name": owner }]);
        let name = format!("{owner}.{method}");
        let id = numbered(&name, |id| self.operations.contains_key(id));
        self.operations.insert(id, operation);
    }

    fn finish(self, info: &AsyncApi) -> Value {
        let (channels, schemas) = self.channels.into_parts();
        let mut about = json!({ "title": info.title, "version": info.version });
        if let Some(description) = &info.description {
            about["description"] = description.as_str().into();
        }
        let mut document = json!({
            "asyncapi": "3.0.0",
            "info": about,
            "servers": self.servers,
            "channels": channels,
            "operations": self.operations,
        });
        let schemas = schemas.into_definitions();
        if !schemas.is_empty() {
            document["components"] = json!({ "schemas": schemas });
        }
        document
    }
}

//! What the attributes of one method say.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, ImplItemFn, LitStr, Token, Type};

use super::reply::{Reply, SendTo};
use super::{Common, DIALECT};
use crate::argument::{Kind, Method, Passing, refuse_mutable, take_attribute};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

/// A method that is called for messages, subscriptions or errors.
pub(super) struct Handler {
    pub(super) method: Method,
    pub(super) kind: HandlerKind,
    /// Of a mapping.
    pub(super) patterns: Vec<Pattern>,
    pub(super) reply: Reply,
}

/// The destinations that a method is for.
pub(super) struct Pattern {
    pub(super) written: LitStr,
    /// With the prefix of the controller.
    pub(super) whole: String,
    variables: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HandlerKind {
    Message,
    Subscribe,
    Exception,
}

const KINDS: [(&str, HandlerKind); 3] = [
    ("message_mapping", HandlerKind::Message),
    ("subscribe_mapping", HandlerKind::Subscribe),
    ("message_exception_handler", HandlerKind::Exception),
];

impl Handler {
    pub(super) fn is_for_the_same(&self, other: &Self, pattern: &Pattern) -> bool {
        let shape = template::shape(&pattern.whole);
        let is_same = |known: &Pattern| template::shape(&known.whole) == shape;
        self.kind == other.kind && self.patterns.iter().any(is_same)
    }

    /// Whether it takes errors of a type that is written so.
    pub(super) fn takes(&self, error: &TokenStream) -> bool {
        let own = self.error().map(ToTokens::to_token_stream);
        own.is_some_and(|own| own.to_string() == error.to_string())
    }

    /// The type of the errors that it takes, if it is for errors.
    pub(super) fn error(&self) -> Option<&Type> {
        let first = self.method.arguments.first()?;
        matches!(first.kind, Kind::Error).then_some(&first.ty)
    }
}

/// What stands in the parentheses of a mapping.
struct MappingArguments {
    patterns: Vec<LitStr>,
    /// The `none` of `reply = none`.
    no_reply: Option<Ident>,
}

impl Parse for MappingArguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self { patterns: vec![input.parse()?], no_reply: None };
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            if input.peek(LitStr) {
                arguments.patterns.push(input.parse()?);
                continue;
            }
            let key: Ident = input.parse()?;
            if key != "reply" {
                return Err(syn::Error::new(
                    key.span(),
                    "expected a destination, or `reply = none`",
                ));
            }
            input.parse::<Token![=]>()?;
            let value: Ident = input.parse()?;
            if value != "none" {
                let rule = "`none` is all that `reply` can be; #[send_to] says where else it goes";
                return Err(syn::Error::new(value.span(), rule));
            }
            arguments.no_reply = Some(value);
        }
        if input.is_empty() { Ok(arguments) } else { Err(input.error("expected `,`")) }
    }
}

/// Reads a method if it is a handler, and takes its attributes off it.
pub(super) fn read_handler(
    item: &mut ImplItemFn,
    common: &Common,
    mistakes: &mut Mistakes,
) -> Option<Handler> {
    let is_send_to =
        |it: &&Attribute| it.path().is_ident("send_to") || it.path().is_ident("send_to_user");
    let send_to_attribute = item.attrs.iter().find(is_send_to).cloned();
    let send_to = SendTo::take(&mut item.attrs, mistakes);
    let Some((attribute, kind)) = take_kind(item, mistakes) else {
        if let Some(attribute) = send_to_attribute {
            let name = attribute.path().to_token_stream();
            let message = format!(
                "#[{name}] needs #[message_mapping], #[subscribe_mapping] or \
                 #[message_exception_handler] on the same method"
            );
            mistakes.add(attribute, message);
        }
        return None;
    };
    let mut method = Method::read(item, &DIALECT, mistakes);
    refuse_mutable(&method.arguments, mistakes);
    if kind == HandlerKind::Exception {
        mistakes.ok(attribute.meta.require_path_only());
        find_error(&mut method, mistakes);
        let reply = send_to.map_or(Reply::ByDefault, Reply::To);
        let handler = Handler { method, kind, patterns: Vec::new(), reply };
        let without = |name: &str| {
            let is_known = common.variables.iter().any(|known| known == name);
            (!is_known).then(|| format!("the controller's prefix has no variable `{{{name}}}`"))
        };
        check_variables(&handler, without, mistakes);
        return Some(handler);
    }
    let arguments = mistakes.ok(attribute.parse_args::<MappingArguments>())?;
    let patterns = read_patterns(&arguments.patterns, common, mistakes);
    let reply = read_reply(&arguments, send_to, kind, common, mistakes);
    let handler = Handler { method, kind, patterns, reply };
    let without = |name: &str| {
        let lacks = |pattern: &&Pattern| !pattern.variables.iter().any(|known| known == name);
        let pattern = handler.patterns.iter().find(lacks)?;
        Some(format!("the mapping `{}` has no variable `{{{name}}}`", pattern.whole))
    };
    check_variables(&handler, without, mistakes);
    Some(handler)
}

fn take_kind(item: &mut ImplItemFn, mistakes: &mut Mistakes) -> Option<(Attribute, HandlerKind)> {
    let kinds = KINDS.map(|(name, kind)| (take_attribute(&mut item.attrs, name), kind));
    let mut kinds = kinds.into_iter().filter_map(|(attribute, kind)| Some((attribute?, kind)));
    let first = kinds.next()?;
    for (second, _) in kinds {
        let names = KINDS.map(|(name, _)| format!("#[{name}]")).join(", ");
        let message = format!("a method has only one of {names}; write another one for this");
        mistakes.add(second, message);
    }
    Some(first)
}

/// The error stands first, and others may want it too.
fn find_error(method: &mut Method, mistakes: &mut Mistakes) {
    match method.arguments.first_mut() {
        Some(first) if matches!(first.kind, Kind::Typed) && first.passing == Passing::Reference => {
            first.kind = Kind::Error;
            first.passing = Passing::Value;
        }
        _ => {
            let message = "an exception handler takes the error first, and by reference: \
                           `error: &MyError`, or `error: &HandlerError` for any";
            mistakes.add(&method.name, message);
        }
    }
}

/// The whole patterns, with their variables.
fn read_patterns(written: &[LitStr], common: &Common, mistakes: &mut Mistakes) -> Vec<Pattern> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for own in written {
        let mut variables = common.variables.clone();
        for name in template::variables(own, Syntax::Mapping, mistakes) {
            if variables.contains(&name) {
                mistakes.add(own, format!("the prefix has a variable `{{{name}}}` already"));
            }
            variables.push(name);
        }
        let whole = match own.value().as_str() {
            "/" if !common.prefix.is_empty() => common.prefix.clone(),
            own => format!("{}{own}", common.prefix),
        };
        let shape = template::shape(&whole);
        if let Some(first) = patterns.iter().find(|it| template::shape(&it.whole) == shape) {
            let message = format!("`{}` is for the same destinations", first.written.value());
            mistakes.add(own, message);
        }
        patterns.push(Pattern { written: own.clone(), whole, variables });
    }
    patterns
}

/// What the method says comes before what the controller says.
fn read_reply(
    arguments: &MappingArguments,
    send_to: Option<SendTo>,
    kind: HandlerKind,
    common: &Common,
    mistakes: &mut Mistakes,
) -> Reply {
    let Some(none) = &arguments.no_reply else {
        let of_controller = common.send_to.as_ref().filter(|_| kind == HandlerKind::Message);
        return send_to.or_else(|| of_controller.cloned()).map_or(Reply::ByDefault, Reply::To);
    };
    if kind == HandlerKind::Subscribe {
        mistakes
            .add(none, "a #[subscribe_mapping] answers; return `()` if there is nothing to say");
    } else if send_to.is_some() {
        mistakes.add(none, "#[send_to] says where the reply goes: leave one of them out");
    }
    Reply::Nowhere
}

/// Checks that there are all variables. `without` says where one lacks.
fn check_variables(
    handler: &Handler,
    without: impl Fn(&str) -> Option<String>,
    mistakes: &mut Mistakes,
) {
    for argument in &handler.method.arguments {
        match &argument.kind {
            Kind::Variable(name) if argument.optional().is_none() => {
                if let Some(message) = without(&name.unraw().to_string()) {
                    let message = format!("{message}; add it, or make this an `Option`");
                    mistakes.add(name, message);
                }
            }
            Kind::Header(header) if header.default.is_some() && argument.optional().is_some() => {
                let message = "a header with a default is always there: make this no `Option`";
                mistakes.add(&argument.ty, message);
            }
            _ => {}
        }
    }
    let Reply::To(send_to) = &handler.reply else { return };
    for (destination, name) in send_to.variables() {
        if let Some(message) = without(name) {
            mistakes.add(destination, message);
        }
    }
}

//! What the attributes of one method say.

use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, ImplItemFn, LitStr, Token};

use super::{Common, DIALECT};
use crate::argument::{Kind, Method, refuse_mutable, take_attribute};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

/// A method with a mapping.
pub(super) struct Mapping {
    pub(super) method: Method,
    pub(super) kind: MappingKind,
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

/// Where the reply of a method goes.
#[derive(Clone)]
pub(super) enum Reply {
    /// To the broker's destination of the same name, or to the subscriber alone.
    ByDefault,
    /// Nowhere: `reply = none`.
    Nowhere,
    To(SendTo),
}

/// The destinations of `#[send_to]`.
#[derive(Clone)]
pub(super) struct SendTo(pub(super) Vec<Target>);

/// A destination, with the names of its variables.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) destination: LitStr,
    variables: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MappingKind {
    Message,
    Subscribe,
}

const KINDS: [(&str, MappingKind); 2] =
    [("message_mapping", MappingKind::Message), ("subscribe_mapping", MappingKind::Subscribe)];

impl Mapping {
    pub(super) fn is_for_the_same(&self, other: &Self, pattern: &Pattern) -> bool {
        let shape = template::shape(&pattern.whole);
        let is_same = |known: &Pattern| template::shape(&known.whole) == shape;
        self.kind == other.kind && self.patterns.iter().any(is_same)
    }
}

impl SendTo {
    pub(super) fn take(attributes: &mut Vec<Attribute>, mistakes: &mut Mistakes) -> Option<Self> {
        let attribute = take_attribute(attributes, "send_to")?;
        let list = attribute.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated);
        let list = mistakes.ok(list).unwrap_or_else(|| {
            // What is wrong has been told, so that nothing more is to be.
            Punctuated::from_iter([LitStr::new("/", proc_macro2::Span::call_site())])
        });
        if list.is_empty() {
            mistakes.add(&attribute, "expected destinations: #[send_to(\"/topic/greetings\")]");
        }
        let target = |destination: LitStr| {
            let variables = mistakes.ok(template::placeholders(&destination)).unwrap_or_default();
            Target { destination, variables }
        };
        Some(Self(list.into_iter().map(target).collect()))
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

/// Reads a method if it has a mapping, and takes its attributes off it.
pub(super) fn read_mapping(
    item: &mut ImplItemFn,
    common: &Common,
    mistakes: &mut Mistakes,
) -> Option<Mapping> {
    let send_to_attribute = item.attrs.iter().find(|it| it.path().is_ident("send_to")).cloned();
    let send_to = SendTo::take(&mut item.attrs, mistakes);
    let Some((attribute, kind)) = take_kind(item, mistakes) else {
        if let Some(attribute) = send_to_attribute {
            let message = "#[send_to] needs #[message_mapping] or #[subscribe_mapping] on the same \
                           method";
            mistakes.add(attribute, message);
        }
        return None;
    };
    let method = Method::read(item, &DIALECT, mistakes);
    refuse_mutable(&method.arguments, mistakes);
    let arguments = mistakes.ok(attribute.parse_args::<MappingArguments>())?;
    let patterns = read_patterns(&arguments.patterns, common, mistakes);
    let reply = read_reply(&arguments, send_to, kind, common, mistakes);
    let mapping = Mapping { method, kind, patterns, reply };
    check_variables(&mapping, mistakes);
    Some(mapping)
}

fn take_kind(item: &mut ImplItemFn, mistakes: &mut Mistakes) -> Option<(Attribute, MappingKind)> {
    let kinds = KINDS.map(|(name, kind)| (take_attribute(&mut item.attrs, name), kind));
    let mut kinds = kinds.into_iter().filter_map(|(attribute, kind)| Some((attribute?, kind)));
    let first = kinds.next()?;
    for (second, _) in kinds {
        mistakes.add(second, "a method has one mapping; write another method for this");
    }
    Some(first)
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
    kind: MappingKind,
    common: &Common,
    mistakes: &mut Mistakes,
) -> Reply {
    let Some(none) = &arguments.no_reply else {
        let of_controller = common.send_to.as_ref().filter(|_| kind == MappingKind::Message);
        return send_to.or_else(|| of_controller.cloned()).map_or(Reply::ByDefault, Reply::To);
    };
    if kind == MappingKind::Subscribe {
        mistakes
            .add(none, "a #[subscribe_mapping] answers; return `()` if there is nothing to say");
    } else if send_to.is_some() {
        mistakes.add(none, "#[send_to] says where the reply goes: leave one of them out");
    }
    Reply::Nowhere
}

fn check_variables(mapping: &Mapping, mistakes: &mut Mistakes) {
    let Mapping { method, patterns, reply, .. } = mapping;
    let without = |name: &str| {
        let lacks = |pattern: &&Pattern| !pattern.variables.iter().any(|known| known == name);
        let pattern = patterns.iter().find(lacks)?;
        Some(format!("the mapping `{}` has no variable `{{{name}}}`", pattern.whole))
    };
    for argument in &method.arguments {
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
    let Reply::To(SendTo(targets)) = reply else { return };
    for target in targets {
        for name in &target.variables {
            if let Some(message) = without(name) {
                mistakes.add(&target.destination, message);
            }
        }
    }
}

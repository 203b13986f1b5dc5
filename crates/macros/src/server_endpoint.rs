mod generate;

use generate::{generate_bare, generate_client, generate_endpoint, generate_server};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, LitStr, Token, bracketed};

use crate::argument::{Dialect, Kind, Method, inherent_impl, take_attribute};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

const DIALECT: Dialect = Dialect {
    variable: "path_param",
    receivers: &["& mut self", "& self"],
    receiver_rule: "a method of an endpoint takes `&mut self` or `&self`",
};

const SHARED_DIALECT: Dialect = Dialect {
    receivers: &["& self"],
    receiver_rule: "a method of a shared endpoint takes `&self`: many sessions call it at the same time",
    ..DIALECT
};

/// When a method is called.
#[derive(Clone, Copy)]
enum Phase {
    Open,
    Message,
    Close,
    Error,
}

const PHASES: [(&str, Phase); 4] = [
    ("on_open", Phase::Open),
    ("on_message", Phase::Message),
    ("on_close", Phase::Close),
    ("on_error", Phase::Error),
];

/// The arguments of `#[server_endpoint]`.
struct Deployment {
    path: LitStr,
    options: Options,
}

/// The arguments that both attributes have.
#[derive(Default)]
struct Options {
    subprotocols: Vec<LitStr>,
    unknown: Unknown,
    instances: Instances,
}

/// How many values of the type there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Instances {
    #[default]
    PerConnection,
    Shared,
}

/// What becomes of messages that no method takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Unknown {
    #[default]
    Ignored,
    Refused,
}

/// Which end an endpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deployed {
    Server,
    Client,
}

impl Parse for Deployment {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected a path: #[server_endpoint(\"/chat/{room}\")]")
        })?;
        if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
            return Err(input.error("expected `,`"));
        }
        Ok(Self { path, options: input.parse()? })
    }
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let name: syn::Ident = input.parse()?;
            if name == "strict" {
                options.unknown = Unknown::Refused;
            } else if name == "shared" {
                options.instances = Instances::Shared;
            } else if name == "subprotocols" {
                input.parse::<Token![=]>()?;
                let list;
                bracketed!(list in input);
                let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
                options.subprotocols = list.into_iter().collect();
            } else {
                let message = "expected `subprotocols = [\"…\"]`, `shared` or `strict`";
                return Err(syn::Error::new(name.span(), message));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

/// The annotated methods.
#[derive(Default)]
struct Methods {
    on_open: Option<Method>,
    on_message: Vec<MessageMethod>,
    on_close: Option<Method>,
    on_error: Option<Method>,
}

/// A method with `#[on_message]`.
struct MessageMethod {
    method: Method,
    /// Of `#[on_message(max_size = …)]`.
    octets_max: Option<usize>,
}

impl Methods {
    fn all(&self) -> impl Iterator<Item = &Method> {
        let messages = self.on_message.iter().map(|message| &message.method);
        let before = self.on_open.iter().chain(messages);
        before.chain(&self.on_close).chain(&self.on_error)
    }
}

pub(crate) fn expand_client(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block = match inherent_impl(item.clone(), "client_endpoint") {
        Ok(block) => block,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut mistakes = Mistakes::default();
    let options = mistakes.ok(syn::parse2::<Options>(arguments));
    let methods = read_methods(&mut block, Instances::PerConnection, &mut mistakes);
    for argument in methods.all().flat_map(|method| &method.arguments) {
        if let Kind::Variable(name) = &argument.kind {
            mistakes.add(name, "a client endpoint has no path, and so no path parameters");
        }
    }
    let generated = options.map(|options| {
        check_subprotocols(&options, &mut mistakes);
        let client = generate_client(&block, &options);
        let options = Options { instances: Instances::PerConnection, ..options };
        let endpoint = generate_endpoint(&block, &methods, &[], &options);
        quote!(#client #endpoint)
    });
    let bare = generate_bare(&block, Deployed::Client, Instances::PerConnection);
    mistakes.finish(quote!(#block #generated), quote!(#block #bare))
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block = match inherent_impl(item.clone(), "server_endpoint") {
        Ok(block) => block,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut mistakes = Mistakes::default();
    let deployment = mistakes.ok(syn::parse2::<Deployment>(arguments));
    let instances = deployment.as_ref().map_or_else(Instances::default, |it| it.options.instances);
    let methods = read_methods(&mut block, instances, &mut mistakes);
    let generated = deployment.map(|deployment| {
        let variables = mistakes.ok(template::variables(&deployment.path, Syntax::Path));
        let variables = variables.unwrap_or_default();
        check_subprotocols(&deployment.options, &mut mistakes);
        check_variables(&methods, &variables, &mut mistakes);
        let server = generate_server(&block, &deployment, &methods, &variables);
        let endpoint = generate_endpoint(&block, &methods, &variables, &deployment.options);
        quote!(#server #endpoint)
    });
    let bare = generate_bare(&block, Deployed::Server, instances);
    mistakes.finish(quote!(#block #generated), quote!(#block #bare))
}

fn read_methods(block: &mut ItemImpl, instances: Instances, mistakes: &mut Mistakes) -> Methods {
    let dialect = match instances {
        Instances::PerConnection => &DIALECT,
        Instances::Shared => &SHARED_DIALECT,
    };
    let mut methods = Methods::default();
    for item in &mut block.items {
        let ImplItem::Fn(item) = item else { continue };
        let Some((attribute, phase)) = take_phase(item, mistakes) else { continue };
        let method = Method::read(item, dialect, mistakes);
        let slot = match phase {
            Phase::Open => &mut methods.on_open,
            Phase::Close => &mut methods.on_close,
            Phase::Error => &mut methods.on_error,
            Phase::Message => {
                let octets_max = mistakes.ok(max_size(&attribute)).flatten();
                methods.on_message.push(MessageMethod { method, octets_max });
                continue;
            }
        };
        match slot {
            None => *slot = Some(method),
            Some(first) => {
                let name = attribute.path().to_token_stream();
                let message = format!("second #[{name}]; the first is `{}`", first.name);
                mistakes.add(&attribute, message);
            }
        }
    }
    if let Some(method) = &methods.on_error
        && !method.arguments.iter().any(|argument| names_error(&argument.ty))
    {
        let message = "an #[on_error] method must take the error: `error: EndpointError`";
        mistakes.add(&method.name, message);
    }
    methods
}

fn take_phase(item: &mut ImplItemFn, mistakes: &mut Mistakes) -> Option<(Attribute, Phase)> {
    let phases = PHASES.map(|(name, phase)| (take_attribute(&mut item.attrs, name), phase));
    let mut phases = phases.into_iter().filter_map(|(attribute, phase)| Some((attribute?, phase)));
    let (attribute, phase) = phases.next()?;
    for (second, _) in phases {
        mistakes.add(second, "one method serves one of the four; write another method for this");
    }
    if !matches!(phase, Phase::Message)
        && let Err(error) = attribute.meta.require_path_only()
    {
        mistakes.add_error(error);
    }
    Some((attribute, phase))
}

/// Reads `max_size = "64KiB"` or `max_size = 65536` in `#[on_message(…)]`.
fn max_size(attribute: &Attribute) -> syn::Result<Option<usize>> {
    if let syn::Meta::Path(_) = attribute.meta {
        return Ok(None);
    }
    let mut octets_max = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("max_size") {
            return Err(meta.error("expected `max_size = \"64KiB\"`"));
        }
        let value: syn::Lit = meta.value()?.parse()?;
        octets_max = Some(parse_size(&value)?);
        Ok(())
    })?;
    Ok(octets_max)
}

fn parse_size(value: &syn::Lit) -> syn::Result<usize> {
    let octets = match value {
        syn::Lit::Int(octets) => octets.base10_parse().ok(),
        syn::Lit::Str(text) => {
            let text = text.value();
            let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
                Some(end) => text.split_at(end),
                None => (&*text, ""),
            };
            let unit = match unit.trim() {
                "" | "B" => Some(1),
                "KiB" => Some(1 << 10),
                "MiB" => Some(1 << 20),
                "GiB" => Some(1 << 30),
                _ => None,
            };
            let number = number.parse::<usize>().ok();
            number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit))
        }
        _ => None,
    };
    let message = "expected a number of octets, or text such as \"64KiB\" (B, KiB, MiB, GiB)";
    octets.ok_or_else(|| syn::Error::new(value.span(), message))
}

fn names_error(ty: &syn::Type) -> bool {
    let syn::Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "EndpointError")
}

fn check_subprotocols(options: &Options, mistakes: &mut Mistakes) {
    for subprotocol in &options.subprotocols {
        let value = subprotocol.value();
        let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
        if value.is_empty() || !value.bytes().all(is_token) {
            mistakes
                .add(subprotocol, "a subprotocol is an HTTP token: letters, digits, `.`, `-` …");
        }
    }
}

fn check_variables(methods: &Methods, variables: &[String], mistakes: &mut Mistakes) {
    for argument in methods.all().flat_map(|method| &method.arguments) {
        match &argument.kind {
            Kind::Variable(name)
                if argument.optional().is_none()
                    && !variables.iter().any(|known| name == known) =>
            {
                let message = format!(
                    "the path has no variable `{{{name}}}`; add it, or make this an `Option`"
                );
                mistakes.add(name, message);
            }
            Kind::Header(name) => {
                mistakes.add(name, "#[header] is for message handlers; take `&Handshake` here");
            }
            _ => {}
        }
    }
}

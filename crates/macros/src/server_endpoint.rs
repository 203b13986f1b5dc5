mod deployed;
mod generate;
mod kinds;
mod options;

use deployed::{generate_bare, generate_server};
use generate::generate_endpoint;
use options::{Deployment, Instances, Options, max_size};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl};

use crate::argument::{
    Dialect, Kind, Method, Passing, inherent_impl, refuse_mutable, take_attribute,
};
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

const HANDSHAKE_DIALECT: Dialect = Dialect {
    receivers: &[],
    receiver_rule: "an #[on_handshake] method takes no `self`: the endpoint is made after it",
    ..DIALECT
};

/// When a method is called.
#[derive(Clone, Copy)]
enum Phase {
    Handshake,
    Open,
    Message,
    Close,
    Error,
}

const PHASES: [(&str, Phase); 5] = [
    ("on_handshake", Phase::Handshake),
    ("on_open", Phase::Open),
    ("on_message", Phase::Message),
    ("on_close", Phase::Close),
    ("on_error", Phase::Error),
];

/// Which end an endpoint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deployed {
    Server,
    Client,
}

/// The annotated methods.
#[derive(Default)]
struct Methods {
    on_handshake: Option<Method>,
    on_open: Option<Method>,
    on_message: Vec<MessageMethod>,
    on_close: Option<Method>,
    on_error: Option<Method>,
}

/// A method with `#[on_message]`.
struct MessageMethod {
    method: Method,
    /// Of `#[on_message(max_size = …)]`, with its place.
    octets_max: Option<(usize, Span)>,
}

impl Methods {
    fn all(&self) -> impl Iterator<Item = &Method> {
        let messages = self.on_message.iter().map(|message| &message.method);
        let before = self.on_handshake.iter().chain(&self.on_open).chain(messages);
        before.chain(&self.on_close).chain(&self.on_error)
    }

    /// Each method, with the type of its call.
    fn with_calls(&self) -> impl Iterator<Item = (&Method, TokenStream)> {
        let call = |call: TokenStream| move |method| (method, call.clone());
        let handshake = call(quote!(::tidings::endpoint::OnHandshake<'_>));
        let open = call(quote!(::tidings::endpoint::OnOpen<'_>));
        let message = call(quote!(::tidings::endpoint::OnMessage<'_>));
        let close = call(quote!(::tidings::endpoint::OnClose<'_>));
        let error = call(quote!(::tidings::endpoint::OnError<'_>));
        let messages = self.on_message.iter().map(|it| &it.method).map(message);
        let before = self.on_handshake.iter().map(handshake);
        let before = before.chain(self.on_open.iter().map(open)).chain(messages);
        before.chain(self.on_close.iter().map(close)).chain(self.on_error.iter().map(error))
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
    let options = Options::read(arguments, &mut mistakes);
    let methods = read_methods(&mut block, Instances::PerConnection, &mut mistakes);
    if let Some(method) = &methods.on_handshake {
        mistakes.add(&method.name, "a client sees the handshake in `Client::builder()`, not here");
    }
    for argument in methods.all().flat_map(|method| &method.arguments) {
        if let Kind::Variable(name) = &argument.kind {
            mistakes.add(name, "a client endpoint has no path, and so no path parameters");
        }
    }
    check_subprotocols(&options, &mut mistakes);
    let endpoint = generate_endpoint(&block, &methods, Deployed::Client, &[], &options);
    let bare = generate_bare(&block, Deployed::Client, Instances::PerConnection);
    mistakes.finish(quote!(#block #endpoint), quote!(#block #bare))
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
    let deployment = Deployment::read(arguments, &mut mistakes);
    let instances = deployment.as_ref().map_or_else(Instances::default, |it| it.options.instances);
    let methods = read_methods(&mut block, instances, &mut mistakes);
    let generated = deployment.map(|deployment| {
        let variables = template::variables(&deployment.path, Syntax::Path, &mut mistakes);
        check_subprotocols(&deployment.options, &mut mistakes);
        check_variables(&methods, &variables, &mut mistakes);
        let server = generate_server(&block, &deployment, &methods, &variables);
        let options = &deployment.options;
        let endpoint = generate_endpoint(&block, &methods, Deployed::Server, &variables, options);
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
        let dialect = if let Phase::Handshake = phase { &HANDSHAKE_DIALECT } else { dialect };
        let method = Method::read(item, dialect, mistakes);
        check_passing(&method, phase, mistakes);
        let slot = match phase {
            Phase::Handshake => &mut methods.on_handshake,
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
                let message =
                    format!("second #[{name}]; one is enough, and `{}` is it", first.name);
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
        let names = PHASES.map(|(name, _)| format!("#[{name}]")).join(", ");
        let message = format!("a method has only one of {names}; write another one for this");
        mistakes.add(second, message);
    }
    if !matches!(phase, Phase::Message)
        && let Err(error) = attribute.meta.require_path_only()
    {
        mistakes.add_error(error);
    }
    Some((attribute, phase))
}

/// Only the response of a handshake is there to be changed.
fn check_passing(method: &Method, phase: Phase, mistakes: &mut Mistakes) {
    let Phase::Handshake = phase else {
        return refuse_mutable(&method.arguments, mistakes);
    };
    let mut mutable = method.arguments.iter().filter(|it| it.passing == Passing::MutableReference);
    if let Some(second) = mutable.nth(1) {
        mistakes.add(&second.ty, "second `&mut` argument; the response is the only one");
    }
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
                    && !variables.contains(&name.unraw().to_string()) =>
            {
                let message = format!(
                    "the path has no variable `{{{name}}}`; add it, or make this an `Option`"
                );
                mistakes.add(name, message);
            }
            Kind::Header(header) => {
                mistakes
                    .add(&header.name, "#[header] is for message handlers; take `&Handshake` here");
            }
            _ => {}
        }
    }
}

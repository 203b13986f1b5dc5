mod generate;

use generate::{generate, generate_bare};
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

/// The argument of the attribute.
struct Deployment {
    path: LitStr,
    subprotocols: Vec<LitStr>,
}

impl Parse for Deployment {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let path = input.parse().map_err(|error| {
            syn::Error::new(error.span(), "expected a path: #[server_endpoint(\"/chat/{room}\")]")
        })?;
        let mut subprotocols = Vec::new();
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let name: syn::Ident = input.parse()?;
            if name != "subprotocols" {
                return Err(syn::Error::new(name.span(), "expected `subprotocols = [\"…\"]`"));
            }
            input.parse::<Token![=]>()?;
            let list;
            bracketed!(list in input);
            let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
            subprotocols = list.into_iter().collect();
        }
        Ok(Self { path, subprotocols })
    }
}

/// The annotated methods.
#[derive(Default)]
struct Methods {
    on_open: Option<Method>,
    on_message: Vec<Method>,
    on_close: Option<Method>,
    on_error: Option<Method>,
}

impl Methods {
    fn all(&self) -> impl Iterator<Item = &Method> {
        let before = self.on_open.iter().chain(&self.on_message);
        before.chain(&self.on_close).chain(&self.on_error)
    }
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
    let methods = read_methods(&mut block, &mut mistakes);
    let generated = deployment.map(|deployment| {
        let variables = mistakes.ok(template::variables(&deployment.path, Syntax::Path));
        let variables = variables.unwrap_or_default();
        check_subprotocols(&deployment, &mut mistakes);
        check_variables(&methods, &variables, &mut mistakes);
        generate(&block, &deployment, &methods, &variables)
    });
    let bare = generate_bare(&block);
    mistakes.finish(quote!(#block #generated), quote!(#block #bare))
}

fn read_methods(block: &mut ItemImpl, mistakes: &mut Mistakes) -> Methods {
    let mut methods = Methods::default();
    for item in &mut block.items {
        let ImplItem::Fn(item) = item else { continue };
        let Some((attribute, phase)) = take_phase(item, mistakes) else { continue };
        let method = Method::read(item, &DIALECT, mistakes);
        let slot = match phase {
            Phase::Open => &mut methods.on_open,
            Phase::Close => &mut methods.on_close,
            Phase::Error => &mut methods.on_error,
            Phase::Message => {
                methods.on_message.push(method);
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
    if let Err(error) = attribute.meta.require_path_only() {
        mistakes.add_error(error);
    }
    Some((attribute, phase))
}

fn names_error(ty: &syn::Type) -> bool {
    let syn::Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "EndpointError")
}

fn check_subprotocols(deployment: &Deployment, mistakes: &mut Mistakes) {
    for subprotocol in &deployment.subprotocols {
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

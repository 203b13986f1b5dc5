//! What stands in the parentheses of `#[server_endpoint(…)]` and `#[client_endpoint(…)]`.

use proc_macro2::{Span, TokenStream};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, LitInt, LitStr, Token, Type, bracketed};

use super::Deployed;
use crate::diagnostics::Mistakes;

/// The arguments of `#[server_endpoint]`.
pub(super) struct Deployment {
    pub(super) path: LitStr,
    pub(super) options: Options,
}

/// The arguments that both attributes have, and some that only one has.
#[derive(Default)]
pub(super) struct Options {
    pub(super) subprotocols: Vec<LitStr>,
    pub(super) unknown: Unknown,
    pub(super) instances: Instances,
    pub(super) path_errors: PathErrors,
    pub(super) configurator: Option<Expr>,
    pub(super) codec: Option<Type>,
    pub(super) text_octets_max: Option<usize>,
    pub(super) binary_octets_max: Option<usize>,
    pub(super) security: Security,
    pub(super) roles: Vec<LitStr>,
    pub(super) challenge: Option<LitStr>,
    pub(super) sessions_max: Option<LitInt>,
}

/// Which connections may reach an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Security {
    #[default]
    Any,
    Tls,
}

/// How many values of the type there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Instances {
    #[default]
    PerConnection,
    Shared,
}

/// What becomes of messages that no method takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unknown {
    #[default]
    Ignored,
    Refused,
}

/// What becomes of path parameters that do not convert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PathErrors {
    /// The client is answered with status 400.
    #[default]
    BadRequest,
    /// `#[on_error]` is told at each call that needs them.
    OnError,
}

impl Deployment {
    /// Reads the path and the options. `None` without a path.
    pub(super) fn read(arguments: TokenStream, mistakes: &mut Mistakes) -> Option<Self> {
        let parse = |input: ParseStream<'_>| {
            let path = input.parse().map_err(|error| {
                let message = "expected a path: #[server_endpoint(\"/chat/{room}\")]";
                syn::Error::new(error.span(), message)
            })?;
            if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
                return Err(input.error("expected `,`"));
            }
            let options = parse_options(input, Deployed::Server, mistakes);
            Ok(Self { path, options })
        };
        let deployment = parse.parse2(arguments);
        mistakes.ok(deployment)
    }
}

impl Options {
    /// Reads the options of a client endpoint.
    pub(super) fn read(arguments: TokenStream, mistakes: &mut Mistakes) -> Self {
        let parse = |input: ParseStream<'_>| Ok(parse_options(input, Deployed::Client, mistakes));
        let options = parse.parse2(arguments);
        mistakes.ok(options).unwrap_or_default()
    }

    fn parse_one(&mut self, input: ParseStream<'_>, deployed: Deployed) -> syn::Result<()> {
        let name: syn::Ident = match (input.parse(), deployed) {
            (Ok(name), _) => name,
            (Err(_), Deployed::Client) if input.peek(LitStr) => {
                let message =
                    "a client endpoint has no path: `Client::connect` takes the whole URL";
                return Err(input.error(message));
            }
            (Err(error), _) => return Err(error),
        };
        let known = name.to_string();
        match (&*known, deployed) {
            ("strict", _) => self.unknown = Unknown::Refused,
            ("shared", Deployed::Server) => self.instances = Instances::Shared,
            ("shared", Deployed::Client) => {
                let message = "each `connect` takes a client endpoint of its own";
                return Err(syn::Error::new(name.span(), message));
            }
            ("subprotocols", _) => self.subprotocols = list(input)?,
            ("codec", _) => self.codec = Some(value(input)?),
            ("configurator", Deployed::Server) => self.configurator = Some(value(input)?),
            ("require_tls", Deployed::Server) => self.security = Security::Tls,
            ("require_roles", Deployed::Server) => self.roles = list(input)?,
            ("challenge", Deployed::Server) => self.challenge = Some(value(input)?),
            ("sessions_max", Deployed::Server) => {
                let number: LitInt = value(input)?;
                number.base10_parse::<usize>()?;
                self.sessions_max = Some(number);
            }
            ("path_errors", Deployed::Server) => self.path_errors = path_errors(input)?,
            ("max_text", Deployed::Server) => {
                self.text_octets_max = Some(parse_size(&value(input)?)?);
            }
            ("max_binary", Deployed::Server) => {
                self.binary_octets_max = Some(parse_size(&value(input)?)?);
            }
            _ => {
                let message = match deployed {
                    Deployed::Server => {
                        "expected `subprotocols = […]`, `shared`, `strict`, `codec = Type`, \
                         `configurator = value`, `path_errors = \"on_error\"`, `max_text = \"64KiB\"`, \
                         `max_binary = \"64KiB\"`, `require_tls`, `require_roles = […]`, \
                         `challenge = \"Bearer\"` or `sessions_max = 1000`"
                    }
                    Deployed::Client => "expected `subprotocols = […]`, `strict` or `codec = Type`",
                };
                return Err(syn::Error::new(name.span(), message));
            }
        }
        Ok(())
    }
}

/// Reads one option after the other. After a mistake it goes on at the next comma.
fn parse_options(input: ParseStream<'_>, deployed: Deployed, mistakes: &mut Mistakes) -> Options {
    let mut options = Options::default();
    while !input.is_empty() {
        if let Err(error) = options.parse_one(input, deployed) {
            mistakes.add_error(error);
            skip_option(input);
        }
        if input.is_empty() {
            break;
        }
        if let Err(error) = input.parse::<Token![,]>() {
            mistakes.add_error(error);
            skip_option(input);
            let _ = input.parse::<Token![,]>();
        }
    }
    options
}

fn skip_option(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<proc_macro2::TokenTree>().is_err() {
            break;
        }
    }
}

fn value<T: syn::parse::Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// A list of texts in brackets, after `=`.
fn list(input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    input.parse::<Token![=]>()?;
    let list;
    bracketed!(list in input);
    let list = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?;
    Ok(list.into_iter().collect())
}

fn path_errors(input: ParseStream<'_>) -> syn::Result<PathErrors> {
    let value: LitStr = value(input)?;
    match &*value.value() {
        "on_error" => Ok(PathErrors::OnError),
        "bad_request" => Ok(PathErrors::BadRequest),
        _ => Err(syn::Error::new(value.span(), "expected \"on_error\" or \"bad_request\"")),
    }
}

/// Reads `max_size = "64KiB"` or `max_size = 65536` in `#[on_message(…)]`.
pub(super) fn max_size(attribute: &Attribute) -> syn::Result<Option<(usize, Span)>> {
    if let syn::Meta::Path(_) = attribute.meta {
        return Ok(None);
    }
    let mut octets_max = None;
    attribute.parse_nested_meta(|meta| {
        if !meta.path.is_ident("max_size") {
            return Err(meta.error("expected `max_size = \"64KiB\"`"));
        }
        let value: Lit = meta.value()?.parse()?;
        octets_max = Some((parse_size(&value)?, value.span()));
        Ok(())
    })?;
    Ok(octets_max)
}

fn parse_size(value: &Lit) -> syn::Result<usize> {
    let octets = match value {
        Lit::Int(octets) => octets.base10_parse().ok(),
        Lit::Str(text) => {
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

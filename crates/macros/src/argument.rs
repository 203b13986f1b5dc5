use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, GenericParam, Ident, ImplItemFn, ItemImpl,
    Lit, LitStr, Meta, Pat, PathArguments, ReturnType, Safety, Token, Type,
};

use crate::diagnostics::Mistakes;

/// What methods look like in the `impl` blocks of one attribute.
pub(crate) struct Dialect {
    /// The attribute that makes an argument a variable.
    pub(crate) variable: &'static str,
    /// The receivers that methods may have.
    pub(crate) receivers: &'static [&'static str],
    /// What to say about any other.
    pub(crate) receiver_rule: &'static str,
}

/// The attributes that make an argument a variable, of all dialects.
const VARIABLES: [&str; 2] = ["path_param", "destination_variable"];

/// An annotated method: what is called, and with what.
pub(crate) struct Method {
    pub(crate) name: Ident,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) is_async: bool,
    /// Its documentation comment.
    pub(crate) documentation: String,
    output: ReturnType,
}

/// One argument of an annotated method.
pub(crate) struct Argument {
    pub(crate) kind: Kind,
    /// Its type, without a reference.
    pub(crate) ty: Type,
    pub(crate) passing: Passing,
}

/// How a method takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Value,
    Reference,
    MutableReference,
}

/// Where the value of an argument comes from.
pub(crate) enum Kind {
    /// Its type tells.
    Typed,
    /// `#[path_param]` or `#[destination_variable]`: the variable of that name.
    Variable(Ident),
    /// `#[header("name")]`.
    Header(Header),
    /// The error that an exception handler takes, first and by reference.
    Error,
}

/// The header that an argument is.
pub(crate) struct Header {
    pub(crate) name: LitStr,
    /// `default = "…"`: what it is where there is none.
    pub(crate) default: Option<LitStr>,
}

impl Parse for Header {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: LitStr = input.parse()?;
        if input.is_empty() {
            return Ok(Self { name, default: None });
        }
        input.parse::<Token![,]>()?;
        let key: Ident = input.parse()?;
        if key != "default" {
            return Err(syn::Error::new(key.span(), "expected `default = \"…\"`"));
        }
        input.parse::<Token![=]>()?;
        let default = Some(input.parse()?);
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { name, default })
    }
}

/// What the generated calls cannot cope with.
fn check_shape(method: &ImplItemFn, mistakes: &mut Mistakes) {
    let attributes = method.sig.inputs.iter().flat_map(|input| match input {
        FnArg::Receiver(receiver) => &receiver.attrs,
        FnArg::Typed(input) => &input.attrs,
    });
    for attribute in method.attrs.iter().chain(attributes) {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            let message = "the macro calls this method whether or not it is configured; put the \
                           condition on the whole `impl`, or inside the method";
            mistakes.add(attribute, message);
        }
    }
    if let Safety::Unsafe(unsafety) = &method.sig.safety {
        mistakes.add(unsafety, "a method that is called by the library cannot be `unsafe`");
    }
    for parameter in &method.sig.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            let message = "a method cannot be generic: nothing says which type to call it with";
            mistakes.add(parameter, message);
        }
    }
}

impl Method {
    /// Reads a method, and takes the attributes off its arguments.
    pub(crate) fn read(
        method: &mut ImplItemFn,
        dialect: &Dialect,
        mistakes: &mut Mistakes,
    ) -> Self {
        check_receiver(method, dialect, mistakes);
        check_shape(method, mistakes);
        let mut arguments = Vec::new();
        for input in &mut method.sig.inputs {
            let FnArg::Typed(input) = input else { continue };
            let kind = read_kind(&mut input.attrs, &input.pat, dialect.variable, mistakes);
            let (ty, passing) = owned(&input.ty);
            arguments.push(Argument { kind, ty, passing });
        }
        Self {
            name: method.sig.ident.clone(),
            arguments,
            is_async: method.sig.asyncness.is_some(),
            documentation: documentation(&method.attrs),
            output: method.sig.output.clone(),
        }
    }

    /// The call with arguments from the variables [`binding`] names, and what it returns converted by
    /// `function` of a trait, which may take `more` arguments. The compiler blames the return type if
    /// that does not implement the trait.
    pub(crate) fn call(
        &self,
        the_trait: &TokenStream,
        function: &TokenStream,
        more: &TokenStream,
    ) -> TokenStream {
        self.convert(&self.bare_call(&quote!(self,)), the_trait, function, more)
    }

    /// What `call` returns, converted as [`call`](Self::call) says.
    pub(crate) fn convert(
        &self,
        call: &TokenStream,
        the_trait: &TokenStream,
        function: &TokenStream,
        more: &TokenStream,
    ) -> TokenStream {
        let convert = match &self.output {
            ReturnType::Default => quote!(<() as #the_trait>::#function),
            // `impl Trait` has no name to write here.
            ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)) => {
                quote!(#the_trait::#function)
            }
            ReturnType::Type(_, ty) => by_trait(ty, the_trait, function),
        };
        quote!(#convert(#call, #more))
    }
}

impl Method {
    /// The call with arguments from the variables [`binding`] names, after a `receiver` with its comma.
    pub(crate) fn bare_call(&self, receiver: &TokenStream) -> TokenStream {
        let name = &self.name;
        let arguments = self.arguments.iter().enumerate().map(|(index, argument)| {
            let binding = binding(index);
            match argument.passing {
                Passing::Value => quote!(#binding),
                Passing::Reference => quote!(&#binding),
                // Only of `#[on_handshake]`, and only the response.
                Passing::MutableReference => quote!(&mut *response),
            }
        });
        let dot_await = self.is_async.then(|| quote!(.await));
        // `Self::name` is the user's method even where a trait in scope has one of the same name.
        quote!(Self::#name(#receiver #(#arguments),*) #dot_await)
    }

    /// The type that the method returns, if it returns any.
    pub(crate) fn returned(&self) -> Option<&Type> {
        match &self.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }
}

impl Argument {
    /// `T`, if the argument is an `Option<T>`.
    pub(crate) fn optional(&self) -> Option<&Type> {
        within(&self.ty, "Option")
    }

    /// An associated item of the argument's type, which the compiler blames if it does not implement
    /// the trait.
    pub(crate) fn by_trait(&self, the_trait: &TokenStream, item: &TokenStream) -> TokenStream {
        by_trait(&self.ty, the_trait, item)
    }
}

/// `T`, if the type is a `name<T, …>`.
pub(crate) fn within<'t>(ty: &'t Type, name: &str) -> Option<&'t Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// Parses the value of a variable or a header, or blames the type that cannot be parsed.
pub(crate) fn parse_as(ty: &Type, function: &TokenStream) -> TokenStream {
    by_trait(ty, &quote!(::tidings::__private::FromText), function)
}

/// An associated item of a type, which the compiler blames if it does not implement the trait.
pub(crate) fn by_trait(ty: &Type, the_trait: &TokenStream, item: &TokenStream) -> TokenStream {
    quote_spanned!(ty.span()=> <#ty as #the_trait>::#item)
}

pub(crate) fn binding(index: usize) -> Ident {
    quote::format_ident!("argument_{index}")
}

/// Refuses an item that is not a type's own `impl` block: one without a trait.
pub(crate) fn inherent_impl(item: TokenStream, attribute: &str) -> syn::Result<ItemImpl> {
    let message = format!("#[{attribute}] belongs on a type's own `impl` block: `impl T {{ … }}`");
    let fail = |span| syn::Error::new(span, &message);
    let block: ItemImpl = syn::parse2(item).map_err(|error| fail(error.span()))?;
    match &block.trait_ {
        None => Ok(block),
        Some((path, _)) => Err(fail(path.span())),
    }
}

/// The text of a documentation comment.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value()),
            _ => None,
        },
        _ => None,
    });
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Takes the first attribute of this name off the list.
pub(crate) fn take_attribute(attributes: &mut Vec<Attribute>, name: &str) -> Option<Attribute> {
    let index = attributes.iter().position(|attribute| attribute.path().is_ident(name))?;
    Some(attributes.remove(index))
}

fn check_receiver(method: &ImplItemFn, dialect: &Dialect, mistakes: &mut Mistakes) {
    match method.sig.receiver() {
        None if dialect.receivers.is_empty() => {}
        None => mistakes.add(&method.sig.ident, dialect.receiver_rule),
        Some(receiver) => {
            let written = receiver.to_token_stream().to_string();
            if !dialect.receivers.contains(&written.as_str()) {
                mistakes.add(receiver, dialect.receiver_rule);
            }
        }
    }
}

fn read_kind(
    attributes: &mut Vec<Attribute>,
    pattern: &Pat,
    variable: &str,
    mistakes: &mut Mistakes,
) -> Kind {
    if let Some(attribute) = take_attribute(attributes, variable) {
        let Pat::Ident(pattern) = pattern else {
            let message = format!("`#[{variable}]` needs a plain name, that of the variable");
            mistakes.add(pattern, message);
            return Kind::Typed;
        };
        if let Err(error) = attribute.meta.require_path_only() {
            mistakes.add_error(error);
        }
        return Kind::Variable(pattern.ident.clone());
    }
    for foreign in VARIABLES.iter().filter(|name| **name != variable) {
        if let Some(attribute) = take_attribute(attributes, foreign) {
            let message =
                format!("`#[{foreign}]` is not for this method; it takes `#[{variable}]`");
            mistakes.add(attribute, message);
        }
    }
    if let Some(attribute) = take_attribute(attributes, "header")
        && let Some(header) = mistakes.ok(attribute.parse_args::<Header>())
    {
        return Kind::Header(header);
    }
    Kind::Typed
}

/// Only the response of a handshake is there to be changed.
pub(crate) fn refuse_mutable<'a>(
    arguments: impl IntoIterator<Item = &'a Argument>,
    mistakes: &mut Mistakes,
) {
    for argument in arguments {
        if argument.passing == Passing::MutableReference {
            let message = "take it by value, or by `&`: arguments are made for each call";
            mistakes.add(&argument.ty, message);
        }
    }
}

/// The type that is made for an argument, and how the method takes it.
fn owned(ty: &Type) -> (Type, Passing) {
    let Type::Reference(reference) = ty else { return (ty.clone(), Passing::Value) };
    let is_str = reference.elem.to_token_stream().to_string() == "str";
    let owned = if is_str {
        let span = reference.elem.span();
        Type::Verbatim(quote_spanned!(span=> ::std::string::String))
    } else {
        (*reference.elem).clone()
    };
    let passing = match reference.mutability {
        Some(_) => Passing::MutableReference,
        None => Passing::Reference,
    };
    (owned, passing)
}

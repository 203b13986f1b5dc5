//! Subscriptions that are answered with streams.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, PathSegment, Type, TypeParamBound};

use super::generate::{generate_prepared, with_indices};
use super::handler::{Handler, HandlerKind};
use crate::argument::within;

/// Whether a subscription is answered with a stream: what the method returns is called one, `impl Stream` or a type
/// whose name ends so, or is a `Result` or an `Option` of that.
pub(super) fn returns_stream(handler: &Handler) -> bool {
    handler.kind == HandlerKind::Subscribe && handler.method.returned().is_some_and(is_stream)
}

fn is_stream(ty: &Type) -> bool {
    if let Some(inner) = within(ty, "Result").or_else(|| within(ty, "Option")) {
        return is_stream(inner);
    }
    names_stream(ty.to_token_stream(), ty)
}

/// The type of a stream's items, as far as it is written.
pub(super) fn item(ty: &Type) -> Option<&Type> {
    if let Some(inner) = ["Result", "Option", "Pin", "Box"].iter().find_map(|it| within(ty, it)) {
        return item(inner);
    }
    let bounds = match ty {
        Type::ImplTrait(it) => &it.bounds,
        Type::TraitObject(it) => &it.bounds,
        Type::Path(it) => return last_argument(it.path.segments.last()?),
        _ => return None,
    };
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => last_argument(bound.path.segments.last()?),
        _ => None,
    })
}

/// `T` of `Stream<Item = T>`, or of `SomeStream<'_, T>`.
fn last_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.last()? {
        GenericArgument::Type(ty) => Some(ty),
        GenericArgument::AssocType(item) => Some(&item.ty),
        _ => None,
    }
}

/// Whether a name in front of any `<` ends in `Stream`, or one in a `dyn` type does.
fn names_stream(tokens: TokenStream, ty: &Type) -> bool {
    // `Pin<Box<dyn Stream>>` says it inside.
    let boxed = within(ty, "Pin").or_else(|| within(ty, "Box"));
    if let Some(inner) = boxed {
        return names_stream(inner.to_token_stream(), inner);
    }
    let outer = tokens
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Punct(punct) if punct.as_char() == '<'));
    let ends_so =
        |token| matches!(token, TokenTree::Ident(name) if name.to_string().ends_with("Stream"));
    outer.into_iter().any(ends_so)
}

/// The method that runs the streams.
pub(super) fn generate_streams(handlers: &[Handler]) -> Option<TokenStream> {
    let streams = || with_indices(handlers).filter(|(mapping, _)| returns_stream(mapping));
    streams().next()?;
    let branches = streams().map(|(mapping, indices)| {
        let branch = generate_branch(mapping);
        quote!(#(#indices)|* => { #branch })
    });
    Some(quote! {
        async fn stream(
            self: ::std::sync::Arc<Self>,
            mapping: usize,
            message: ::tidings::messaging::MessageParts,
            feed: ::tidings::messaging::Feed,
        ) -> ::std::result::Result<(), ::tidings::messaging::HandlerError> {
            #[allow(unused_mut, unused_variables)]
            let mut call =
                ::tidings::messaging::OnMapping::new(&message, ::tidings::__private::Bytes::new());
            match mapping {
                #(#branches)*
                _ => ::std::result::Result::Ok(()),
            }
        }
    })
}

fn generate_branch(handler: &Handler) -> TokenStream {
    let prepared = generate_prepared(handler);
    let call = handler.method.bare_call(&quote!(&self,));
    let unwrapped = handler.method.returned().map(generate_unwrapped);
    quote! {
        #prepared
        let returned = #call;
        #unwrapped
    }
}

/// Runs what was `returned`, or what is in it.
fn generate_unwrapped(ty: &Type) -> TokenStream {
    if let Some(inner) = within(ty, "Result") {
        let inner = generate_unwrapped(inner);
        return quote! {
            match returned {
                ::std::result::Result::Ok(returned) => { #inner }
                ::std::result::Result::Err(error) => {
                    ::std::result::Result::Err(::tidings::messaging::HandlerError::new(error))
                }
            }
        };
    }
    if let Some(inner) = within(ty, "Option") {
        let inner = generate_unwrapped(inner);
        return quote! {
            match returned {
                ::std::option::Option::Some(returned) => { #inner }
                ::std::option::Option::None => ::std::result::Result::Ok(()),
            }
        };
    }
    // The type is to blame if it is no stream of what can be sent.
    let (feed, returned, targets) = (quote!(feed), quote!(returned), quote!(&targets));
    quote_spanned!(ty.span()=> ::tidings::messaging::Feed::run(#feed, #returned, #targets).await)
}

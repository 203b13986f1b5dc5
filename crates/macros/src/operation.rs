//! What methods take and return, told for AsyncAPI.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::argument::{Method, within};

/// The constant of the trait.
pub(crate) fn generate_operations(operations: impl Iterator<Item = TokenStream>) -> TokenStream {
    quote! {
        const OPERATIONS: &'static [::tidings::__private::OperationDescription] = {
            #[allow(unused_imports)]
            use ::tidings::__private::Undescribed as _;
            &[#(#operations),*]
        };
    }
}

/// One `OperationDescription`. `payloads` are the arguments that may be one, each with what tells whether it is.
pub(crate) fn describe(
    method: &Method,
    payloads: &[(TokenStream, &Type)],
    returned: Option<&Type>,
    replies: &TokenStream,
) -> TokenStream {
    let name = method.name.unraw().to_string();
    let documentation = &method.documentation;
    let none = quote!(::std::option::Option::None);
    let payload = payloads.iter().rev().fold(none.clone(), |rest, (is_payload, ty)| {
        let described = described(ty);
        quote!(if #is_payload { #described } else { #rest })
    });
    let returned = returned.map_or(none, described);
    quote! {
        ::tidings::__private::OperationDescription {
            name: #name,
            documentation: #documentation,
            payload: #payload,
            returned: #returned,
            replies: #replies,
        }
    }
}

/// What is known of a payload of a type, or of what is in it; `None` of no payload.
fn described(ty: &Type) -> TokenStream {
    const WRAPPERS: [&str; 6] = ["Result", "Option", "Valid", "Broadcast", "Several", "Close"];
    if let Some(inner) = WRAPPERS.iter().find_map(|wrapper| within(ty, wrapper)) {
        return described(inner);
    }
    if !is_payload(ty) {
        return quote!(::std::option::Option::None);
    }
    quote_spanned! {ty.span()=>
        ::std::option::Option::Some(::tidings::__private::PayloadDescription {
            content_type: ::tidings::__private::Described::<#ty>::CONTENT_TYPE,
            schema: ::tidings::__private::Described::<#ty>::SCHEMA,
            type_name: ::std::any::type_name::<#ty>,
        })
    }
}

/// Whether a type may be that of a payload: `()` is none, messages with their destinations have others in them, and
/// what has no name cannot be asked.
fn is_payload(ty: &Type) -> bool {
    match ty {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Path(path) => {
            let inner = within(ty, "Vec").is_none_or(is_payload);
            inner && path.path.segments.last().is_none_or(|last| last.ident != "Outgoing")
        }
        Type::Reference(_) | Type::Array(_) | Type::Slice(_) => true,
        _ => false,
    }
}

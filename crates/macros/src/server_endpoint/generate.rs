//! The code of an annotated endpoint.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, ItemImpl};

use super::{Deployed, Deployment, Instances, MessageMethod, Methods, Options, Unknown};
use crate::argument::{Kind, Method, binding, parse_as};

/// What stands in for an endpoint with mistakes, so that its uses are not reported as well.
pub(super) fn generate_bare(
    block: &ItemImpl,
    deployed: Deployed,
    instances: Instances,
) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let deployed = match deployed {
        Deployed::Server => quote! {
            impl #impl_generics ::tidings::endpoint::ServerEndpoint for #ty #where_clause {
                const PATH: &'static str = "/";
            }
        },
        Deployed::Client => quote! {
            impl #impl_generics ::tidings::endpoint::ClientEndpoint for #ty #where_clause {}
        },
    };
    let the_trait = instances.the_trait();
    quote! {
        #deployed
        impl #impl_generics #the_trait for #ty #where_clause {}
    }
}

/// The implementation of `ServerEndpoint`.
pub(super) fn generate_server(
    block: &ItemImpl,
    deployment: &Deployment,
    methods: &Methods,
    variables: &[String],
) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let Deployment { path, options } = deployment;
    let subprotocols = &options.subprotocols;
    let checks = generate_checks(methods, variables);
    quote! {
        impl #impl_generics ::tidings::endpoint::ServerEndpoint for #ty #where_clause {
            const PATH: &'static str = #path;
            const SUBPROTOCOLS: &'static [&'static str] = &[#(#subprotocols),*];

            fn check_path_params(
                params: &::tidings::endpoint::PathParams,
            ) -> ::std::result::Result<(), ::tidings::endpoint::PathParamError> {
                #(#checks)*
                ::std::result::Result::Ok(())
            }
        }
    }
}

/// The implementation of `ClientEndpoint`.
pub(super) fn generate_client(block: &ItemImpl, options: &Options) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let subprotocols = &options.subprotocols;
    quote! {
        impl #impl_generics ::tidings::endpoint::ClientEndpoint for #ty #where_clause {
            const SUBPROTOCOLS: &'static [&'static str] = &[#(#subprotocols),*];
        }
    }
}

impl Instances {
    /// What is implemented.
    fn the_trait(self) -> TokenStream {
        match self {
            Self::PerConnection => quote!(::tidings::endpoint::Endpoint),
            Self::Shared => quote!(::tidings::endpoint::SharedEndpoint),
        }
    }

    /// How its methods take the endpoint.
    fn receiver(self) -> TokenStream {
        match self {
            Self::PerConnection => quote!(&mut self),
            Self::Shared => quote!(&self),
        }
    }
}

/// The implementation of `Endpoint` or `SharedEndpoint`.
pub(super) fn generate_endpoint(
    block: &ItemImpl,
    methods: &Methods,
    variables: &[String],
    options: &Options,
) -> TokenStream {
    let Options { unknown, instances, .. } = *options;
    let the_trait = instances.the_trait();
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let on_open =
        methods.on_open.as_ref().map(|method| generate_on_open(method, variables, instances));
    let on_message = generate_on_message(&methods.on_message, variables, unknown, instances);
    let on_close =
        methods.on_close.as_ref().map(|method| generate_on_close(method, variables, instances));
    let on_error =
        methods.on_error.as_ref().map(|method| generate_on_error(method, variables, instances));
    let kinds = generate_kinds(block, &methods.on_message);
    quote! {
        #kinds

        impl #impl_generics #the_trait for #ty #where_clause {
            #on_open
            #on_message
            #on_close
            #on_error
        }
    }
}

/// One conversion for each variable and type, before the upgrade.
fn generate_checks(methods: &Methods, variables: &[String]) -> Vec<TokenStream> {
    let arguments = methods.all().flat_map(|method| &method.arguments);
    let checks = arguments.filter_map(|argument| {
        let Kind::Variable(name) = &argument.kind else { return None };
        let name = name.to_string();
        if !variables.contains(&name) {
            return None;
        }
        let ty = argument.optional().unwrap_or(&argument.ty);
        let parse = parse_as(ty, &quote!(path_param));
        Some(quote!(#parse(params, #name)?;))
    });
    checks.collect()
}

/// Makes the arguments, one `let` each.
fn generate_arguments(method: &Method, call: &TokenStream, variables: &[String]) -> TokenStream {
    let arguments = method.arguments.iter().enumerate().map(|(index, argument)| {
        let binding = binding(index);
        let value = match &argument.kind {
            Kind::Variable(name) => {
                let name = name.to_string();
                let parse = |ty| {
                    let parse = parse_as(ty, &quote!(path_param));
                    quote!(#parse(session.path_params(), #name)?)
                };
                match argument.optional() {
                    Some(_) if !variables.contains(&name) => quote!(::std::option::Option::None),
                    Some(ty) => {
                        let value = parse(ty);
                        quote!(::std::option::Option::Some(#value))
                    }
                    None => parse(&argument.ty),
                }
            }
            _ => {
                let extract = argument
                    .by_trait(&quote!(::tidings::endpoint::Extract<#call>), &quote!(extract));
                quote!(#extract(&mut call)?)
            }
        };
        quote!(let #binding = #value;)
    });
    quote!(#(#arguments)*)
}

fn generate_on_open(method: &Method, variables: &[String], instances: Instances) -> TokenStream {
    let receiver = instances.receiver();
    let call_type = quote!(::tidings::endpoint::OnOpen<'_>);
    let arguments = generate_arguments(method, &call_type, variables);
    let reply = generate_reply(method);
    quote! {
        async fn on_open(
            #receiver,
            session: &::tidings::endpoint::Session,
        ) -> ::std::result::Result<(), ::tidings::endpoint::EndpointError> {
            #[allow(unused_mut, unused_variables)]
            let mut call = ::tidings::endpoint::OnOpen::new(session);
            #arguments
            #reply
        }
    }
}

/// Calls the method, and sends back what it returns.
fn generate_reply(method: &Method) -> TokenStream {
    let into_reply =
        method.call(&quote!(::tidings::endpoint::IntoReply), &quote!(into_reply), &quote!());
    quote! {
        let reply = #into_reply?;
        ::tidings::__private::send_reply(session, reply).await
    }
}

/// How messages are wanted, and which method each of them goes to.
fn generate_on_message(
    methods: &[MessageMethod],
    variables: &[String],
    unknown: Unknown,
    instances: Instances,
) -> TokenStream {
    let receiver = instances.receiver();
    if methods.is_empty() && unknown == Unknown::Ignored {
        return quote!();
    }
    let receptions = methods.iter().enumerate().map(|(index, method)| {
        let kind = kind(index);
        let octets_max = method.octets_max.map_or_else(
            || quote!(::std::option::Option::None),
            |octets_max| {
                let span = method.method.name.span();
                quote_spanned!(span=> const { ::tidings::__private::max_size(Self::#kind, #octets_max) })
            },
        );
        quote!((Self::#kind, #octets_max))
    });
    let call_type = quote!(::tidings::endpoint::OnMessage<'_>);
    let branches: Vec<TokenStream> = methods
        .iter()
        .enumerate()
        .map(|(index, MessageMethod { method, .. })| {
            let kind = kind(index);
            let arguments = generate_arguments(method, &call_type, variables);
            let reply = generate_reply(method);
            quote! {
                if Self::#kind.takes(&payload) {
                    #[allow(unused_mut)]
                    let mut call = ::tidings::endpoint::OnMessage::new(session, payload);
                    #arguments
                    return { #reply };
                }
            }
        })
        .collect();
    let unknown = match unknown {
        Unknown::Ignored => quote!(ignore),
        Unknown::Refused => quote!(refuse),
    };
    quote! {
        fn receptions(&self) -> ::tidings::endpoint::Receptions {
            let () = Self::__TIDINGS_KINDS_DIFFER;
            ::tidings::endpoint::PayloadKind::receptions(&[#(#receptions),*])
        }

        async fn on_payload(
            #receiver,
            session: &::tidings::endpoint::Session,
            payload: ::tidings::endpoint::Payload,
        ) -> ::std::result::Result<(), ::tidings::endpoint::EndpointError> {
            #(#branches)*
            ::tidings::__private::#unknown(session, &payload);
            ::std::result::Result::Ok(())
        }
    }
}

/// Constants of the type that say what each method takes, and that no two take the same.
///
/// Of the type, because the compiler then looks at each only once, and knows the type's generics.
pub(super) fn generate_kinds(block: &ItemImpl, methods: &[MessageMethod]) -> TokenStream {
    let ty = &block.self_ty;
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let kinds = methods.iter().enumerate().map(|(index, MessageMethod { method, .. })| {
        let kind = kind(index);
        let payloads =
            method.arguments.iter().filter(|argument| matches!(argument.kind, Kind::Typed));
        let payloads = payloads.map(|argument| {
            let the_trait =
                quote!(::tidings::endpoint::Extract<::tidings::endpoint::OnMessage<'_>>);
            argument.by_trait(&the_trait, &quote!(PAYLOAD))
        });
        let only_payload = quote_spanned! {method.name.span()=>
            ::tidings::__private::only_payload(&[#(#payloads),*])
        };
        quote! {
            #[doc(hidden)]
            const #kind: ::tidings::endpoint::PayloadKind = #only_payload;
        }
    });
    let overlaps =
        (0..methods.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    let overlaps = overlaps.map(|(first, second)| {
        let span = methods[second].method.name.span();
        let (first, second) = (kind(first), kind(second));
        quote_spanned! {span=>
            assert!(
                !Self::#first.overlaps(Self::#second),
                "two #[on_message] methods take the same kind of message",
            );
        }
    });
    quote! {
        impl #impl_generics #ty #where_clause {
            #(#kinds)*

            #[doc(hidden)]
            const __TIDINGS_KINDS_DIFFER: () = {
                #(#overlaps)*
            };
        }
    }
}

fn kind(index: usize) -> Ident {
    quote::format_ident!("__TIDINGS_KIND_{index}")
}

fn generate_on_close(method: &Method, variables: &[String], instances: Instances) -> TokenStream {
    let (receiver, the_trait) = (instances.receiver(), instances.the_trait());
    let call_type = quote!(::tidings::endpoint::OnClose<'_>);
    let arguments = generate_arguments(method, &call_type, variables);
    let ended = method.call(&quote!(::tidings::__private::Ended), &quote!(ended), &quote!());
    quote! {
        async fn on_close(
            #receiver,
            session: &::tidings::endpoint::Session,
            info: &::tidings::endpoint::CloseInfo,
        ) {
            let closed = async {
                #[allow(unused_mut, unused_variables)]
                let mut call = ::tidings::endpoint::OnClose::new(session, info);
                #arguments
                #ended
            };
            if let ::std::result::Result::Err(error) = closed.await {
                let _ = #the_trait::on_error(self, session, error).await;
            }
        }
    }
}

fn generate_on_error(method: &Method, variables: &[String], instances: Instances) -> TokenStream {
    let receiver = instances.receiver();
    let call_type = quote!(::tidings::endpoint::OnError<'_>);
    let arguments = generate_arguments(method, &call_type, variables);
    let flow = method.call(&quote!(::tidings::endpoint::IntoFlow), &quote!(into_flow), &quote!());
    quote! {
        async fn on_error(
            #receiver,
            session: &::tidings::endpoint::Session,
            error: ::tidings::endpoint::EndpointError,
        ) -> ::tidings::endpoint::Flow {
            let handled: ::std::result::Result<_, ::tidings::endpoint::EndpointError> = async {
                #[allow(unused_mut)]
                let mut call = ::tidings::endpoint::OnError::new(session, error);
                #arguments
                ::std::result::Result::Ok(#flow)
            }
            .await;
            ::tidings::__private::flow(session, handled)
        }
    }
}

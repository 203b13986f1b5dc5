//! The code of an endpoint's deployment: `ServerEndpoint`, and what clients offer.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ItemImpl;
use syn::ext::IdentExt;

use super::generate::{extract_by, generate_arguments};
use super::options::{Deployment, Instances, Options, PathErrors, Security};
use super::{Deployed, Methods};
use crate::argument::{Argument, Kind, Method, Passing, binding, parse_as};
use crate::operation::{describe, generate_operations};

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
        Deployed::Client => quote!(),
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
    let config = generate_config(options);
    let check_handshake = generate_check_handshake(methods, variables, options);
    let check_state = generate_check_state(methods, options);
    let on_handshake =
        methods.on_handshake.as_ref().map(|method| generate_on_handshake(method, variables));
    let operations = generate_operations(
        methods.on_message.iter().map(|message| generate_operation(&message.method, options)),
    );
    quote! {
        impl #impl_generics ::tidings::endpoint::ServerEndpoint for #ty #where_clause {
            const PATH: &'static str = #path;

            #operations
            #config
            #check_handshake
            #check_state
            #on_handshake
        }
    }
}

/// What a method for messages takes and answers.
fn generate_operation(method: &Method, options: &Options) -> TokenStream {
    let typed = method.arguments.iter().filter(|argument| matches!(argument.kind, Kind::Typed));
    let call = quote!(::tidings::endpoint::OnMessage<'_>);
    let payloads = typed.map(|argument| {
        let takes = extract_by(argument, &call, options, &quote!(PAYLOAD));
        (quote!(#takes.is_some()), &argument.ty)
    });
    let payloads: Vec<_> = payloads.collect();
    describe(method, &payloads, method.returned(), &quote!(&[]))
}

/// The method of `Endpoint` that says what a client offers.
pub(super) fn generate_subprotocols(options: &Options) -> Option<TokenStream> {
    let subprotocols = &options.subprotocols;
    (!subprotocols.is_empty()).then(|| {
        quote! {
            fn subprotocols(&self) -> &'static [&'static str] {
                &[#(#subprotocols),*]
            }
        }
    })
}

fn generate_config(options: &Options) -> TokenStream {
    let Options { subprotocols, configurator, text_octets_max, binary_octets_max, .. } = options;
    let subprotocols: TokenStream = match subprotocols.is_empty() {
        true => quote!(),
        false => quote!(.subprotocols([#(#subprotocols),*])),
    };
    let configurator = configurator.as_ref().map(|value| quote!(.configurator(#value)));
    let text = text_octets_max.map(|octets| quote!(.text_octets_max(#octets)));
    let binary = binary_octets_max.map(|octets| quote!(.binary_octets_max(#octets)));
    let tls = (options.security == Security::Tls).then(|| quote!(.require_tls()));
    let roles = &options.roles;
    let roles = (!roles.is_empty()).then(|| quote!(.require_roles([#(#roles),*])));
    let challenge = options.challenge.as_ref().map(|challenge| {
        let value = quote_spanned!(challenge.span()=> const {
            ::tidings::__private::HeaderValue::from_static(#challenge)
        });
        quote!(.challenge(#value))
    });
    let sessions_max = options.sessions_max.as_ref().map(|max| quote!(.sessions_max(#max)));
    quote! {
        fn config() -> ::tidings::endpoint::EndpointConfig {
            ::tidings::endpoint::EndpointConfig::new()
                #subprotocols #configurator #text #binary #tls #roles #challenge #sessions_max
        }
    }
}

/// One conversion for each variable and type, and one for each argument, before the upgrade.
fn generate_check_handshake(
    methods: &Methods,
    variables: &[String],
    options: &Options,
) -> Option<TokenStream> {
    let check = |argument: &Argument, call: &TokenStream| match &argument.kind {
        Kind::Variable(_) if options.path_errors == PathErrors::OnError => None,
        Kind::Variable(name) => {
            let name = name.unraw().to_string();
            if !variables.contains(&name) {
                return None;
            }
            let ty = argument.optional().unwrap_or(&argument.ty);
            let parse = parse_as(ty, &quote!(path_param));
            Some(quote!(#parse(handshake.path_params(), #name)?;))
        }
        _ => {
            let check = extract_by(argument, call, options, &quote!(check_handshake));
            Some(quote!(let () = #check(handshake)?;))
        }
    };
    let checks = each_argument(methods, check);
    (!checks.is_empty()).then(|| {
        quote! {
            fn check_handshake(
                handshake: &::tidings::endpoint::Handshake,
            ) -> ::std::result::Result<(), ::tidings::endpoint::EndpointError> {
                #(#checks)*
                ::std::result::Result::Ok(())
            }
        }
    })
}

fn generate_check_state(methods: &Methods, options: &Options) -> Option<TokenStream> {
    let check = |argument: &Argument, call: &TokenStream| {
        let Kind::Typed = argument.kind else { return None };
        let check = extract_by(argument, call, options, &quote!(check_state));
        Some(quote!(let () = #check(state)?;))
    };
    let checks = each_argument(methods, check);
    (!checks.is_empty()).then(|| {
        quote! {
            fn check_state(
                state: &::tidings::endpoint::AppState,
            ) -> ::std::result::Result<(), ::tidings::endpoint::MissingState> {
                #(#checks)*
                ::std::result::Result::Ok(())
            }
        }
    })
}

/// What `generate` makes of each argument of each method and the type of the method's call.
fn each_argument(
    methods: &Methods,
    generate: impl Fn(&Argument, &TokenStream) -> Option<TokenStream>,
) -> Vec<TokenStream> {
    let of = |method: &Method, call: &TokenStream| {
        let arguments = method.arguments.iter();
        let arguments = arguments.filter(|it| it.passing != Passing::MutableReference);
        arguments.filter_map(|argument| generate(argument, call)).collect::<Vec<_>>()
    };
    methods.with_calls().flat_map(|(method, call)| of(method, &call)).collect()
}

/// Makes the arguments, calls the method, and lets the client in or not.
fn generate_on_handshake(method: &Method, variables: &[String]) -> TokenStream {
    let call_type = quote!(::tidings::endpoint::OnHandshake<'_>);
    let options = Options::default();
    let params = quote!(::tidings::endpoint::Caller::handshake(&call).path_params());
    let arguments = generate_arguments(method, &call_type, variables, &params, &options);
    let made = method.arguments.iter().enumerate();
    let made = made.filter(|(_, argument)| argument.passing != Passing::MutableReference);
    let bindings: Vec<_> = made.map(|(index, _)| binding(index)).collect();
    let admission = method.convert(
        &method.bare_call(&quote!()),
        &quote!(::tidings::endpoint::IntoAdmission),
        &quote!(into_admission),
        &quote!(response),
    );
    quote! {
        async fn on_handshake(
            call: ::tidings::endpoint::OnHandshake<'_>,
            response: &mut ::tidings::endpoint::HandshakeResponse,
        ) -> ::std::result::Result<(), ::tidings::endpoint::Reject> {
            #[allow(unused_mut, unused_variables)]
            let mut call = call;
            let arguments = (|| {
                #arguments
                ::std::result::Result::Ok((#(#bindings,)*))
            })();
            #[allow(clippy::let_unit_value)]
            let (#(#bindings,)*) = arguments.map_err(::tidings::__private::reject)?;
            #admission
        }
    }
}

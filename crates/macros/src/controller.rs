mod generate;
mod handler;
mod reply;
mod stream;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ImplItem, ItemImpl, LitStr};

use self::generate::generate;
use self::handler::{Handler, read_handler};
use self::reply::SendTo;
use crate::argument::{Dialect, inherent_impl};
use crate::diagnostics::Mistakes;
use crate::template::{self, Syntax};

const DIALECT: Dialect = Dialect {
    variable: "destination_variable",
    receivers: &["& self"],
    receiver_rule: "a message handler takes `&self`: all sessions share the controller",
};

/// What holds for all mappings of a controller.
#[derive(Default)]
struct Common {
    /// What stands before their patterns.
    prefix: String,
    /// The variables in it.
    variables: Vec<String>,
    /// Where replies go, unless a method says otherwise.
    send_to: Option<SendTo>,
}

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut block = match inherent_impl(item.clone(), "controller") {
        Ok(block) => block,
        Err(error) => {
            let error = error.into_compile_error();
            return quote!(#item #error);
        }
    };
    let mut mistakes = Mistakes::default();
    let mut common = read_prefix(arguments, &mut mistakes);
    common.send_to = SendTo::take(&mut block.attrs, &mut mistakes);
    let handlers = read_handlers(&mut block, &common, &mut mistakes);
    let generated = generate(&block, &handlers);
    // Stands in for a controller with mistakes, so that its uses are not reported as well.
    let bare = generate(&block, &[]);
    mistakes.finish(quote!(#block #generated), quote!(#block #bare))
}

fn read_prefix(arguments: TokenStream, mistakes: &mut Mistakes) -> Common {
    if arguments.is_empty() {
        return Common::default();
    }
    let Some(prefix) = mistakes.ok(syn::parse2::<LitStr>(arguments)) else {
        return Common::default();
    };
    let variables = template::variables(&prefix, Syntax::Path, mistakes);
    let prefix = prefix.value().trim_end_matches('/').to_owned();
    Common { prefix, variables, send_to: None }
}

fn read_handlers(block: &mut ItemImpl, common: &Common, mistakes: &mut Mistakes) -> Vec<Handler> {
    let mut handlers: Vec<Handler> = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(item) = item else { continue };
        let Some(handler) = read_handler(item, common, mistakes) else { continue };
        for pattern in &handler.patterns {
            let known = handlers.iter().find(|known| known.is_for_the_same(&handler, pattern));
            if let Some(known) = known {
                let message = format!("`{}` is for the same destinations", known.method.name);
                mistakes.add(&pattern.written, message);
            }
        }
        let error = handler.error().map(ToTokens::to_token_stream);
        if let Some(error) = &error
            && let Some(known) = handlers.iter().find(|known| known.takes(error))
        {
            mistakes.add(error, format!("`{}` takes the same errors", known.method.name));
        }
        handlers.push(handler);
    }
    handlers
}

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// Gathers every mistake of an item, so that a compilation shows them all.
#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    /// Notes a mistake at the place of `tokens`.
    pub(crate) fn add(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add_error(Error::new_spanned(tokens, message));
    }

    pub(crate) fn add_error(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    #[cfg(test)]
    pub(crate) fn told(self) -> Vec<String> {
        self.0.into_iter().flatten().map(|error| error.to_string()).collect()
    }

    /// Notes the error, if it is one.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add_error(error)).ok()
    }

    /// `item`, or what is wrong with it. `fallback` keeps the item's own code in the compilation, so
    /// that one mistake does not bring up others.
    pub(crate) fn finish(self, item: TokenStream, fallback: TokenStream) -> TokenStream {
        match self.0 {
            None => item,
            Some(errors) => {
                let errors = errors.into_compile_error();
                quote::quote! { #fallback #errors }
            }
        }
    }
}

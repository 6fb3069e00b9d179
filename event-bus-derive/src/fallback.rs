//! After a mistake: the same items without what may be wrong in them, so that one typo is one message and not a
//! dozen about a bus that does not exist.

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand;
use crate::model::Outline;

pub(crate) fn expand(outline: &Outline<'_>, error: &syn::Error) -> TokenStream {
    let error = error.to_compile_error();
    let stub = expand::stub(outline);
    quote! {
        #error
        #stub
    }
}

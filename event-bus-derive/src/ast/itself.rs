//! An event that says `Self` in the types of its fields or in its bounds means itself. They are pasted to where `Self` is
//! another type, so its name is put there. Attributes stay as they are.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::DeriveInput;

/// `input` with the name of the event, and its generics, for each `Self`.
pub(crate) fn without_self(input: DeriveInput) -> DeriveInput {
    let tokens = input.to_token_stream();
    if !says_self(tokens.clone()) {
        return input;
    }
    let (_, type_generics, _) = input.generics.split_for_impl();
    let written = with_name(tokens, &input.ident, &type_generics.to_token_stream());
    syn::parse2(written).unwrap_or(input) // what can't be written so, such as `[u8; Order<T>::N]`, is no type anyway
}

fn says_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "Self",
        TokenTree::Group(group) => says_self(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn with_name(tokens: TokenStream, event: &Ident, generics: &TokenStream) -> TokenStream {
    let mut follows_pound = false;
    let written = tokens.into_iter().map(|token| {
        let is_attribute = follows_pound && is_in_brackets(&token);
        follows_pound = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
        match token {
            TokenTree::Ident(word) if word == "Self" => {
                let mut event = event.clone();
                event.set_span(event.span().located_at(word.span()));
                quote!(#event #generics)
            }
            TokenTree::Group(group) if !is_attribute => {
                let mut written = Group::new(group.delimiter(), with_name(group.stream(), event, generics));
                written.set_span(group.span());
                TokenTree::Group(written).into()
            }
            token => token.into(),
        }
    });
    written.collect()
}

fn is_in_brackets(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
}

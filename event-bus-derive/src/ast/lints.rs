//! What the compiler is told to pass over in the event, it is to pass over in what is generated from that too: names that
//! begin with the event's, and what is deprecated in it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Fields, Meta, Variant};

/// The attributes that generated items have for it.
pub(super) fn of(input: &DeriveInput) -> TokenStream {
    let allowed = input.attrs.iter().filter_map(allowed);
    let deprecated = speaks_of_deprecated(input).then(|| quote!(#[allow(deprecated)]));
    quote!(#(#[allow(#allowed)])* #deprecated)
}

/// The lints of an `allow`, or of an `expect`, which not every item would fulfil.
fn allowed(attr: &Attribute) -> Option<&TokenStream> {
    match &attr.meta {
        Meta::List(list) if attr.path().is_ident("allow") || attr.path().is_ident("expect") => {
            Some(&list.tokens)
        }
        _ => None,
    }
}

/// Whether something in the event is deprecated, or allowed to be.
fn speaks_of_deprecated(input: &DeriveInput) -> bool {
    let of_parts: Vec<&Attribute> = match &input.data {
        Data::Struct(data) => of_fields(&data.fields).collect(),
        Data::Enum(data) => data.variants.iter().flat_map(of_variant).collect(),
        Data::Union(_) => Vec::new(),
    };
    input.attrs.iter().chain(of_parts).any(|attr| {
        let allows = || allowed(attr).is_some_and(|lints| lints.to_string().contains("deprecated"));
        attr.path().is_ident("deprecated") || allows()
    })
}

fn of_variant(variant: &Variant) -> impl Iterator<Item = &Attribute> {
    variant.attrs.iter().chain(of_fields(&variant.fields))
}

fn of_fields(fields: &Fields) -> impl Iterator<Item = &Attribute> {
    fields.iter().flat_map(|field| &field.attrs)
}

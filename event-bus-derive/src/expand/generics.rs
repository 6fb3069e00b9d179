//! The type parameters of generated code: those of the event with an event's bounds, and one for the event itself.

use proc_macro2::Ident;
use quote::format_ident;
use syn::{GenericParam, Generics, parse_quote};

use crate::model::Outline;

/// With the bounds of an event on every type parameter, as the standard derives put their own on them.
pub(super) fn sendable(generics: &Generics) -> Generics {
    let mut sendable = generics.clone();
    for parameter in sendable.lifetimes_mut() {
        parameter.bounds.push(parse_quote!('static)); // refused, and here to be refused once only
    }
    for parameter in sendable.type_params_mut() {
        parameter.bounds.push(parse_quote!(::core::marker::Send));
        parameter.bounds.push(parse_quote!(::core::marker::Sync));
        parameter.bounds.push(parse_quote!('static));
    }
    sendable
}

/// A type parameter that the compiler infers to be the event. Were the event itself named in the bounds, one that
/// the codec `Json` can't encode would not compile, not even on a bus with a codec of its own.
pub(super) fn inferred_event(outline: &Outline<'_>) -> Ident {
    let event = format_ident!("E");
    if is_taken(outline.generics, &event) { format_ident!("__E") } else { event }
}

/// Whether a parameter has that name. Constants too: one name space for all.
pub(super) fn is_taken(generics: &Generics, name: &Ident) -> bool {
    generics.params.iter().any(|parameter| match parameter {
        GenericParam::Type(parameter) => parameter.ident == *name,
        GenericParam::Const(parameter) => parameter.ident == *name,
        GenericParam::Lifetime(_) => false,
    })
}

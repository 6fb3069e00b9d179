//! `#[derive(EventBus)]`. Use it through `event-bus-core`, which re-exports it with its documentation.

mod ast;
mod attr;
mod ctxt;
mod expand;
mod fallback;
mod model;
mod nearest;
mod template;
mod valid;

use ast::Input;
use ctxt::Ctxt;
use model::Model;
use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Turns an event type into a typed bus.
///
/// TODO
#[proc_macro_derive(EventBus, attributes(bus))]
pub fn derive_event_bus(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    generate(&input).unwrap_or_else(|error| fallback::expand(&input, &error)).into()
}

fn generate(input: &DeriveInput) -> syn::Result<TokenStream> {
    let cx = Ctxt::new();
    let model = Input::parse(&cx, input).and_then(|input| {
        valid::check(&cx, &input);
        Model::lower(&cx, input)
    });
    cx.check()?;
    match model {
        Some(model) => Ok(expand::expand(&model)),
        None => Err(syn::Error::new(input.ident.span(), "this can't be an event")),
    }
}

//! Writes the generated code. Takes a model that is right, so it can't fail.
//! Every path is absolute, so that no item beside the event can stand in its way.

mod blocking;
mod bus;
mod channel;
mod generics;
mod keys;
mod subscriber;
mod types;
mod wrapper;

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand::generics::sendable;
use crate::model::{Model, Outline};

pub(crate) fn expand(model: &Model<'_>) -> TokenStream {
    let outline = &model.outline;
    let types = types::of_event(outline);
    let event_impl = event_impl(outline, &outline.bus_name, &keys::of_event(model), &types);
    let constants = types::constants(outline);
    let items = items(outline, &bus::constructors(outline), blocking::constructors(outline));
    quote! {
        #event_impl
        #constants
        #items
    }
}

/// The same items without a word on what is in them.
pub(crate) fn stub(outline: &Outline<'_>) -> TokenStream {
    let event_impl = event_impl(outline, "invalid", &quote!(::core::unreachable!()), &TokenStream::new());
    let constants = types::constants_of_nothing(outline);
    let items =
        items(outline, &bus::constructors_of_nothing(outline), blocking::constructors_of_nothing(outline));
    quote! {
        #event_impl
        #constants
        #items
    }
}

/// `impl Event`, with `channel_keys` as the body of that, and `types` beside it.
fn event_impl(
    outline: &Outline<'_>,
    bus_name: &str,
    channel_keys: &TokenStream,
    types: &TokenStream,
) -> TokenStream {
    let Outline { event, lints, krate, .. } = outline;
    let generics = sendable(outline.generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #lints
        #[automatically_derived]
        impl #impl_generics #krate::Event for #event #type_generics #where_clause {
            const BUS_NAME: &'static str = #bus_name;

            fn channel_keys(
                &self,
            ) -> #krate::private::Result<#krate::private::Vec<#krate::ChannelKey>, #krate::KeyError> {
                #channel_keys
            }

            #types
        }
    }
}

/// What stands beside the event: the buses, each with its constructors, the subscriber, and a type for the parameters of
/// each channel.
fn items(
    outline: &Outline<'_>,
    constructors: &TokenStream,
    blocking_constructors: TokenStream,
) -> TokenStream {
    let bus = bus::bus(outline, constructors);
    let blocking_bus = blocking::bus(outline, blocking_constructors);
    let subscriber = subscriber::subscriber(outline);
    let holders = outline.channels.iter().filter_map(|channel| channel::holder(outline, channel));
    quote! {
        #bus
        #blocking_bus
        #subscriber
        #(#holders)*
    }
}

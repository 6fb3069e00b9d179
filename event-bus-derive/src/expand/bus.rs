//! The generated bus: a thin type of its own around `EventBus<E>`, with a method for each channel.
//! What it can do besides is `EventBus`'s business.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::expand::{channel, sendable};
use crate::model::Outline;

pub(super) fn bus(outline: &Outline<'_>, constructors: &TokenStream) -> TokenStream {
    let definition = definition(outline);
    let methods = methods(outline, constructors);
    let traits = traits(outline);
    quote! {
        #definition
        #methods
        #traits
    }
}

fn definition(outline: &Outline<'_>) -> TokenStream {
    let Outline { event, bus, vis, generics, krate, bus_name, .. } = outline;
    let (_, type_generics, where_clause) = generics.split_for_impl();
    let path = quote!(#krate).to_string().replace(' ', "");
    let docs = [
        format!(" The bus `{bus_name}`, which carries [`{event}`]."),
        String::new(),
        format!(
            " Dereferences to the [`EventBus`](struct@{path}::EventBus) for publishing, listening and waiting."
        ),
        " Clones are the same bus.".to_owned(),
    ];
    quote! {
        #(#[doc = #docs])*
        #[allow(dead_code)]
        #vis struct #bus #generics (#krate::EventBus<#event #type_generics>) #where_clause;
    }
}

fn methods(outline: &Outline<'_>, constructors: &TokenStream) -> TokenStream {
    let generics = sendable(outline.generics);
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let bus = &outline.bus;
    let channels = outline.channels.iter().map(|channel| channel::method(outline, channel));
    quote! {
        #[automatically_derived]
        impl #impl_generics #bus #type_generics #where_clause {
            #constructors
            #(#channels)*
        }
    }
}

pub(super) fn constructors(outline: &Outline<'_>) -> TokenStream {
    let Outline { vis, krate, .. } = outline;
    let event = inferred_event(outline);
    let bounds = quote! {
        Self: #krate::private::From<#krate::EventBus<#event>>
            + #krate::private::Deref<Target = #krate::EventBus<#event>>,
        #event: #krate::Event,
        #krate::Json: #krate::Codec<#event>,
    };
    quote! {
        /// The bus with the default settings and the codec `Json`, for which the event derives serde's traits.
        /// `E` is inferred: it is the event.
        #[allow(dead_code)]
        #vis fn new<#event>(transport: impl #krate::transport::Transport) -> Self
        where
            #bounds
        {
            <Self as #krate::private::From<_>>::from(#krate::EventBus::new(transport))
        }

        /// A bus with settings of your own, and the codec `Json`.
        /// `E` is inferred: it is the event.
        #[allow(dead_code)]
        #vis fn builder<#event>(
            transport: impl #krate::transport::Transport,
        ) -> #krate::EventBusBuilder<#event, Self>
        where
            #bounds
        {
            #krate::EventBusBuilder::new(transport)
        }
    }
}

/// The same for an event that is none: whatever it lacks is not to be said before its mistakes are mended.
pub(super) fn constructors_of_nothing(outline: &Outline<'_>) -> TokenStream {
    let Outline { event, vis, krate, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    quote! {
        #[allow(dead_code)]
        #vis fn new(_: impl #krate::transport::Transport) -> Self {
            ::core::unreachable!()
        }

        #[allow(dead_code)]
        #vis fn builder(
            _: impl #krate::transport::Transport,
        ) -> #krate::EventBusBuilder<#event #type_generics, Self> {
            ::core::unreachable!()
        }
    }
}

/// A type parameter that the compiler infers to be the event. Were the event itself named in the bounds, one that
/// the codec `Json` can't encode would not compile, not even on a bus with a codec of its own.
fn inferred_event(outline: &Outline<'_>) -> Ident {
    let is_taken = outline.generics.type_params().any(|parameter| parameter.ident == "E");
    format_ident!("{}", if is_taken { "__E" } else { "E" })
}

fn traits(outline: &Outline<'_>) -> TokenStream {
    let Outline { event, bus, generics, krate, .. } = outline;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let event = quote!(#event #type_generics);
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::private::From<#krate::EventBus<#event>> for #bus #type_generics #where_clause {
            fn from(bus: #krate::EventBus<#event>) -> Self {
                Self(bus)
            }
        }

        #[automatically_derived]
        impl #impl_generics #krate::private::Deref for #bus #type_generics #where_clause {
            type Target = #krate::EventBus<#event>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        #[automatically_derived]
        impl #impl_generics #krate::private::Clone for #bus #type_generics #where_clause {
            fn clone(&self) -> Self {
                Self(#krate::private::Clone::clone(&self.0))
            }
        }

        #[automatically_derived]
        impl #impl_generics #krate::private::fmt::Debug for #bus #type_generics #where_clause {
            fn fmt(&self, f: &mut #krate::private::fmt::Formatter<'_>) -> #krate::private::fmt::Result {
                #krate::private::fmt::Debug::fmt(&self.0, f)
            }
        }
    }
}

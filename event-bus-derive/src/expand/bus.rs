//! The generated bus: a thin type of its own around `EventBus<E>`, with a method for each channel.
//! What it can do besides is `EventBus`'s business.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::expand::generics::inferred_event;
use crate::expand::subscriber;
use crate::expand::wrapper::Wrapper;
use crate::model::Outline;

pub(super) fn bus(outline: &Outline<'_>, constructors: &TokenStream) -> TokenStream {
    let Outline { event, bus, krate, bus_name, .. } = outline;
    let path = quote!(#krate).to_string().replace(' ', "");
    let docs = vec![
        format!(" The bus `{bus_name}`, which carries [`{event}`]."),
        String::new(),
        format!(
            " Dereferences to the [`EventBus`](struct@{path}::EventBus) for publishing, listening and waiting."
        ),
        " Clones are the same bus.".to_owned(),
    ];
    let (inner, handle) = (format_ident!("EventBus"), format_ident!("ChannelHandle"));
    let subscriber = subscriber::method(outline);
    let constructors = quote!(#constructors #subscriber);
    Wrapper { outline, name: bus, inner, handle, docs, constructors }.expand()
}

pub(super) fn constructors(outline: &Outline<'_>) -> TokenStream {
    let Outline { vis, krate, .. } = outline;
    let event = inferred_event(outline);
    let with_codec = with_codec(
        outline,
        |transport, codec| quote!(#krate::EventBusBuilder::with_codec(#transport, #codec)),
    );
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

        #with_codec
    }
}

fn with_codec(outline: &Outline<'_>, body: impl Fn(&Ident, &Ident) -> TokenStream) -> TokenStream {
    let Outline { event, vis, krate, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let (transport, codec) = (format_ident!("transport"), format_ident!("codec"));
    let body = body(&transport, &codec);
    quote! {
        /// A bus with a codec of your own, and settings if you like.
        #[allow(dead_code, unused_variables)]
        #vis fn with_codec(
            #transport: impl #krate::transport::Transport,
            #codec: impl #krate::Codec<#event #type_generics>,
        ) -> #krate::EventBusBuilder<#event #type_generics, Self> {
            #body
        }
    }
}

/// The same for an event that is none: whatever it lacks is not to be said before its mistakes are mended.
pub(super) fn constructors_of_nothing(outline: &Outline<'_>) -> TokenStream {
    let Outline { event, vis, krate, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let with_codec = with_codec(outline, |_, _| quote!(::core::unreachable!()));
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

        #with_codec
    }
}

//! The generated blocking bus: the bus once more, around `BlockingEventBus<E>`. Whether it is there is for a macro of
//! core to decide, by core's own features: a `cfg` in the generated code would ask for those of the user's crate.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::expand::generics::inferred_event;
use crate::expand::wrapper::Wrapper;
use crate::model::Outline;

pub(super) fn bus(outline: &Outline<'_>, constructors: TokenStream) -> TokenStream {
    let Outline { event, bus, blocking_bus, krate, bus_name, .. } = outline;
    let path = quote!(#krate).to_string().replace(' ', "");
    let docs = vec![
        format!(
            " The bus `{bus_name}`, which carries [`{event}`], for code without `async`: a [`{bus}`] that blocks."
        ),
        String::new(),
        format!(
            " Dereferences to the [`BlockingEventBus`](struct@{path}::BlockingEventBus) for publishing, listening and \
             waiting."
        ),
        " Clones are the same bus.".to_owned(),
    ];
    let (inner, handle) = (format_ident!("BlockingEventBus"), format_ident!("BlockingChannelHandle"));
    let bus = Wrapper { outline, name: blocking_bus, inner, handle, docs, constructors }.expand();
    quote! {
        #krate::private::when_blocking! { #bus }
    }
}

pub(super) fn constructors(outline: &Outline<'_>) -> TokenStream {
    let Outline { vis, krate, .. } = outline;
    let event = inferred_event(outline);
    let bounds = quote! {
        Self: #krate::private::From<#krate::BlockingEventBus<#event>>
            + #krate::private::Deref<Target = #krate::BlockingEventBus<#event>>,
        #event: #krate::Event,
        #krate::Json: #krate::Codec<#event>,
    };
    let on = on(outline);
    quote! {
        /// The bus with the default settings and the codec `Json`, on `runtime`: buses that share a transport share
        /// the runtime. `E` is inferred: it is the event.
        #[allow(dead_code)]
        #vis fn new<#event>(
            runtime: &#krate::BlockingRuntime,
            transport: impl #krate::transport::Transport,
        ) -> Self
        where
            #bounds
        {
            <Self as #krate::private::From<_>>::from(#krate::BlockingEventBus::new(runtime, transport))
        }

        /// The bus with a transport and a runtime of its own, the default settings and the codec `Json`.
        /// `E` is inferred: it is the event.
        ///
        /// # Errors
        /// Those of `transport`; `CannotBlock` in async code, or if the runtime can't be started.
        #[allow(dead_code)]
        #vis fn connect<#event>(
            transport: impl #krate::private::Future<Output = #krate::Result<impl #krate::transport::Transport>>,
        ) -> #krate::Result<Self>
        where
            #bounds
        {
            #krate::BlockingEventBus::connect(transport).map(<Self as #krate::private::From<_>>::from)
        }

        #on
    }
}

fn on(outline: &Outline<'_>) -> TokenStream {
    let Outline { event, vis, krate, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    quote! {
        /// `bus`, used from code that blocks: for a bus with settings of your own.
        #[allow(dead_code)]
        #vis fn on(
            runtime: &#krate::BlockingRuntime,
            bus: &#krate::EventBus<#event #type_generics>,
        ) -> Self {
            Self(#krate::BlockingEventBus::on(runtime, bus))
        }
    }
}

/// The same for an event that is none: whatever it lacks is not to be said before its mistakes are mended.
pub(super) fn constructors_of_nothing(outline: &Outline<'_>) -> TokenStream {
    let Outline { vis, krate, .. } = outline;
    let on = on(outline);
    quote! {
        #[allow(dead_code)]
        #vis fn new(_: &#krate::BlockingRuntime, _: impl #krate::transport::Transport) -> Self {
            ::core::unreachable!()
        }

        #[allow(dead_code)]
        #vis fn connect(
            _: impl #krate::private::Future<Output = #krate::Result<impl #krate::transport::Transport>>,
        ) -> #krate::Result<Self> {
            ::core::unreachable!()
        }

        #on
    }
}

//! After a mistake: the same items with empty bodies, so that one typo is one message and not a dozen about a
//! bus that does not exist.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::DeriveInput;
use syn::ext::IdentExt;

pub(crate) fn expand(input: &DeriveInput, error: &syn::Error) -> TokenStream {
    let DeriveInput { ident, vis, generics, .. } = input;
    let bus = format_ident!("{}Bus", ident.unraw(), span = ident.span());
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let error = error.to_compile_error();
    quote! {
        #error

        #[automatically_derived]
        impl #impl_generics ::event_bus_core::Event for #ident #type_generics #where_clause {
            const BUS_NAME: &'static str = "invalid";

            fn channel_keys(
                &self,
            ) -> ::event_bus_core::private::Result<
                ::event_bus_core::private::Vec<::event_bus_core::ChannelKey>,
                ::event_bus_core::KeyError,
            > {
                ::core::unreachable!()
            }
        }

        #[doc(hidden)]
        #vis struct #bus #generics (::event_bus_core::EventBus<#ident #type_generics>) #where_clause;

        #[automatically_derived]
        impl #impl_generics #bus #type_generics #where_clause {
            #[allow(dead_code)]
            #vis fn new(_: impl ::event_bus_core::transport::Transport) -> Self {
                ::core::unreachable!()
            }
        }

        #[automatically_derived]
        impl #impl_generics ::event_bus_core::private::Deref for #bus #type_generics #where_clause {
            type Target = ::event_bus_core::EventBus<#ident #type_generics>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    }
}

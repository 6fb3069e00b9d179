//! A type of the event's own around a bus of core: the definition, a method for each channel, and the traits that make
//! it as good as what it wraps. Which bus that is, and how one makes it, is not decided here.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use crate::expand::channel;
use crate::expand::generics::sendable;
use crate::model::Outline;

pub(super) struct Wrapper<'a> {
    pub(super) outline: &'a Outline<'a>,
    /// What the generated type is called.
    pub(super) name: &'a Ident,
    /// What it wraps, and what its channels are: types of core, generic over the event.
    pub(super) inner: Ident,
    pub(super) handle: Ident,
    pub(super) docs: Vec<String>,
    pub(super) constructors: TokenStream,
}

impl Wrapper<'_> {
    pub(super) fn expand(&self) -> TokenStream {
        let definition = self.definition();
        let methods = self.methods();
        let traits = self.traits();
        quote! {
            #definition
            #methods
            #traits
        }
    }

    fn definition(&self) -> TokenStream {
        let Self { outline: Outline { vis, generics, lints, .. }, name, docs, .. } = self;
        let (_, _, where_clause) = generics.split_for_impl();
        let inner = self.inner();
        quote! {
            #(#[doc = #docs])*
            #lints
            #[allow(dead_code)]
            #vis struct #name #generics (#inner) #where_clause;
        }
    }

    fn methods(&self) -> TokenStream {
        let Self { outline, name, handle, constructors, .. } = self;
        let lints = outline.lints;
        let generics = sendable(outline.generics);
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        let channels = outline.channels.iter().map(|channel| channel::method(outline, channel, handle));
        quote! {
            #lints
            #[automatically_derived]
            impl #impl_generics #name #type_generics #where_clause {
                #constructors
                #(#channels)*
            }
        }
    }

    fn traits(&self) -> TokenStream {
        let Self { outline: Outline { generics, lints, krate, .. }, name, .. } = self;
        let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
        let inner = self.inner();
        quote! {
            #lints
            #[automatically_derived]
            impl #impl_generics #krate::private::From<#inner> for #name #type_generics #where_clause {
                fn from(bus: #inner) -> Self {
                    Self(bus)
                }
            }

            #lints
            #[automatically_derived]
            impl #impl_generics #krate::private::Deref for #name #type_generics #where_clause {
                type Target = #inner;

                fn deref(&self) -> &Self::Target {
                    &self.0
                }
            }

            #lints
            #[automatically_derived]
            impl #impl_generics #krate::private::Clone for #name #type_generics #where_clause {
                fn clone(&self) -> Self {
                    Self(#krate::private::Clone::clone(&self.0))
                }
            }

            #lints
            #[automatically_derived]
            impl #impl_generics #krate::private::fmt::Debug for #name #type_generics #where_clause {
                fn fmt(&self, f: &mut #krate::private::fmt::Formatter<'_>) -> #krate::private::fmt::Result {
                    #krate::private::fmt::Debug::fmt(&self.0, f)
                }
            }
        }
    }

    fn inner(&self) -> TokenStream {
        let Self { outline: Outline { event, generics, krate, .. }, inner, .. } = self;
        let (_, type_generics, _) = generics.split_for_impl();
        quote!(#krate::#inner<#event #type_generics>)
    }
}

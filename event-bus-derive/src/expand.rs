//! Writes the generated code. Takes a model that is right, so it can't fail.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

use crate::model::{Case, Cases, Channel, Model, Place, Source};
use crate::template::Piece;

pub(crate) fn expand(model: &Model<'_>) -> TokenStream {
    let event_impl = event_impl(model);
    let bus = bus(model);
    let holders = model.channels.iter().filter_map(|channel| holder(model, channel));
    quote! {
        #event_impl
        #bus
        #(#holders)*
    }
}

fn event_impl(model: &Model<'_>) -> TokenStream {
    let Model { event, krate, bus_name, .. } = model;
    let (impl_generics, type_generics, where_clause) = model.generics.split_for_impl();
    let body = match &model.cases {
        _ if model.channels.is_empty() => {
            quote!(#krate::private::Result::Ok(#krate::private::Vec::new()))
        }
        Cases::Struct(sources) => {
            let values = sources.iter().map(|Source { field, .. }| quote_spanned!(field.span()=> &self.#field));
            keys(model, sources, &values.collect::<Vec<_>>())
        }
        Cases::Enum(cases) if cases.is_empty() => quote!(match *self {}),
        Cases::Enum(cases) => {
            let arms = cases.iter().map(|case| arm(model, case));
            quote!(match self { #(#arms)* })
        }
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::Event for #event #type_generics #where_clause {
            const BUS_NAME: &'static str = #bus_name;

            fn channel_keys(
                &self,
            ) -> #krate::private::Result<#krate::private::Vec<#krate::ChannelKey>, #krate::KeyError> {
                #body
            }
        }
    }
}

fn arm(model: &Model<'_>, Case { variant, place, sources }: &Case) -> TokenStream {
    match place {
        Place::Nowhere => {
            let keys = keys(model, sources, &[]);
            quote!(Self::#variant { .. } => { #keys })
        }
        Place::Payload => {
            let values = sources.iter().map(|Source { field, .. }| quote_spanned!(field.span()=> &payload.#field));
            let keys = keys(model, sources, &values.collect::<Vec<_>>());
            quote!(Self::#variant(payload) => { #keys })
        }
        Place::Fields => {
            let fields = sources.iter().map(|source| &source.field);
            let locals: Vec<Ident> = sources.iter().map(local).collect();
            let values: Vec<TokenStream> = locals.iter().map(|local| quote!(#local)).collect();
            let keys = keys(model, sources, &values);
            quote!(Self::#variant { #(#fields: #locals,)* .. } => { #keys })
        }
    }
}

/// A name for a bound field that can't meet any of the user's.
fn local(source: &Source) -> Ident {
    format_ident!("__{}", source.parameter.unraw(), span = proc_macro2::Span::mixed_site())
}

/// The keys of all channels, each parameter taken from the value beside its source.
fn keys(model: &Model<'_>, sources: &[Source], values: &[TokenStream]) -> TokenStream {
    let krate = &model.krate;
    let keys = model.channels.iter().map(|channel| {
        let value_of = |parameter: &Ident| {
            let at = sources.iter().position(|source| source.parameter == *parameter);
            at.map(|at| &values[at])
        };
        key(model, channel, |parameter| value_of(parameter).cloned().unwrap_or_default())
    });
    quote! {
        let mut keys = #krate::private::Vec::new();
        #(keys.push(#keys?);)*
        #krate::private::Result::Ok(keys)
    }
}

/// An expression for the `Result` of a channel's key.
fn key(model: &Model<'_>, channel: &Channel, value_of: impl Fn(&Ident) -> TokenStream) -> TokenStream {
    let krate = &model.krate;
    let steps = channel.pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => quote!(let key = key.literal(#text);),
        Piece::Parameter(parameter) => {
            let (name, value) = (parameter.unraw().to_string(), value_of(parameter));
            quote!(let key = key.parameter(#name, #value)?;)
        }
    });
    quote! {
        (|| -> #krate::private::Result<#krate::ChannelKey, #krate::KeyError> {
            let key = #krate::private::KeyBuilder::new();
            #(#steps)*
            key.finish()
        })()
    }
}

fn bus(model: &Model<'_>) -> TokenStream {
    let Model { event, bus, vis, krate, generics, .. } = model;
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    let methods = model.channels.iter().map(|channel| channel_method(model, channel));
    let summary = format!(" The bus `{}`, which carries [`{event}`].", model.bus_name.value());
    let details = " Dereferences to the [`EventBus`](::event_bus_core::EventBus) for publishing, listening and waiting. Clones are the same bus.";
    let details = details.replace("::event_bus_core", &path_text(model));
    let event = quote!(#event #type_generics);
    quote! {
        #[doc = #summary]
        #[doc = ""]
        #[doc = #details]
        #vis struct #bus #generics (#krate::EventBus<#event>) #where_clause;

        #[automatically_derived]
        impl #impl_generics #bus #type_generics #where_clause {
            /// The bus with the default settings.
            #vis fn new(transport: impl #krate::transport::Transport) -> Self
            where
                #krate::Json: #krate::Codec<#event>,
            {
                Self(#krate::EventBus::new(transport))
            }

            /// The bus with settings of your own.
            #[allow(dead_code)]
            #vis fn builder(
                transport: impl #krate::transport::Transport,
            ) -> #krate::EventBusBuilder<#event, Self>
            where
                #krate::Json: #krate::Codec<#event>,
            {
                #krate::EventBusBuilder::new(transport)
            }

            #(#methods)*
        }

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

fn path_text(model: &Model<'_>) -> String {
    let path = &model.krate;
    quote!(#path).to_string().replace(' ', "")
}

fn channel_method(model: &Model<'_>, channel: &Channel) -> TokenStream {
    let Model { event, vis, krate, .. } = model;
    let (_, type_generics, _) = model.generics.split_for_impl();
    let Channel { method, holder, parameters, template, .. } = channel;
    let docs = format!(" The channel `{}/{template}`.", model.bus_name.value());
    let handle = quote!(#krate::ChannelHandle<#event #type_generics>);
    if parameters.is_empty() {
        let key = key(model, channel, |_| TokenStream::new());
        return quote! {
            #[doc = #docs]
            #[allow(dead_code)]
            #vis fn #method(&self) -> #handle {
                #krate::ChannelHandle::new(&self.0, #key)
            }
        };
    }
    let kinds = kinds(channel);
    quote! {
        #[doc = #docs]
        #[allow(dead_code)]
        #vis fn #method<#(#kinds: #krate::private::fmt::Display),*>(&self, channel: #holder<#(#kinds),*>) -> #handle {
            #krate::ChannelHandle::new(&self.0, channel.key())
        }
    }
}

/// The type that holds a channel's parameters by name, so that none can be swapped.
fn holder(model: &Model<'_>, channel: &Channel) -> Option<TokenStream> {
    let Model { vis, krate, .. } = model;
    let Channel { holder, parameters, template, .. } = channel;
    if parameters.is_empty() {
        return None;
    }
    let kinds = kinds(channel);
    let docs = format!(" The parameters of the channel `{}/{template}`.", model.bus_name.value());
    let field_docs = parameters.iter().map(|name| format!(" `<{}>` in the channel.", name.unraw()));
    let key = key(model, channel, |parameter| quote!(&self.#parameter));
    Some(quote! {
        #[doc = #docs]
        #[derive(Clone, Copy, Debug)]
        #[allow(dead_code)]
        #vis struct #holder<#(#kinds),*> {
            #(
                #[doc = #field_docs]
                #vis #parameters: #kinds,
            )*
        }

        #[automatically_derived]
        impl<#(#kinds: #krate::private::fmt::Display),*> #holder<#(#kinds),*> {
            /// The key of the channel.
            ///
            /// # Errors
            /// If a parameter is empty, or holds `/`, `*`, a brace or a control character.
            #[allow(dead_code)]
            #vis fn key(&self) -> #krate::private::Result<#krate::ChannelKey, #krate::KeyError> {
                #key
            }
        }
    })
}

/// A type parameter for each parameter of the channel: anything that can be displayed.
fn kinds(channel: &Channel) -> Vec<Ident> {
    let words = channel.parameters.iter().enumerate();
    words.map(|(at, _)| format_ident!("__P{at}", span = proc_macro2::Span::mixed_site())).collect()
}

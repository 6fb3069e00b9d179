//! The generated subscriber: a thin type around core's, with a method for each type of events. Its type parameters tell
//! which handlers are given, so that none can be forgotten. How handlers run is core's business.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{GenericParam, Generics, parse_quote};

use crate::expand::generics::sendable;
use crate::expand::types::seen;
use crate::model::{Kind, Kinds, Outline};
use crate::name::pascal_case;

/// A handler that must be given, or left out on purpose.
struct Slot {
    method: Ident,
    /// The type parameter that tells.
    parameter: Ident,
    /// What it is while there is no handler, and the trait by which the compiler says so.
    missing: TokenStream,
    is_given: TokenStream,
    docs: String,
    /// The `EventType` it is for, and what it is given; `None` for notices.
    events: Option<(TokenStream, TokenStream)>,
}

pub(super) fn subscriber(outline: &Outline<'_>) -> TokenStream {
    let slots = slots(outline);
    let definition = definition(outline, &slots);
    let missing = missing(outline);
    let handlers = slots.iter().enumerate().map(|(at, slot)| handler(outline, &slots, at, slot));
    let ignoring = ignoring(outline, &slots);
    let running = running(outline, &slots);
    let debug = debug(outline, &slots);
    quote! {
        #definition
        #missing
        #(#handlers)*
        #ignoring
        #running
        #debug
    }
}

/// The method of the bus that gives one without handlers.
pub(super) fn method(outline: &Outline<'_>) -> TokenStream {
    let Outline { vis, krate, subscriber, .. } = outline;
    let slots = slots(outline);
    let nothing: Vec<TokenStream> = slots.iter().map(|slot| slot.missing.clone()).collect();
    let ty = applied(outline, &nothing);
    quote! {
        /// Handlers for the events of this bus, to be given one for each type of events and one for notices.
        #[allow(dead_code)]
        #vis fn subscriber(&self) -> #ty {
            #subscriber {
                subscriber: #krate::Subscriber::new(&self.0),
                given: #krate::private::PhantomData,
            }
        }
    }
}

fn slots(outline: &Outline<'_>) -> Vec<Slot> {
    let Outline { event, krate, kinds, missing, .. } = outline;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let whole = quote!(#event #type_generics);
    let mut slots = Vec::new();
    match kinds {
        Kinds::Struct(_) => slots.push(Slot {
            method: format_ident!("on_event"),
            parameter: parameter(0, "Event"),
            missing: quote!(#krate::private::Missing),
            is_given: quote!(#krate::private::EventsAreGiven),
            docs: " Handles every event.".to_owned(),
            events: Some((quote!(#krate::private::the_only_type()), whole.clone())),
        }),
        Kinds::Enum(kinds) => slots.extend(heard(kinds).enumerate().map(|(number, kind)| {
            let constant = &kind.constant;
            let docs = match &kind.name {
                Some(name) => {
                    format!(" Handles the events of the type `{name}`: [`{event}::{}`].", kind.variant)
                }
                None => format!(" Handles the events of all unknown types: [`{event}::{}`].", kind.variant),
            };
            let seen = if kind.payload.is_some() { seen(kind) } else { whole.clone() };
            let method = &kind.handler;
            Slot {
                method: method.clone(),
                parameter: parameter(number, &pascal_case(&kind.variant)),
                missing: quote!(#missing::#method),
                is_given: quote!(#krate::private::IsGiven),
                docs,
                events: Some((quote!(<#whole>::#constant), seen)),
            }
        })),
    }
    slots.push(Slot {
        method: format_ident!("on_notice"),
        parameter: parameter(slots.len(), "Notice"),
        missing: quote!(#krate::private::Missing),
        is_given: quote!(#krate::private::NoticesAreGiven),
        docs: " Handles every notice: what was missed, and what could not be read.".to_owned(),
        events: None,
    });
    slots
}

/// What never comes has no handler.
fn heard(kinds: &[Kind]) -> impl Iterator<Item = &Kind> {
    kinds.iter().filter(|kind| kind.is_heard())
}

/// Numbered, and such that nobody calls a type so: it must not stand in the way of a payload's.
fn parameter(number: usize, name: &str) -> Ident {
    format_ident!("__On{number}{name}")
}

/// The event's generics with slots before them.
fn with_slots<'a>(generics: &Generics, slots: impl Iterator<Item = &'a Ident>) -> Generics {
    let mut all = generics.clone();
    let (lifetimes, others): (Vec<GenericParam>, Vec<GenericParam>) =
        generics.params.iter().cloned().partition(|parameter| matches!(parameter, GenericParam::Lifetime(_)));
    let slots = slots.map(|slot| -> GenericParam { parse_quote!(#slot) });
    all.params = lifetimes.into_iter().chain(slots).chain(others).collect();
    all
}

/// The subscriber with these types in its slots.
fn applied(outline: &Outline<'_>, slots: &[TokenStream]) -> TokenStream {
    let subscriber = &outline.subscriber;
    let (mut lifetimes, mut others) = (Vec::new(), Vec::new());
    for parameter in &outline.generics.params {
        match parameter {
            GenericParam::Lifetime(parameter) => lifetimes.push(&parameter.lifetime),
            GenericParam::Type(parameter) => others.push(&parameter.ident),
            GenericParam::Const(parameter) => others.push(&parameter.ident),
        }
    }
    quote!(#subscriber<#(#lifetimes,)* #(#slots,)* #(#others),*>)
}

fn all_slots(slots: &[Slot]) -> Vec<TokenStream> {
    slots.iter().map(|Slot { parameter, .. }| quote!(#parameter)).collect()
}

fn definition(outline: &Outline<'_>, slots: &[Slot]) -> TokenStream {
    let Outline { event, bus, vis, lints, krate, subscriber, .. } = outline;
    let generics = with_slots(outline.generics, slots.iter().map(|slot| &slot.parameter));
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let where_clause = &generics.where_clause;
    let parameters = slots.iter().map(|slot| &slot.parameter);
    let path = quote!(#krate).to_string().replace(' ', "");
    let docs = format!(
        " Handlers for the events of [`{event}`], from [`{bus}::subscriber`]: a [`Subscriber`]({path}::Subscriber) that \
         starts only if each type of events has one, and the notices."
    );
    quote! {
        #[doc = #docs]
        #[must_use = "a subscriber hears nothing until it is started"]
        #lints
        #[allow(dead_code)]
        #vis struct #subscriber #generics #where_clause {
            subscriber: #krate::Subscriber<#event #type_generics>,
            given: #krate::private::PhantomData<fn() -> (#(#parameters,)*)>,
        }
    }
}

/// A type for each handler of a variant, called like its method, so that the compiler names the one that is missing.
fn missing(outline: &Outline<'_>) -> Option<TokenStream> {
    let missing = &outline.missing;
    let Kinds::Enum(kinds) = &outline.kinds else { return None };
    let methods = heard(kinds).map(|kind| &kind.handler);
    Some(quote! {
        #[doc(hidden)]
        #[allow(
            non_camel_case_types, non_snake_case, unreachable_pub, dead_code, missing_docs,
            missing_debug_implementations
        )]
        mod #missing {
            #(pub struct #methods;)*
        }
    })
}

/// The method that gives the handler of one slot.
fn handler(outline: &Outline<'_>, slots: &[Slot], at: usize, slot: &Slot) -> TokenStream {
    let Outline { event, vis, lints, krate, subscriber, .. } = outline;
    let Slot { method, docs, events, .. } = slot;
    let (_, type_generics, _) = outline.generics.split_for_impl();
    let others = slots.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, slot)| &slot.parameter);
    let generics = with_slots(&sendable(outline.generics), others);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (mut before, mut after) = (all_slots(slots), all_slots(slots));
    before[at] = slot.missing.clone();
    after[at] = quote!(#krate::private::Given);
    let (before, after) = (applied(outline, &before), applied(outline, &after));
    let (item, given) = match events {
        Some((constant, seen)) => {
            (quote!(#krate::Delivery<#event #type_generics, #seen>), quote!(on(#constant, handler)))
        }
        None => (quote!(#krate::Notice), quote!(on_notice(handler))),
    };
    quote! {
        #lints
        #[automatically_derived]
        impl #impl_generics #before #where_clause {
            #[doc = #docs]
            #[allow(dead_code)]
            #vis fn #method<__Handler, __Work>(self, handler: __Handler) -> #after
            where
                __Handler: #krate::private::Fn(#item) -> __Work
                    + ::core::marker::Send
                    + ::core::marker::Sync
                    + 'static,
                __Work: #krate::private::Future<Output = ()> + ::core::marker::Send + 'static,
            {
                #subscriber {
                    subscriber: self.subscriber.#given,
                    given: #krate::private::PhantomData,
                }
            }
        }
    }
}

/// The methods that leave out what has no handler.
fn ignoring(outline: &Outline<'_>, slots: &[Slot]) -> TokenStream {
    let Outline { vis, lints, krate, subscriber, .. } = outline;
    let last = slots.len() - 1;
    let given = quote!(#krate::private::Given);
    let generics = with_slots(&sendable(outline.generics), slots.iter().map(|slot| &slot.parameter));
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let all = applied(outline, &all_slots(slots));
    let mut rest = vec![given.clone(); slots.len()];
    rest[last] = all_slots(slots)[last].clone();
    let rest = applied(outline, &rest);

    let events = slots[..last].iter().map(|slot| &slot.parameter);
    let without_notices = with_slots(&sendable(outline.generics), events);
    let (notice_impl_generics, _, _) = without_notices.split_for_impl();
    let (mut before, mut after) = (all_slots(slots), all_slots(slots));
    before[last] = slots[last].missing.clone();
    after[last] = given;
    let (before, after) = (applied(outline, &before), applied(outline, &after));
    let body = quote!(#subscriber { subscriber: self.subscriber, given: #krate::private::PhantomData });
    quote! {
        #lints
        #[automatically_derived]
        impl #impl_generics #all #where_clause {
            /// Passes over the events of all types that have no handler, also unknown ones. They are not decoded where
            /// the codec can tell their type without.
            #[allow(dead_code)]
            #vis fn ignore_rest(self) -> #rest {
                #body
            }
        }

        #lints
        #[automatically_derived]
        impl #notice_impl_generics #before #where_clause {
            /// Passes over all notices: what was missed stays unknown.
            #[allow(dead_code)]
            #vis fn ignore_notices(self) -> #after {
                #body
            }
        }
    }
}

fn running(outline: &Outline<'_>, slots: &[Slot]) -> TokenStream {
    let Outline { vis, lints, krate, .. } = outline;
    let generics = with_slots(&sendable(outline.generics), slots.iter().map(|slot| &slot.parameter));
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let all = applied(outline, &all_slots(slots));
    let bounds = slots.iter().map(|Slot { parameter, is_given, .. }| quote!(#parameter: #is_given));
    quote! {
        #lints
        #[automatically_derived]
        impl #impl_generics #all #where_clause {
            /// Is told of every handler that panicked. Without this they are logged.
            #[allow(dead_code)]
            #vis fn on_panic(
                self,
                told: impl #krate::private::Fn(#krate::HandlerPanic)
                    + ::core::marker::Send
                    + ::core::marker::Sync
                    + 'static,
            ) -> Self {
                Self { subscriber: self.subscriber.on_panic(told), given: self.given }
            }

            /// How many handlers may run at once, each for another channel; 16 by default.
            #[allow(dead_code)]
            #vis fn concurrency(self, handlers: usize) -> Self {
                Self { subscriber: self.subscriber.concurrency(handlers), given: self.given }
            }

            /// Listens to one or more channels or patterns, and handles what comes. Returns when the server has
            /// confirmed.
            ///
            /// # Errors
            /// As for listening; `InvalidConfig` without any filter.
            ///
            /// # Cancel safety
            /// Dropping the future leaves nothing behind.
            #[allow(dead_code)]
            #vis fn start<__Filter>(
                self,
                filters: impl #krate::private::IntoIterator<Item = __Filter>,
            ) -> #krate::Starting
            where
                #(#bounds,)*
                __Filter: #krate::private::TryInto<#krate::ChannelFilter>,
                #krate::Error: #krate::private::From<
                    <__Filter as #krate::private::TryInto<#krate::ChannelFilter>>::Error
                >,
            {
                self.subscriber.start(filters)
            }
        }
    }
}

fn debug(outline: &Outline<'_>, slots: &[Slot]) -> TokenStream {
    let Outline { lints, krate, subscriber, .. } = outline;
    let generics = with_slots(outline.generics, slots.iter().map(|slot| &slot.parameter));
    let (impl_generics, type_generics, where_clause) = generics.split_for_impl();
    quote! {
        #lints
        #[automatically_derived]
        impl #impl_generics #krate::private::fmt::Debug for #subscriber #type_generics #where_clause {
            fn fmt(&self, f: &mut #krate::private::fmt::Formatter<'_>) -> #krate::private::fmt::Result {
                #krate::private::fmt::Debug::fmt(&self.subscriber, f)
            }
        }
    }
}

//! The body of `Event::channel_keys`: for each shape of events, the templates of its channels with values out of its
//! fields. Locals begin with `__`, so that no constant of the user's is taken for them.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Member;

use crate::expand::channel;
use crate::model::{Case, Cases, Model, Outline, Source};
use crate::name::plain;

pub(super) fn of_event(Model { outline, cases }: &Model<'_>) -> TokenStream {
    match cases {
        Cases::Struct(case) => of_case(outline, case),
        Cases::Enum(cases) if cases.is_empty() => quote!(match *self {}),
        Cases::Enum(cases) => {
            let arms = cases.iter().map(|case| of_case(outline, case));
            quote!(match self { #(#arms)* })
        }
    }
}

/// An arm, or for a struct the whole.
fn of_case(outline: &Outline<'_>, case: &Case) -> TokenStream {
    let krate = &outline.krate;
    let channels = case.channels.iter().map(|at| {
        let channel = &outline.channels[*at];
        let template = channel::template(outline, channel);
        let sources = channel.parameters.iter().map(|parameter| {
            let source = case.sources.iter().find(|source| source.parameter == *parameter);
            source.map(value)
        });
        quote!((&#template, &[#(#sources),*]))
    });
    let bindings = bindings(&case.sources);
    let keys = quote!(#krate::private::keys(&[#(#channels),*]));
    if let Some(variant) = &case.variant {
        return quote!(Self::#variant { #(#bindings,)* .. } => #keys,);
    }
    quote! {
        let Self { #(#bindings,)* .. } = self;
        #keys
    }
}

/// Each field that values are in, once.
fn bindings(sources: &[Source]) -> Vec<TokenStream> {
    let mut roots: Vec<&Member> = Vec::new();
    for Source { root, .. } in sources {
        if !roots.contains(&root) {
            roots.push(root);
        }
    }
    let bindings = roots.into_iter().map(|root| {
        let local = local(root);
        quote!(#root: #local)
    });
    bindings.collect()
}

/// A reference to the value.
fn value(Source { root, path, .. }: &Source) -> TokenStream {
    let local = local(root);
    if path.is_empty() {
        return quote!(#local);
    }
    let path = path.iter().map(|member| match member {
        Member::Named(field) => {
            let mut field = field.clone();
            field.set_span(here(field.span()));
            Member::Named(field)
        }
        Member::Unnamed(index) => Member::Unnamed(index.clone()),
    });
    let path: Vec<Member> = path.collect();
    let at = path.last().map_or_else(Span::call_site, span_of);
    quote_spanned!(at=> &#local #(.#path)*)
}

/// A name for a bound field.
fn local(root: &Member) -> Ident {
    match root {
        Member::Named(field) => format_ident!("__{}", plain(field), span = here(field.span())),
        Member::Unnamed(index) => format_ident!("__{}", index.index, span = here(index.span)),
    }
}

fn span_of(member: &Member) -> Span {
    match member {
        Member::Named(field) => field.span(),
        Member::Unnamed(index) => index.span,
    }
}

/// This place, with names meaning what they mean in generated code: the field may come out of a macro.
fn here(span: Span) -> Span {
    span.resolved_at(Span::call_site())
}

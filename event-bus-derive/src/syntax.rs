//! The grammar below `#[bus(…)]`: items between commas, read one by one, so that a broken one costs only itself.
//! Which items there are is not known here.

use proc_macro2::{Ident, Span, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprGroup, ExprLit, Lit, LitStr, Meta, Token, Type};

use crate::ctxt::Ctxt;

/// The items of all `attrs`, and whether these are all that was written.
pub(crate) fn items<'a>(cx: &Ctxt, attrs: impl Iterator<Item = &'a Attribute>) -> (Vec<Meta>, bool) {
    let mut items = Vec::new();
    for attr in attrs {
        let read = match &attr.meta {
            Meta::List(_) => attr.parse_args_with(separated::<Meta>),
            other => Err(syn::Error::new(other.span(), "expected `#[bus(…)]` with parentheses")),
        };
        items.extend(read.unwrap_or_else(|error| vec![Err(error)]));
    }
    let written = items.len();
    let items: Vec<Meta> = items.into_iter().filter_map(|item| cx.ok(item)).collect();
    let is_complete = items.len() == written;
    (items, is_complete)
}

/// The `name = value` pairs of an item such as `channel(…)`.
pub(crate) fn list(cx: &Ctxt, item: &Meta, shape: &str) -> Vec<(Ident, Expr)> {
    let expected = format!("expected `{shape}`");
    let Meta::List(list) = item else {
        cx.error(item.span(), expected);
        return Vec::new();
    };
    let pairs = cx.ok(list.parse_args_with(separated::<Pair>)).unwrap_or_default();
    if pairs.is_empty() {
        cx.error(item.span(), &expected);
    }
    let pairs = pairs.into_iter().filter_map(|pair| {
        let pair = pair.map_err(|error| syn::Error::new(error.span(), &expected));
        cx.ok(pair).map(|Pair { name, value }| (name, value))
    });
    pairs.collect()
}

/// The names of an item such as `to(run, graph)`; `None` if there are none, which is recorded.
pub(crate) fn names(cx: &Ctxt, item: &Meta, shape: &str) -> Option<Vec<Ident>> {
    let expected = format!("expected `{shape}`");
    let Meta::List(list) = item else {
        cx.error(item.span(), expected);
        return None;
    };
    let names = list.parse_args_with(|input: ParseStream<'_>| separated_by(input, Ident::parse_any));
    let names = cx.ok(names).unwrap_or_default();
    if names.is_empty() {
        cx.error(item.span(), &expected);
        return None;
    }
    let names = names.into_iter().filter_map(|name| {
        let name = name.map_err(|error| syn::Error::new(error.span(), &expected));
        cx.ok(name)
    });
    Some(names.collect())
}

/// Where an item stands that is a word by itself.
pub(crate) fn word(cx: &Ctxt, item: &Meta) -> Option<Span> {
    match item {
        Meta::Path(path) => Some(path.span()),
        other => {
            let key = other.path().get_ident().map(ToString::to_string).unwrap_or_default();
            cx.error(other.span(), format!("expected `{key}` alone"));
            None
        }
    }
}

/// The text of `key = "text"`.
pub(crate) fn text(cx: &Ctxt, item: &Meta) -> Option<LitStr> {
    match item {
        Meta::NameValue(pair) => text_of(cx, &pair.value),
        other => {
            let key = other.path().get_ident().map(ToString::to_string).unwrap_or_default();
            cx.error(other.span(), format!("expected `{key} = \"…\"`"));
            None
        }
    }
}

pub(crate) fn text_of(cx: &Ctxt, value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.clone()),
        Expr::Group(ExprGroup { expr, .. }) => text_of(cx, expr), // a `$text` of a macro around the event
        other => {
            cx.error(other.span(), "expected a text in quotes");
            None
        }
    }
}

/// A type without what stands around it for the parser alone: parentheses, or what a macro puts around its `$type`.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        ty => ty,
    }
}

struct Pair {
    name: Ident,
    value: Expr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        Ok(Self { name, value: input.parse()? })
    }
}

/// What stands between commas, the broken with its error.
fn separated<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<syn::Result<T>>> {
    separated_by(input, T::parse)
}

fn separated_by<T>(
    input: ParseStream<'_>,
    parse: fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<syn::Result<T>>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        let item = parse(input);
        let is_whole = input.is_empty() || input.peek(Token![,]);
        items.push(item.and_then(|item| if is_whole { Ok(item) } else { Err(input.error("expected `,`")) }));
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
        }
        input.parse::<Option<Token![,]>>()?;
    }
    Ok(items)
}

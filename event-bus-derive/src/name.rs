//! Identifiers made of what the user wrote: raw where a keyword needs it, and in `PascalCase` for types.
//! Nothing here knows what they are used for.

use heck::{ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use unicode_ident::{is_xid_continue, is_xid_start};

/// `word` as an identifier that generated code may use, or `None` if no field and no method can have that name.
pub(crate) fn usable(word: &str, span: Span) -> Option<Ident> {
    let is_text = word
        .chars()
        .enumerate()
        .all(|(at, c)| c == '_' || if at == 0 { is_xid_start(c) } else { is_xid_continue(c) });
    if !is_text || matches!(word, "" | "_" | "self" | "Self" | "super" | "crate") {
        return None; // before the compiler's own lexer is asked: it would report what it can't read by itself
    }
    let plain = syn::parse_str::<Ident>(word).ok().filter(|_| word != "gen"); // a keyword since edition 2024
    let mut ident = plain.or_else(|| syn::parse_str(&format!("r#{word}")).ok())?;
    ident.set_span(span);
    Some(ident)
}

/// The text of `ident`, without the `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// `graph_exec` as `GraphExec`, for a type.
pub(crate) fn pascal_case(ident: &Ident) -> String {
    that_can_begin(plain(ident).to_upper_camel_case())
}

/// `NodeDone` as `node_done`, for a part of a method's name.
fn snake_case(ident: &Ident) -> String {
    plain(ident).to_snake_case()
}

/// The constant for the events of a variant: `NODE_DONE` for `NodeDone`, `V1_EVENT` for `V1`, which is taken.
pub(crate) fn constant(variant: &Ident) -> Ident {
    let mut name = that_can_begin(plain(variant).to_shouty_snake_case());
    if name == plain(variant) {
        name.push_str("_EVENT");
    }
    Ident::new(&name, variant.span())
}

/// The method that takes the handler for the events of a variant: `on_node_done` for `NodeDone`.
pub(crate) fn handler(variant: &Ident) -> Ident {
    let mut name = format!("on_{}", snake_case(variant));
    if matches!(name.as_str(), "on_notice" | "on_panic") {
        name.push_str("_event"); // what every subscriber has
    }
    Ident::new(&name, variant.span())
}

/// `_1` and `__` are fine names of fields, `1` and nothing are none of types.
fn that_can_begin(name: String) -> String {
    match name.chars().next() {
        None => "__".to_owned(), // `_` alone names nothing
        Some(first) if is_xid_start(first) || first == '_' => name,
        Some(_) => format!("_{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(word: &str) -> Option<String> {
        super::usable(word, Span::call_site()).map(|ident| ident.to_string())
    }

    #[test]
    fn keywords_become_raw_and_what_can_name_nothing_is_refused() {
        assert_eq!(usable("user_id").as_deref(), Some("user_id"));
        assert_eq!(usable("größe").as_deref(), Some("größe"));
        assert_eq!(usable("स्थिति").as_deref(), Some("स्थिति"));
        assert_eq!(usable("type").as_deref(), Some("r#type"));
        assert_eq!(usable("gen").as_deref(), Some("r#gen"));
        for word in [
            "", "_", "self", "Self", "crate", "super", "a b", "0", "1a", "a-b", "\"", "a.b", "a:?", "'a",
            "़a", "a😀",
        ] {
            assert_eq!(usable(word), None, "{word:?}");
        }
    }

    #[test]
    fn names_follow_the_case_of_what_they_name() {
        let ident = |word| Ident::new(word, Span::call_site());
        let pascal_case = |word| super::pascal_case(&ident(word));
        assert_eq!(snake_case(&ident("HTTPGet")), "http_get");
        assert_eq!(constant(&ident("NodeDone")), "NODE_DONE");
        assert_eq!(constant(&ident("V1")), "V1_EVENT");
        assert_eq!(handler(&ident("NodeDone")), "on_node_done");
        assert_eq!(handler(&ident("Notice")), "on_notice_event");
        assert_eq!(pascal_case("graph_exec_id"), "GraphExecId");
        assert_eq!(pascal_case("_1"), "_1");
        assert_eq!(pascal_case("__"), "__");
    }
}

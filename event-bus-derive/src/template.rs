//! Reads a key template such as `{{{user_id}/{graph_id}}}/all`: braces are doubled as in `format!`, single ones
//! hold a parameter. Inside a string stable Rust has no spans, so messages tell the byte offset.

use proc_macro2::{Ident, Span};
use syn::LitStr;

use crate::ctxt::Ctxt;

/// A template and where it stands.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) span: Span,
    pub(crate) pieces: Vec<Piece>,
    /// It could not be read; that is recorded, and no more is to be said of it.
    pub(crate) is_broken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Parameter(Ident),
}

impl Template {
    /// Reads `text`; mistakes are recorded.
    pub(crate) fn parse(cx: &Ctxt, text: &LitStr) -> Self {
        let (span, value) = (text.span(), text.value());
        match pieces(&value, span) {
            Ok(pieces) => Self { span, pieces, is_broken: false },
            Err((offset, message)) => {
                cx.error(span, format!("at byte {offset} of the template: {message}"));
                Self { span, pieces: Vec::new(), is_broken: true }
            }
        }
    }

    /// The parameters, each once, in the order in which they appear.
    pub(crate) fn parameters(&self) -> Vec<&Ident> {
        let mut parameters = Vec::new();
        for piece in &self.pieces {
            if let Piece::Parameter(name) = piece
                && !parameters.contains(&name)
            {
                parameters.push(name);
            }
        }
        parameters
    }
}

fn pieces(text: &str, span: Span) -> Result<Vec<Piece>, (usize, String)> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let offset = text.len() - rest.len();
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            literal.push(c);
            rest = after;
        } else if c == '}' {
            return Err((offset, "a single `}` closes nothing: write `}}` for the character itself".into()));
        } else if let Some(inside) = rest.strip_prefix('{') {
            let Some((name, after)) = inside.split_once('}') else {
                return Err((offset, "`{` opens a parameter that is never closed: write `{{` for the character itself".into()));
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Parameter(parameter(name, span).map_err(|message| (offset, message))?));
            rest = after;
        } else {
            literal.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn parameter(name: &str, span: Span) -> Result<Ident, String> {
    if name.is_empty() {
        return Err("`{}` names no parameter: write the field between the braces".into());
    }
    let parsed = syn::parse_str::<Ident>(name).or_else(|_| syn::parse_str::<Ident>(&format!("r#{name}")));
    match parsed {
        Ok(mut ident) => {
            ident.set_span(span);
            Ok(ident)
        }
        Err(_) => Err(format!("`{{{name}}}` is no parameter: expected the name of a field")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, (usize, String)> {
        let pieces = pieces(text, Span::call_site())?;
        let shown = pieces.into_iter().map(|piece| match piece {
            Piece::Literal(text) => format!("'{text}'"),
            Piece::Parameter(name) => name.to_string(),
        });
        Ok(shown.collect())
    }

    #[test]
    fn doubled_braces_are_literal_and_single_ones_hold_parameters() {
        assert_eq!(
            read("{{{user_id}/{graph_id}}}/exec/{id}").unwrap(),
            ["'{'", "user_id", "'/'", "graph_id", "'}/exec/'", "id"]
        );
        assert_eq!(read("all").unwrap(), ["'all'"]);
        assert_eq!(read("{{}}").unwrap(), ["'{}'"]);
        assert_eq!(read("{type}").unwrap(), ["r#type"]);
    }

    #[test]
    fn mistakes_are_told_with_their_offset() {
        assert_eq!(read("ab{").unwrap_err().0, 2);
        assert_eq!(read("é}").unwrap_err().0, 2);
        assert_eq!(read("a/{}").unwrap_err().0, 2);
        assert!(read("{a b}").unwrap_err().1.contains("expected the name of a field"));
    }
}

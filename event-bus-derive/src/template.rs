//! Reads a key template such as `{{{user_id}/{graph_id}}}/all`: braces are doubled as in `format!`, single ones
//! hold a parameter. Inside a string stable Rust has no spans, so messages tell the byte offset.

use proc_macro2::{Ident, Span};
use syn::LitStr;

use crate::ctxt::Ctxt;
use crate::name;

/// A template and where it stands.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) span: Span,
    pub(crate) pieces: Vec<Piece>,
    /// It could not be read whole; that is recorded, and no more is to be said of it.
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
        let Read { pieces, mistakes, .. } = Read::all(&value, span);
        for (offset, message) in &mistakes {
            cx.error(span, format!("at byte {offset} of the template: {message}"));
        }
        Self { span, pieces, is_broken: !mistakes.is_empty() }
    }

    /// Stands for one that is no text; that is recorded already.
    pub(crate) fn broken(span: Span) -> Self {
        Self { span, pieces: Vec::new(), is_broken: true }
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

/// What has been read of a template.
struct Read {
    span: Span,
    pieces: Vec<Piece>,
    /// The literal since the last parameter.
    literal: String,
    /// Byte offset and message.
    mistakes: Vec<(usize, String)>,
}

impl Read {
    fn all(text: &str, span: Span) -> Self {
        let mut read = Self { span, pieces: Vec::new(), literal: String::new(), mistakes: Vec::new() };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[read.step(c, rest, text.len() - rest.len())..];
        }
        read.end_literal();
        read
    }

    /// Reads what `rest` begins with, at `offset`; returns its length.
    fn step(&mut self, c: char, rest: &str, offset: usize) -> usize {
        if rest.starts_with("{{") || rest.starts_with("}}") {
            self.literal.push(c);
            return 2;
        }
        match c {
            '{' => self.parameter(&rest[1..], offset),
            '}' => {
                self.mistakes.push((
                    offset,
                    "a single `}` closes nothing: write `}}` for the character itself".into(),
                ));
                1
            }
            c => {
                self.literal.push(c);
                c.len_utf8()
            }
        }
    }

    /// Reads the parameter whose brace stands before `inside`; returns its length with the braces.
    fn parameter(&mut self, inside: &str, offset: usize) -> usize {
        let name = match inside.find(['{', '}']) {
            Some(end) if inside[end..].starts_with('}') => &inside[..end],
            _ => {
                let message =
                    "`{` opens a parameter that is never closed: write `{{` for the character itself";
                self.mistakes.push((offset, message.into()));
                return 1;
            }
        };
        match name::usable(name, self.span) {
            Some(ident) => {
                self.end_literal();
                self.pieces.push(Piece::Parameter(ident));
            }
            None => self.mistakes.push((offset, why_unusable(name))),
        }
        name.len() + 2
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Literal(std::mem::take(&mut self.literal)));
        }
    }
}

fn why_unusable(name: &str) -> String {
    let hint = if name.is_empty() {
        return "`{}` names no parameter: write the name of a field between the braces".to_owned();
    } else if name.chars().all(|c| c.is_ascii_digit()) {
        ", and fields without names have none"
    } else if name.contains(':') {
        " alone, without a format"
    } else {
        ""
    };
    format!("`{{{name}}}` is no parameter: expected the name of a field{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let read = Read::all(text, Span::call_site());
        assert!(read.mistakes.is_empty(), "{:?}", read.mistakes);
        let shown = read.pieces.into_iter().map(|piece| match piece {
            Piece::Literal(text) => format!("'{text}'"),
            Piece::Parameter(name) => name.to_string(),
        });
        shown.collect()
    }

    fn offsets(text: &str) -> Vec<usize> {
        Read::all(text, Span::call_site()).mistakes.into_iter().map(|(offset, _)| offset).collect()
    }

    #[test]
    fn doubled_braces_are_literal_and_single_ones_hold_parameters() {
        assert_eq!(
            read("{{{user_id}/{graph_id}}}/exec/{id}"),
            ["'{'", "user_id", "'/'", "graph_id", "'}/exec/'", "id"]
        );
        assert_eq!(read("all"), ["'all'"]);
        assert_eq!(read("{{}}"), ["'{}'"]);
        assert_eq!(read("{type}"), ["r#type"]);
    }

    #[test]
    fn every_mistake_is_told_with_its_offset() {
        assert_eq!(offsets("ab{"), [2]);
        assert_eq!(offsets("é}"), [2]);
        assert_eq!(offsets("a/{}"), [2]);
        assert_eq!(offsets("{a b}/{c}/}/{"), [0, 10, 12]);
        assert_eq!(offsets("{a/{b}"), [0]);
        assert_eq!(offsets("{\"}/{'a}/{é!}"), [0, 4, 9]);
    }
}

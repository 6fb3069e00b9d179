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
    /// Where each piece begins, in bytes.
    offsets: Vec<usize>,
    /// Characters of literals that stand in no key, with their offsets in bytes.
    pub(crate) forbidden: Vec<(usize, char)>,
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
        let Read { pieces, offsets, forbidden, mistakes, .. } = Read::all(&value, span);
        for (offset, message) in &mistakes {
            cx.error(span, format!("at byte {offset} of the template: {message}"));
        }
        Self { span, pieces, offsets, forbidden, is_broken: !mistakes.is_empty() }
    }

    /// Stands for one that is no text; that is recorded already.
    pub(crate) fn broken(span: Span) -> Self {
        let (pieces, offsets, forbidden) = (Vec::new(), Vec::new(), Vec::new());
        Self { span, pieces, offsets, forbidden, is_broken: true }
    }

    /// The pieces, each with where it begins, in bytes.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, &Piece)> {
        self.offsets.iter().copied().zip(&self.pieces)
    }

    /// Where `parameter` first stands, in bytes.
    pub(crate) fn offset_of(&self, parameter: &Ident) -> Option<usize> {
        let is_it = |piece: &Piece| matches!(piece, Piece::Parameter(name) if name == parameter);
        self.places().find(|(_, piece)| is_it(piece)).map(|(offset, _)| offset)
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
    offsets: Vec<usize>,
    /// The literal since the last parameter, and where it begins.
    literal: String,
    literal_at: usize,
    forbidden: Vec<(usize, char)>,
    /// Byte offset and message.
    mistakes: Vec<(usize, String)>,
}

impl Read {
    fn all(text: &str, span: Span) -> Self {
        let mut read = Self {
            span,
            pieces: Vec::new(),
            offsets: Vec::new(),
            literal: String::new(),
            literal_at: 0,
            forbidden: Vec::new(),
            mistakes: Vec::new(),
        };
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
            self.literal(c, offset);
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
                self.literal(c, offset);
                c.len_utf8()
            }
        }
    }

    fn literal(&mut self, c: char, offset: usize) {
        if self.literal.is_empty() {
            self.literal_at = offset;
        }
        if c.is_control() || "*?[]\\".contains(c) {
            self.forbidden.push((offset, c));
        }
        self.literal.push(c);
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
                self.offsets.push(offset);
            }
            None => self.mistakes.push((offset, why_unusable(name))),
        }
        name.len() + 2
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Literal(std::mem::take(&mut self.literal)));
            self.offsets.push(self.literal_at);
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

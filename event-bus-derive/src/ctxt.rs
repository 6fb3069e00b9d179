//! Collects every mistake of one derive, so that a user sees them all in one compile.

use std::cell::RefCell;
use std::fmt::Display;

use proc_macro2::Span;

/// The mistakes found so far. Must be [checked](Ctxt::check) before it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Ctxt(RefCell<Option<Vec<syn::Error>>>);

impl Ctxt {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(Some(Vec::new())))
    }

    /// Records a mistake at `span`.
    pub(crate) fn error(&self, span: Span, message: impl Display) {
        self.record(syn::Error::new(span, message));
    }

    pub(crate) fn record(&self, error: syn::Error) {
        if let Some(errors) = self.0.borrow_mut().as_mut() {
            errors.push(error);
        }
    }

    /// Notes the error of `result` and goes on without its value.
    pub(crate) fn ok<T>(&self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.record(error)).ok()
    }

    /// All mistakes as one error, or none.
    pub(crate) fn check(self) -> syn::Result<()> {
        let errors = self.0.borrow_mut().take().unwrap_or_default();
        let combined = errors.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        });
        combined.map_or(Ok(()), Err)
    }
}

impl Drop for Ctxt {
    fn drop(&mut self) {
        let forgotten = self.0.borrow().is_some();
        assert!(!forgotten || std::thread::panicking(), "the mistakes of a derive were never checked");
    }
}

//! Why a connection ended, and what follows from it for those who wait. Not what is done about it.

use std::sync::Arc;

use event_bus_core::{Error, ErrorKind};

use crate::error::with_source;

/// Why a connection, or the attempt to make one, ended.
#[derive(Clone, Debug)]
pub(in crate::listener) struct Cause {
    pub(in crate::listener) text: Arc<str>,
    /// The server refuses our login: waiting won't help whoever is waiting now.
    pub(in crate::listener) denied: Option<Arc<str>>,
    /// Another server serves what this one does not: there is no reason to wait.
    pub(super) is_elsewhere: bool,
}

impl Cause {
    pub(in crate::listener) fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), denied: None, is_elsewhere: false }
    }

    /// It is not the right server any more.
    pub(in crate::listener) fn elsewhere(text: &str) -> Self {
        Self { is_elsewhere: true, ..Self::new(text) }
    }

    pub(in crate::listener) fn with_denial(self, denied: Option<Arc<str>>) -> Self {
        Self { denied, ..self }
    }

    /// No server was found.
    pub(in crate::listener) fn of(error: &Error) -> Self {
        let text: Arc<str> = with_source(error).into();
        let denied = (error.kind() == ErrorKind::Denied).then(|| Arc::clone(&text));
        Self::new(text).with_denial(denied)
    }
}

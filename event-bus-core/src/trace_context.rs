//! The trace that a message belongs to, as it travels in two headers (W3C trace context), and who reads and writes it.
//! What a trace is, only the user's propagator knows.

use tracing::Span;

use crate::codec::Headers;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// As much as the specification asks everybody to pass on.
const LONGEST_TRACESTATE: usize = 512;

/// Of a `traceparent` of the present version, `00-<trace id>-<parent id>-<flags>`.
const LENGTHS: [usize; 4] = [2, 32, 16, 2];
const LENGTH: usize = 55;

/// Puts trace context into what a bus publishes, and takes it out again; for
/// [`EventBusBuilder::trace_context`](crate::EventBusBuilder::trace_context). With OpenTelemetry that is a few lines around its
/// `TraceContextPropagator`: the example `observability` has them.
///
/// Both are called within a publish, or before a handler: they must be quick, and must not panic.
pub trait TracePropagator: Send + Sync + 'static {
    /// The context in which `span` is: the span of a publish, and then the caller's, if nobody looks at that of the publish
    /// or it has given `None`. `None` if it belongs to no trace; nothing is written if neither does.
    fn inject(&self, span: &Span) -> Option<TraceContext>;

    /// Ties `span`, in which a message is going to be processed, to the context that came with the message, as a link or
    /// as its parent. The context may come from anybody.
    fn extract(&self, span: &Span, context: &TraceContext);
}

/// The trace that a message belongs to, as W3C's `traceparent` and `tracestate`.
///
/// ```
/// # use event_bus_core::TraceContext;
/// let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context = TraceContext::new(traceparent).expect("it is by the rules");
/// assert_eq!(context.with_tracestate("vendor=1").tracestate(), Some("vendor=1"));
/// assert!(TraceContext::new("00-0af7651916cd43dd").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    traceparent: String,
    tracestate: Option<String>,
}

impl TraceContext {
    /// The context in the header `traceparent`; `None` if that is none by the rules.
    #[must_use]
    pub fn new(traceparent: impl Into<String>) -> Option<Self> {
        let traceparent = traceparent.into();
        is_traceparent(&traceparent).then_some(Self { traceparent, tracestate: None })
    }

    /// With what vendors add to it. Nothing is added if that is empty, longer than 512 bytes, or no printable ASCII.
    #[must_use]
    pub fn with_tracestate(mut self, tracestate: impl Into<String>) -> Self {
        self.tracestate = Some(tracestate.into()).filter(|tracestate| is_tracestate(tracestate));
        self
    }

    /// The header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The header `tracestate`, if there is one.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// What travels in `headers`, if it is by the rules.
    pub(crate) fn read(headers: &Headers) -> Option<Self> {
        let context = Self::new(headers.get(TRACEPARENT)?)?;
        Some(match headers.get(TRACESTATE) {
            Some(tracestate) => context.with_tracestate(tracestate),
            None => context,
        })
    }

    pub(crate) fn write(self, headers: &mut Headers) {
        headers.insert(TRACEPARENT, self.traceparent);
        if let Some(tracestate) = self.tracestate {
            headers.insert(TRACESTATE, tracestate);
        }
    }
}

fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_nothing = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = text.splitn(LENGTHS.len() + 1, '-');
    let [version, trace, parent, flags] = [(); LENGTHS.len()].map(|()| parts.next().unwrap_or_default());
    let is_whole = [version, trace, parent, flags]
        .iter()
        .zip(LENGTHS)
        .all(|(part, length)| part.len() == length && is_hex(part));
    // A later version may have more behind it.
    let ends_well =
        text.len() == LENGTH || (version != "00" && text.len() <= LONGEST_TRACESTATE && is_printable(text));
    is_whole && ends_well && version != "ff" && !is_nothing(trace) && !is_nothing(parent)
}

fn is_tracestate(text: &str) -> bool {
    (1..=LONGEST_TRACESTATE).contains(&text.len()) && is_printable(text)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_written_is_read() {
        for context in [
            TraceContext::new(PARENT).unwrap(),
            TraceContext::new(PARENT).unwrap().with_tracestate("a=1,b@c=x"),
            TraceContext::new(format!("{}-more", PARENT.replacen("00", "cc", 1))).unwrap(),
        ] {
            let mut headers = Headers::default();
            context.clone().write(&mut headers);
            assert_eq!(TraceContext::read(&headers), Some(context));
        }
    }

    #[test]
    fn what_breaks_the_rules_is_no_context() {
        for traceparent in [
            "",
            "-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01é",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-a\r\nb: c",
        ] {
            assert_eq!(TraceContext::new(traceparent), None, "{traceparent}");
        }
        let context = TraceContext::new(PARENT).unwrap();
        for tracestate in ["", "line\nfeed", "é", &"x".repeat(513)] {
            assert_eq!(context.clone().with_tracestate(tracestate).tracestate(), None, "{tracestate:?}");
        }
    }

    #[test]
    fn without_its_parent_a_state_says_nothing() {
        let mut headers = Headers::default();
        headers.insert(TRACESTATE, "a=1");
        assert_eq!(TraceContext::read(&headers), None);
    }
}

//! The one error of the library: opaque, with a kind to branch on.
//! Its text is our own sentence; what a dependency said stands behind `source()` only.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;

use crate::channel::Channel;
use crate::key_error::KeyError;
use crate::receipt::Receipt;

/// Shorthand for results with our [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on the bus failed.
///
/// Branch on [`kind`](Self::kind); the text is for people and may change.
///
/// # Examples
/// ```
/// # use event_bus_core::{EventBus, MemoryTransport};
/// # #[derive(serde::Serialize, serde::Deserialize, EventBus)]
/// # #[bus(name = "pings", channel(all = "all"))]
/// # struct Ping { n: u64 }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), event_bus_core::Error> {
/// use event_bus_core::ErrorKind;
///
/// let memory = MemoryTransport::new();
/// let bus = PingBus::new(memory.clone());
/// memory.fail_next(1, ErrorKind::NotSent);
/// match bus.publish(&Ping { n: 1 }).await {
///     Ok(receipts) => println!("taken on {}", receipts[0].channel),
///     Err(error) if error.is_retryable() => println!("surely not published: {error}"),
///     Err(error) if error.outcome_unknown() => println!("once more may be twice: {error}"),
///     Err(error) => match error.kind() {
///         ErrorKind::Denied => println!("grant a right: {error}"),
///         ErrorKind::Partial => println!("some channels have it: {:?}", error.outcomes()),
///         _ => return Err(error),
///     },
/// }
/// # Ok(()) }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    channel: Option<Channel>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    too_large: Option<TooLarge>,
    outcomes: Vec<Result<Receipt>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A bus name, key, pattern or channel parameter breaks the rules for its text. Nothing was sent.
    InvalidKey,
    /// A setting can't be right; found before anything was done.
    InvalidConfig,
    /// The codec could not encode the event. Nothing was sent.
    Encode,
    /// The message is over the size limit; [`Error::too_large`] tells the sizes and whether the marker
    /// was sent in its place.
    TooLarge,
    /// The server can't be reached, or does not answer.
    NotConnected,
    /// The server surely did not execute the publish: sending it again can't double it.
    NotSent,
    /// The server executed nothing and said why.
    Refused,
    /// The server does not let this user in, or not on this channel.
    Denied,
    /// The publish was handed to the connection and no answer came: it may or may not have happened.
    /// Sending it again may double it.
    OutcomeUnknown,
    /// Of several channels, some got the event and others surely not, or for different reasons: [`Error::outcomes`] tells of
    /// each. Of one channel, those who listen with one kind of pub/sub got it and those of the other surely not: there
    /// are no outcomes then, and the text says which.
    Partial,
    /// The server did not confirm the subscription in time.
    NotSubscribed,
    /// While waiting for an event, something was missed that may have been it.
    Missed,
    /// Nothing came within the time that a blocking read was given. Nothing is lost by it.
    TimedOut,
    /// A blocking call can't be made here: in async code, where it would stall other tasks, or while the thread ends;
    /// or there is no runtime for it. Nothing was done.
    CannotBlock,
    /// An [outbox](crate::Outbox) holds as much as it may: the event was not accepted, or was dropped to make room.
    QueueFull,
    /// This transport can't do that.
    Unsupported,
    /// The bus or its transport has been closed.
    Closed,
}

impl ErrorKind {
    /// Those with which an event can fail to be published.
    pub(crate) const OF_PUBLISHING: [Self; 12] = [
        Self::InvalidKey,
        Self::Encode,
        Self::TooLarge,
        Self::NotConnected,
        Self::NotSent,
        Self::Refused,
        Self::Denied,
        Self::OutcomeUnknown,
        Self::Partial,
        Self::QueueFull,
        Self::Unsupported,
        Self::Closed,
    ];

    /// What it is called in spans and metrics, as `error.type`.
    pub(crate) fn error_type(self) -> &'static str {
        match self {
            Self::InvalidKey => "invalid_key",
            Self::InvalidConfig => "invalid_config",
            Self::Encode => "encode",
            Self::TooLarge => "too_large",
            Self::NotConnected => "not_connected",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Partial => "partial",
            Self::NotSubscribed => "not_subscribed",
            Self::Missed => "missed",
            Self::TimedOut => "timed_out",
            Self::CannotBlock => "cannot_block",
            Self::QueueFull => "queue_full",
            Self::Unsupported => "unsupported",
            Self::Closed => "closed",
        }
    }
}

/// The sizes of a message over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// The whole message, in bytes.
    pub original_size_bytes: u64,
    /// The limit, in bytes.
    pub max_size_bytes: u64,
    /// Whether the marker that tells listeners of it was published: `None` if that is unknown.
    pub marker_sent: Option<bool>,
}

impl TooLarge {
    pub(crate) fn new(original_size_bytes: u64, max_size_bytes: u64, marker_sent: Option<bool>) -> Self {
        Self { original_size_bytes, max_size_bytes, marker_sent }
    }
}

impl Error {
    /// An error of `kind` that says `message`: lower case, no full stop, no secret. For transports.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            channel: None,
            source: None,
            too_large: None,
            outcomes: Vec::new(),
        }))
    }

    /// The error below this one. It must not hold a secret either.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The channel that this error is about.
    #[must_use]
    pub fn with_channel(mut self, channel: Channel) -> Self {
        self.0.channel = Some(channel);
        self
    }

    pub(crate) fn with_too_large(mut self, too_large: TooLarge) -> Self {
        self.0.too_large = Some(too_large);
        self
    }

    /// A transport gave fewer results than it was given messages.
    pub(crate) fn no_outcome() -> Self {
        Self::new(ErrorKind::OutcomeUnknown, "the transport reported no outcome")
    }

    /// One error for a publish to several channels of which at least one failed.
    pub(crate) fn of_outcomes(outcomes: Vec<Result<Receipt>>) -> Self {
        let total = outcomes.len();
        let failures: Vec<&Self> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        let unknown = failures.iter().find(|error| error.outcome_unknown());
        let Some(gravest) = unknown.or(failures.first()).copied() else {
            return Self::no_outcome();
        };
        let kind = if unknown.is_some() {
            ErrorKind::OutcomeUnknown
        } else if failures.len() == total && failures.iter().all(|error| error.kind() == gravest.kind()) {
            gravest.kind()
        } else {
            ErrorKind::Partial
        };
        let message = if failures.len() == total {
            format!("it failed on all {total} channels; on one of them: {gravest}")
        } else {
            format!("it failed on {} of {total} channels; on one of them: {gravest}", failures.len())
        };
        let too_large = gravest.0.too_large;
        let mut error = Self::new(kind, message);
        error.0.too_large = too_large;
        error.0.outcomes = outcomes;
        error
    }

    /// What to branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The channel that this error is about, if it is about one.
    #[must_use]
    pub fn channel(&self) -> Option<&Channel> {
        self.0.channel.as_ref()
    }

    /// The sizes, if the message was over the limit.
    #[must_use]
    pub fn too_large(&self) -> Option<TooLarge> {
        self.0.too_large
    }

    /// What happened on each channel of a publish that failed on some, in the order of the channels;
    /// empty for errors about a single channel or none.
    pub fn outcomes(&self) -> &[Result<Receipt>] {
        &self.0.outcomes
    }

    /// Whether the same call may succeed later and can't double anything: nothing was executed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.0.outcomes.as_slice() {
            [] => {
                use ErrorKind::{NotConnected, NotSent, NotSubscribed, QueueFull, TimedOut};
                matches!(self.0.kind, NotConnected | NotSent | NotSubscribed | QueueFull | TimedOut)
            }
            outcomes => outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(Self::is_retryable)),
        }
    }

    /// Whether somebody may have got the message although this error was returned: then its number is taken, and what was before
    /// it comes too late.
    pub(crate) fn may_have_gone_out(&self) -> bool {
        self.0.kind == ErrorKind::Partial || self.outcome_unknown()
    }

    /// Whether the server may have executed the publish although this error was returned.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        self.0.kind == ErrorKind::OutcomeUnknown
            || self.0.outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(Self::outcome_unknown))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, channel, source, too_large, outcomes } = &*self.0;
        let mut debug = f.debug_struct("Error");
        debug.field("kind", kind).field("message", message);
        if let Some(channel) = channel {
            debug.field("channel", channel);
        }
        if let Some(too_large) = too_large {
            debug.field("too_large", too_large);
        }
        if !outcomes.is_empty() {
            debug.field("outcomes", outcomes);
        }
        if let Some(source) = source {
            debug.field("source", &format_args!("{source}"));
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::new(ErrorKind::InvalidKey, error.to_string())
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(name: &str) -> Receipt {
        Receipt::new(Channel::from_full_name(name), Some(1))
    }

    #[test]
    fn several_outcomes_take_the_gravest_kind_and_keep_each() {
        let error = Error::of_outcomes(vec![
            Ok(receipt("b/1")),
            Err(Error::new(ErrorKind::NotSent, "no connection")),
            Err(Error::new(ErrorKind::OutcomeUnknown, "no answer")),
        ]);
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert!(error.outcome_unknown());
        assert!(!error.is_retryable(), "one channel already has it");
        assert_eq!(error.outcomes().len(), 3);
        assert_eq!(error.to_string(), "it failed on 2 of 3 channels; on one of them: no answer");
    }

    #[test]
    fn channels_that_got_it_and_others_that_did_not_are_a_kind_of_their_own() {
        let denied = || Err(Error::new(ErrorKind::Denied, "no"));
        let not_sent = || Err(Error::new(ErrorKind::NotSent, "no connection"));
        let kind = |outcomes| Error::of_outcomes(outcomes).kind();
        assert_eq!(kind(vec![Ok(receipt("b/1")), denied()]), ErrorKind::Partial);
        assert_eq!(kind(vec![denied(), not_sent()]), ErrorKind::Partial);
        assert_eq!(kind(vec![denied(), denied()]), ErrorKind::Denied);
    }

    #[test]
    fn only_what_surely_did_not_run_is_retryable() {
        let not_sent = || Error::new(ErrorKind::NotSent, "no connection");
        assert!(not_sent().is_retryable());
        assert!(Error::of_outcomes(vec![Err(not_sent()), Err(not_sent())]).is_retryable());
        assert!(!Error::of_outcomes(vec![Ok(receipt("b/1")), Err(not_sent())]).is_retryable());
        assert!(!Error::new(ErrorKind::OutcomeUnknown, "no answer").is_retryable());
    }

    #[test]
    fn the_text_never_repeats_the_source() {
        let error = Error::new(ErrorKind::NotSent, "no connection").with_source("refused by peer");
        assert_eq!(error.to_string(), "no connection");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("refused by peer"));
    }
}

//! Publishing with one kind of pub/sub or both, and what became of an event then: one outcome out of two.

use event_bus_core::{Error, ErrorKind, Message, Receipt, Result};

use crate::batch::{Command, again};
use crate::config::Publishing;

type Results = Vec<Result<Receipt>>;

/// Each message with the commands that `publishing` asks for, by way of `publish_with`.
pub(crate) async fn publish<F>(
    publishing: Publishing,
    messages: Vec<Message>,
    publish_with: impl Fn(Command, Vec<Message>) -> F,
) -> Results
where
    F: Future<Output = Results>,
{
    match Command::of_all(publishing) {
        Some(command) => publish_with(command, messages).await,
        // In a box: every publish allocates its future, which has room for all ways.
        None => Box::pin(publish_with_both(messages, publish_with)).await,
    }
}

async fn publish_with_both<F>(
    messages: Vec<Message>,
    publish_with: impl Fn(Command, Vec<Message>) -> F,
) -> Results
where
    F: Future<Output = Results>,
{
    let classic = publish_with(Command::Publish, messages.iter().map(again).collect());
    let (classic, sharded) = tokio::join!(classic, publish_with(Command::ShardPublish, messages));
    classic.into_iter().zip(sharded).map(|(classic, sharded)| merge(classic, sharded)).collect()
}

/// Listeners of one kind may have an event while those of the other don't. Then nobody can say that it was not sent, or
/// send it again without doubling it.
fn merge(classic: Result<Receipt>, sharded: Result<Receipt>) -> Result<Receipt> {
    match (classic, sharded) {
        (Ok(classic), Ok(sharded)) => {
            let receivers = classic.receivers.zip(sharded.receivers);
            Ok(Receipt::new(classic.channel, receivers.map(|(classic, sharded)| classic + sharded)))
        }
        (Ok(receipt), Err(error)) => Err(half_published(receipt, "PUBLISH", "SPUBLISH", &error)),
        (Err(error), Ok(receipt)) => Err(half_published(receipt, "SPUBLISH", "PUBLISH", &error)),
        (Err(classic), Err(sharded)) => Err(if sharded.outcome_unknown() { sharded } else { classic }),
    }
}

fn half_published(receipt: Receipt, done: &str, failed: &str, error: &Error) -> Error {
    let kind = if error.outcome_unknown() { ErrorKind::OutcomeUnknown } else { ErrorKind::Partial };
    let text = format!("the event for {} went out with {done}, and {failed} failed", receipt.channel);
    Error::new(kind, text).with_source(error.to_string()).with_channel(receipt.channel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use event_bus_core::Channel;

    fn receipt(receivers: u64) -> Receipt {
        Receipt::new(Channel::from_full_name("b/1"), Some(receivers))
    }

    fn failed(kind: ErrorKind) -> Result<Receipt> {
        Err(Error::new(kind, "no"))
    }

    #[test]
    fn an_event_that_one_kind_has_is_never_told_as_not_sent() {
        assert_eq!(merge(Ok(receipt(1)), Ok(receipt(2))).unwrap().receivers, Some(3));
        let kind = |classic, sharded| merge(classic, sharded).unwrap_err().kind();
        assert_eq!(kind(Ok(receipt(0)), failed(ErrorKind::NotSent)), ErrorKind::Partial);
        assert_eq!(kind(failed(ErrorKind::Denied), Ok(receipt(0))), ErrorKind::Partial);
        assert_eq!(kind(failed(ErrorKind::OutcomeUnknown), Ok(receipt(0))), ErrorKind::OutcomeUnknown);
        assert_eq!(
            kind(failed(ErrorKind::NotSent), failed(ErrorKind::OutcomeUnknown)),
            ErrorKind::OutcomeUnknown
        );
        assert_eq!(kind(failed(ErrorKind::NotSent), failed(ErrorKind::NotSent)), ErrorKind::NotSent);
    }
}

//! The stream to one browser. It takes as much as the browser takes; what it falls behind by is passed over and told, and
//! nobody else waits.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::board::Board;
use crate::frames::{Frame, Hello, Missed};
use crate::runs::Wanted;

/// What one browser is told from now on; `None` once there is nothing more to tell. `last_id` is the last message that it saw
/// on an earlier connection.
pub(crate) fn to_browser(
    board: Board,
    wanted: Wanted,
    last_id: Option<&str>,
) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
    let (messages, seq) = board.join()?;
    let missed = last_id.and_then(|id| seen(id, board.epoch())).map(|seen| seq.saturating_sub(seen));
    let hello = Frame::new("hello", board.epoch(), seq, &Hello { seq, epoch: board.epoch(), missed });
    let first = Bytes::from([b"retry: 1000\n", &*hello.bytes].concat());
    let browser = Browser { board, wanted, messages, seq, first: Some(first) };
    Some(stream::unfold(browser, async |mut browser| browser.next().await.map(|bytes| (Ok(bytes), browser))))
}

/// The number in an id of ours.
fn seen(id: &str, epoch: &str) -> Option<u64> {
    id.strip_prefix(epoch)?.strip_prefix('.')?.parse().ok()
}

struct Browser {
    board: Board,
    wanted: Wanted,
    messages: Receiver<Arc<Frame>>,
    /// The last message that it was told of, or that was not for it.
    seq: u64,
    first: Option<Bytes>,
}

impl Browser {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            match self.messages.recv().await {
                Ok(message) => {
                    self.seq = message.seq;
                    if message.is_for(&self.wanted) {
                        return Some(message.bytes.clone());
                    }
                }
                Err(RecvError::Lagged(_)) => return self.pass_over(),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Goes on with the newest: the page fetches the state anyway, and what waits is in it already.
    fn pass_over(&mut self) -> Option<Bytes> {
        let (messages, seq) = self.board.join()?;
        let missed = Missed { seq, missed: seq.saturating_sub(self.seq) };
        (self.messages, self.seq) = (messages, seq);
        Some(Frame::new("missed", self.board.epoch(), seq, &missed).bytes)
    }
}

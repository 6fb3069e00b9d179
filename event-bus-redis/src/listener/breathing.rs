//! Turns of reading. Redis-rs reads all there is before it writes, and under a flood there always is more: pings and subscriptions
//! would wait until it ends, and so would listeners on the same thread, until their queues are full. So reading pauses for
//! breath here; and who takes what is read is told of each pause.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::task::yield_now;

/// With those of one more read, about a third of what tokio lets a listener read at a time: who needs no more than two steps for
/// each keeps up. One who has used up its steps has to wait until nobody else on its thread has anything to do.
const MESSAGES_IN_ONE_BREATH: usize = 32;

/// In bytes, once there is a message among them: what listeners then read is still in the processor's nearest cache.
const BYTES_IN_ONE_BREATH: usize = 32 * 1024;

/// Far fewer than the socket operations that tokio grants a task at a time, so that one is left to write with.
const READS_IN_ONE_BREATH: usize = 32;

/// How much redis-rs is given at a time, in bytes: more of large messages than of small ones, since it takes all that are in it
/// before it can be told to pause; and most of one that is larger than that, behind which there is still room in a queue for as
/// many small ones.
const LEAST_READ: usize = 1024;
const MOST_READ: usize = 8 * 1024;
const MOST_READ_OF_ONE: usize = 32 * 1024;

/// So few in one read, and twice as many are still less than a breath; so many, and a few reads are one.
const FEW_MESSAGES: usize = 8;
const MANY_MESSAGES: usize = 16;

/// A connected socket, or whatever stands in for one.
pub(super) struct Breathing<S> {
    socket: S,
    reads: usize,
    bytes: usize,
    messages: Messages,
    last_read: Option<LastRead>,
    /// How much is read next, in bytes.
    next_read: usize,
    /// Called before whoever reads has to wait: all that was read has been taken by then.
    on_pause: OnPause,
    has_one_thread: bool,
    is_next_to_wait: bool,
}

#[derive(Clone, Copy)]
struct LastRead {
    /// How many messages there had been in this breath.
    messages_before: usize,
    /// Whether it got as much as it may.
    is_full: bool,
}

type OnPause = Box<dyn Fn() + Send>;

/// How many messages have been read in this breath: told by whoever takes them, on the task that reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages(Arc<AtomicUsize>);

impl Messages {
    pub(super) fn add_one(&self) {
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<S: AsyncBufRead + Unpin> AsyncRead for Breathing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let messages_before = self.messages.count();
        self.adapt_to(messages_before);
        if self.is_out_of_breath(messages_before) {
            self.begin_breath();
            self.give_way(cx);
            (self.on_pause)();
            return Poll::Pending;
        }
        let most = self.next_read.min(buffer.remaining());
        let read = Pin::new(&mut self.socket).poll_fill_buf(cx).map_ok(|there| {
            let read = &there[..there.len().min(most)];
            buffer.put_slice(read);
            read.len()
        });
        match read {
            Poll::Pending => {
                self.begin_breath();
                self.next_read = LEAST_READ; // what comes next may be of another kind
            }
            Poll::Ready(Ok(read)) => {
                self.reads += 1;
                self.bytes += read;
                self.last_read = Some(LastRead { messages_before, is_full: read == most });
            }
            Poll::Ready(Err(_)) => {}
        }
        self.told(read).map_ok(|read| Pin::new(&mut self.socket).consume(read))
    }
}

impl<S> Breathing<S> {
    pub(super) fn new(socket: S, messages: Messages, on_pause: impl Fn() + Send + 'static) -> Self {
        Self {
            socket,
            reads: 0,
            bytes: 0,
            messages,
            last_read: None,
            next_read: LEAST_READ,
            on_pause: Box::new(on_pause),
            has_one_thread: Handle::current().metrics().num_workers() == 1,
            is_next_to_wait: true,
        }
    }

    fn is_out_of_breath(&self, messages: usize) -> bool {
        messages >= MESSAGES_IN_ONE_BREATH
            || self.reads >= READS_IN_ONE_BREATH
            || (messages > 0 && self.bytes >= BYTES_IN_ONE_BREATH)
    }

    /// To how many messages the last read brought, now that there are so many.
    fn adapt_to(&mut self, messages: usize) {
        let Some(LastRead { messages_before, is_full }) = self.last_read.take() else { return };
        self.next_read = match messages.saturating_sub(messages_before) {
            MANY_MESSAGES.. => LEAST_READ,
            0 if is_full => (2 * self.next_read).min(MOST_READ_OF_ONE),
            ..FEW_MESSAGES if is_full => (2 * self.next_read).min(MOST_READ),
            _ => self.next_read,
        };
    }

    fn begin_breath(&mut self) {
        (self.reads, self.bytes) = (0, 0);
        self.messages.reset();
    }

    /// Goes on when others have had their turn. Who has used up its steps waits until its thread has nothing else to do, or has done
    /// 61 other things: so does this, or it would have all those turns. Where there are several threads it does so only every other
    /// time, since another one could take it over from a thread that is kept busy only when it does not.
    fn give_way(&mut self, cx: &mut Context<'_>) {
        if self.is_next_to_wait {
            let _is_pending = pin!(yield_now()).poll(cx);
        } else {
            cx.waker().wake_by_ref();
        }
        self.is_next_to_wait = self.has_one_thread || !self.is_next_to_wait;
    }

    fn told<T>(&self, outcome: Poll<T>) -> Poll<T> {
        if outcome.is_pending() {
            (self.on_pause)();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Breathing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.told(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        self.told(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.told(shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, BufReader};
    use tokio::runtime::Builder;
    use tokio::task::coop::{consume_budget, poll_proceed};

    /// Has always more to read, and takes a share of the task's budget for everything, as tokio's sockets do.
    struct Endless;

    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            std::task::ready!(poll_proceed(cx)).made_progress();
            buffer.put_slice(b"more");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Endless {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            std::task::ready!(poll_proceed(cx)).made_progress();
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Whether one turn of a task that reads all there is, as redis-rs does, can write afterwards.
    async fn writes(mut socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> bool {
        let turn = poll_fn(move |cx| {
            let mut buffer = [0; 8];
            while Pin::new(&mut socket).poll_read(cx, &mut ReadBuf::new(&mut buffer)).is_ready() {}
            Poll::Ready(Pin::new(&mut socket).poll_write(cx, b"PING").is_ready())
        });
        #[expect(clippy::disallowed_methods, reason = "awaited here")]
        tokio::spawn(turn).await.unwrap()
    }

    #[tokio::test]
    async fn a_breath_ends_with_enough_messages_and_the_next_begins_at_once() {
        let messages = Messages::default();
        let mut socket = Breathing::new(BufReader::new(Endless), messages.clone(), || {});
        let mut breaths = Vec::new();
        for _ in 0..3 {
            let mut reads = 0;
            poll_fn(|cx| {
                let mut buffer = [0; 8];
                let read = Pin::new(&mut socket).poll_read(cx, &mut ReadBuf::new(&mut buffer));
                if read.is_ready() {
                    reads += 1;
                    (0..MESSAGES_IN_ONE_BREATH / 2).for_each(|_| messages.add_one());
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            breaths.push(reads);
        }
        assert_eq!(breaths, [2, 2, 2]);
    }

    #[tokio::test]
    async fn large_messages_are_read_in_large_pieces_and_small_ones_in_small_pieces() {
        let messages = Messages::default();
        let waiting = vec![0; 256 * 1024];
        let mut socket = Breathing::new(&waiting[..], messages.clone(), || {});
        let mut buffer = vec![0; 2 * MOST_READ_OF_ONE];
        let mut read = async |brings: usize| {
            let read = socket.read(&mut buffer).await.unwrap();
            (0..brings).for_each(|_| messages.add_one());
            read
        };
        let mut sizes = Vec::new();
        for brings in [0, 0, 0, 0, 0, 0, 1, FEW_MESSAGES, MANY_MESSAGES, MANY_MESSAGES, 0, FEW_MESSAGES, 0] {
            sizes.push(read(brings).await / LEAST_READ);
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 32, 8, 8, 1, 1, 2, 2]);
    }

    #[test]
    fn what_is_read_is_whole_on_one_thread_and_on_several() {
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(300 * 1024 + 7).collect();
        let one_thread = Builder::new_current_thread().build().unwrap();
        let workers = |count| Builder::new_multi_thread().worker_threads(count).build().unwrap();
        for runtime in [one_thread, workers(1), workers(2)] {
            let sent = sent.clone();
            let reading = async move {
                let (messages, mut read) = (Messages::default(), Vec::new());
                let mut socket = Breathing::new(&sent[..], messages.clone(), move || messages.add_one());
                socket.read_to_end(&mut read).await.unwrap();
                assert!(read == sent);
            };
            #[expect(clippy::disallowed_methods, reason = "awaited here")]
            runtime.block_on(async { tokio::spawn(reading).await.unwrap() });
        }
    }

    #[tokio::test]
    async fn who_has_used_up_its_steps_has_a_turn_for_each_breath() {
        const TURNS: usize = 100;
        const STEPS_OF_A_TURN: usize = 128;
        let mut socket = Breathing::new(BufReader::new(Endless), Messages::default(), || {});
        let breaths = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&breaths);
        let breathing = poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut buffer = [0; 8];
            while Pin::new(&mut socket).poll_read(cx, &mut ReadBuf::new(&mut buffer)).is_ready() {}
            Poll::<()>::Pending
        });
        #[expect(clippy::disallowed_methods, reason = "aborted here")]
        let breathing = tokio::spawn(breathing);
        for _ in 0..TURNS * STEPS_OF_A_TURN {
            consume_budget().await;
        }
        breathing.abort();
        let breaths = breaths.load(Ordering::Relaxed);
        assert!((TURNS / 2..=TURNS + 2).contains(&breaths), "{breaths} breaths");
    }

    #[tokio::test]
    async fn what_always_has_more_to_read_leaves_room_to_write() {
        assert!(!writes(Endless).await, "what this is for");
        let socket = BufReader::new(Endless);
        let pauses = Arc::new(AtomicUsize::new(0));
        let on_pause = {
            let pauses = Arc::clone(&pauses);
            move || {
                pauses.fetch_add(1, Ordering::Relaxed);
            }
        };
        assert!(writes(Breathing::new(socket, Messages::default(), on_pause)).await);
        assert_eq!(pauses.load(Ordering::Relaxed), 1, "who takes what is read is told that it pauses");
    }
}

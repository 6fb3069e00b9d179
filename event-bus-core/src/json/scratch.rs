//! A buffer of each thread's to encode into: a message is then allocated once and as long as it is, however it grew.

use std::cell::Cell;

use bytes::Bytes;

/// A thread keeps no more than this, in bytes, whatever it has encoded once.
const MOST_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What `encode` writes into an empty buffer. An event that encodes another one in the midst of it gets a new one.
pub(super) fn message<E>(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<Bytes, E> {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default(); // a thread that ends has none any more
    buffer.clear();
    let encoded = encode(&mut buffer);
    if buffer.capacity() > MOST_KEPT {
        buffer.shrink_to_fit();
        return encoded.map(|()| buffer.into()); // a copy of much costs more than a new buffer
    }
    let message = encoded.map(|()| Bytes::copy_from_slice(&buffer));
    let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infallible(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let message = message(|buffer| {
            write(buffer);
            Ok::<_, std::convert::Infallible>(())
        });
        message.unwrap()
    }

    #[test]
    fn a_buffer_is_used_again_unless_it_became_too_large() {
        let mut place = std::ptr::null();
        let message = infallible(|buffer| {
            buffer.extend_from_slice(&[1; 1_000]);
            infallible(|inner| assert!(inner.capacity() == 0, "one that is in use is not lent twice"));
            place = buffer.as_ptr();
        });
        assert_eq!(message, [1; 1_000][..]);
        let is_the_same = |buffer: &mut Vec<u8>| {
            assert!(buffer.is_empty() && buffer.capacity() >= 1_000 && buffer.as_ptr() == place);
        };
        infallible(is_the_same);
        let large = infallible(|buffer| buffer.resize(MOST_KEPT + 1, 7));
        assert_eq!((large.len(), large[MOST_KEPT]), (MOST_KEPT + 1, 7));
        infallible(|buffer| assert_eq!(buffer.capacity(), 0));
    }

    #[test]
    fn what_fails_is_no_message_and_leaves_nothing_behind() {
        for length in [10, MOST_KEPT + 1] {
            let failed = message(|buffer| {
                buffer.resize(length, 1);
                Err("it can't be written")
            });
            assert!(failed.is_err());
            assert_eq!(infallible(|buffer| buffer.push(2)), [2][..]);
        }
    }
}

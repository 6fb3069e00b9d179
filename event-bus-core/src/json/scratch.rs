//! A buffer of each thread's to encode into: a message is then allocated once and as long as it is, however it grew.

use std::cell::Cell;

/// A thread keeps no more than this, in bytes, whatever it has encoded once.
const MOST_KEPT: usize = 64 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Gives `encode` an empty buffer. An event that encodes another one in the midst of it gets a new one.
pub(super) fn with<R>(encode: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default(); // a thread that ends has none any more
    buffer.clear();
    let result = encode(&mut buffer);
    if buffer.capacity() <= MOST_KEPT {
        let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_unless_it_became_too_large() {
        let place = with(|buffer| {
            buffer.extend_from_slice(&[1; 1_000]);
            assert!(with(|inner| inner.capacity()) == 0, "one that is in use is not lent twice");
            buffer.as_ptr()
        });
        assert!(with(|buffer| buffer.is_empty() && buffer.capacity() >= 1_000 && buffer.as_ptr() == place));
        with(|buffer| buffer.resize(MOST_KEPT + 1, 0));
        assert_eq!(with(|buffer| buffer.capacity()), 0);
    }
}

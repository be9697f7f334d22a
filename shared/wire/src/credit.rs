//! How many bytes may be under way on one channel in one direction.
//!
//! The sender holds a [`Window`], the receiver the matching [`Receipts`]. Both begin with the
//! same number of bytes. A frame may be sent while anything is left, so what is under way is
//! bounded by the window and one frame; what was consumed is granted again in large steps.

use crate::{WireError, frame::MAX_PAYLOAD};

/// Bytes of bulk frames that may be under way on a channel out of the container.
pub const WINDOW_OUT: u32 = 4 << 20;

/// Bytes of bulk frames that may be under way on a channel into the container.
pub const WINDOW_IN: u32 = 2 << 20;

/// The sender's side: what it may still send.
#[derive(Clone, Debug)]
pub struct Window {
    left: i64,
    size: i64,
}

impl Window {
    /// A window of so many bytes, all of them free.
    pub fn new(size: u32) -> Self {
        Self { left: i64::from(size), size: i64::from(size) }
    }

    /// Whether one more frame may be sent, however long.
    pub fn may_send(&self) -> bool {
        self.left > 0
    }

    /// Counts a frame's payload as sent.
    pub fn sent(&mut self, bytes: usize) {
        self.left -= bytes as i64;
    }

    /// Counts bytes that the receiver has consumed.
    ///
    /// # Errors
    ///
    /// [`WireError::Credit`] when more is granted than was sent.
    pub fn granted(&mut self, bytes: u32) -> Result<(), WireError> {
        let left = self.left + i64::from(bytes);
        if left > self.size {
            return Err(WireError::Credit);
        }
        self.left = left;
        Ok(())
    }
}

/// The receiver's side: what has arrived, and what was consumed but not granted again.
#[derive(Clone, Debug)]
pub struct Receipts {
    size: u32,
    under_way: u64,
    consumed: u32,
}

impl Receipts {
    /// The receiver's side of a window of so many bytes.
    pub fn new(size: u32) -> Self {
        Self { size, under_way: 0, consumed: 0 }
    }

    /// Counts a frame's payload as arrived.
    ///
    /// # Errors
    ///
    /// [`WireError::Credit`] when the sender has gone beyond its window.
    pub fn arrived(&mut self, bytes: usize) -> Result<(), WireError> {
        self.under_way += bytes as u64;
        if self.under_way >= u64::from(self.size) + MAX_PAYLOAD as u64 {
            return Err(WireError::Credit);
        }
        Ok(())
    }

    /// Counts a frame's payload as consumed; gives the bytes to grant when they are worth a
    /// frame, which is a quarter of the window.
    pub fn consumed(&mut self, bytes: usize) -> Option<u32> {
        self.consumed += u32::try_from(bytes).unwrap_or(u32::MAX);
        if self.consumed < self.size / 4 {
            return None;
        }
        self.under_way = self.under_way.saturating_sub(u64::from(self.consumed));
        Some(std::mem::take(&mut self.consumed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_that_keeps_to_its_window_is_never_refused_and_never_starves() {
        let (mut window, mut receipts) = (Window::new(1000), Receipts::new(1000));
        for round in 0..1000_usize {
            assert!(window.may_send());
            let bytes = 1 + round % 700;
            window.sent(bytes);
            receipts.arrived(bytes).unwrap();
            if let Some(grant) = receipts.consumed(bytes) {
                window.granted(grant).unwrap();
            }
        }
    }

    #[test]
    fn a_sender_that_ignores_its_window_is_found_out() {
        let mut receipts = Receipts::new(1000);
        receipts.arrived(MAX_PAYLOAD).unwrap();
        assert_eq!(receipts.arrived(1000), Err(WireError::Credit));
    }

    #[test]
    fn more_credit_than_was_used_is_refused() {
        let mut window = Window::new(1000);
        window.sent(10);
        assert_eq!(window.granted(11), Err(WireError::Credit));
        assert_eq!(window.granted(10), Ok(()));
    }
}

//! What all subscriptions of an engine may have in memory together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each subscription may have in any case, so that none stands still because others have much in hand.
const LEAST_SHARE: usize = 64 * 1024;

/// Bytes of records, shared evenly by the subscriptions that have any in hand.
#[derive(Debug)]
pub(crate) struct Budget {
    total: usize,
    busy: AtomicUsize,
}

/// One subscription's part in the budget.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    is_busy: bool,
}

impl Budget {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        let busy = AtomicUsize::new(0);
        Arc::new(Self { total, busy })
    }

    /// Returns how many bytes one subscription may have in hand now. It gets less as more become busy; what they have
    /// beyond that is not taken from them.
    pub(crate) fn share(&self) -> usize {
        (self.total / self.busy.load(Ordering::Relaxed).max(1)).max(LEAST_SHARE)
    }

    /// Makes a share for a subscription that has nothing in hand.
    pub(crate) fn take_part(self: &Arc<Self>) -> Share {
        Share {
            budget: Arc::clone(self),
            is_busy: false,
        }
    }
}

impl Share {
    /// Notes whether the subscription has anything in hand.
    pub(crate) fn set_busy(&mut self, is_busy: bool) {
        if self.is_busy != is_busy {
            self.is_busy = is_busy;
            if is_busy {
                self.budget.busy.fetch_add(1, Ordering::Relaxed);
            } else {
                self.budget.busy.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns how many bytes the subscription may have in hand now.
    pub(crate) fn bytes(&self) -> usize {
        self.budget.share()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set_busy(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_busy_share_evenly_and_nobody_gets_nothing() {
        let budget = Budget::new(1024 * 1024);
        let mut shares: Vec<Share> = (0..64).map(|_| budget.take_part()).collect();
        assert_eq!(budget.share(), 1024 * 1024);
        for share in &mut shares[..4] {
            share.set_busy(true);
            share.set_busy(true);
        }
        assert_eq!(shares[63].bytes(), 256 * 1024);
        shares.iter_mut().for_each(|share| share.set_busy(true));
        assert_eq!(budget.share(), LEAST_SHARE);
        drop(shares);
        assert_eq!(budget.share(), 1024 * 1024);
    }
}

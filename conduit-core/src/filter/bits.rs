//! Sets of leaves.

use std::fmt::Debug;

/// A set of numbers below [`Bits::CAPACITY`], on the stack.
pub(super) trait Bits: Copy + Default + PartialEq + Debug + Send + Sync + 'static {
    /// How many numbers there can be.
    const CAPACITY: usize;

    /// The set of this number alone; a number beyond the capacity is in no set.
    fn of(number: usize) -> Self;

    /// What is in either.
    #[must_use]
    fn or(self, other: Self) -> Self;

    /// What is in both.
    #[must_use]
    fn and(self, other: Self) -> Self;

    /// What is in this one only.
    #[must_use]
    fn without(self, other: Self) -> Self;

    /// How many are in it.
    fn count(self) -> u32;

    fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn meets(self, other: Self) -> bool {
        !self.and(other).is_empty()
    }

    fn has_all_of(self, other: Self) -> bool {
        other.without(self).is_empty()
    }
}

/// What nearly every pattern needs.
impl Bits for u64 {
    const CAPACITY: usize = 64;

    fn of(number: usize) -> Self {
        u32::try_from(number)
            .ok()
            .and_then(|number| 1_u64.checked_shl(number))
            .unwrap_or(0)
    }

    fn or(self, other: Self) -> Self {
        self | other
    }

    fn and(self, other: Self) -> Self {
        self & other
    }

    fn without(self, other: Self) -> Self {
        self & !other
    }

    fn count(self) -> u32 {
        self.count_ones()
    }
}

/// What the largest patterns need.
impl Bits for [u64; 4] {
    const CAPACITY: usize = 256;

    fn of(number: usize) -> Self {
        let mut set = [0; 4];
        if let Some(word) = set.get_mut(number / 64) {
            *word = u64::of(number % 64);
        }
        set
    }

    fn or(self, other: Self) -> Self {
        std::array::from_fn(|word| self[word] | other[word])
    }

    fn and(self, other: Self) -> Self {
        std::array::from_fn(|word| self[word] & other[word])
    }

    fn without(self, other: Self) -> Self {
        std::array::from_fn(|word| self[word] & !other[word])
    }

    fn count(self) -> u32 {
        self.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds_what_it_was_given<B: Bits>() {
        let mut all = B::default();
        for number in 0..B::CAPACITY {
            let one = B::of(number);
            assert_eq!(one.count(), 1);
            assert!(!all.meets(one));
            all = all.or(one);
            assert!(all.has_all_of(one));
        }
        assert_eq!(all.count() as usize, B::CAPACITY);
        assert!(B::of(B::CAPACITY).is_empty());
        assert!(all.without(all).is_empty());
    }

    #[test]
    fn a_set_holds_what_it_was_given() {
        holds_what_it_was_given::<u64>();
        holds_what_it_was_given::<[u64; 4]>();
    }
}

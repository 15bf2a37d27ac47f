//! Numbers of JSON texts, compared as numbers.

use std::fmt::{self, Write};
use std::io;

/// Significant digits that a 64-bit float keeps whatever they are.
const SAFE_DIGITS: u32 = 15;
/// The largest power of ten that a 64-bit float has exactly.
const SAFE_EXPONENT: i64 = 22;
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// The value of a JSON number that can be compared: one that is what its 64-bit float is written as, in the shortest
/// form that reads back the same. A number with more digits than that, or out of range, has no value here.
///
/// `text` is a number by the JSON grammar.
pub(super) fn comparable(text: &[u8]) -> Option<f64> {
    quick(text).or_else(|| exact(text))
}

/// The numbers that need no second look: few digits, and an exponent by which one multiplication or division is exact.
fn quick(text: &[u8]) -> Option<f64> {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (mut digits, mut count, mut exponent, mut is_fraction) = (0_u64, 0, 0_i64, false);
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                count += u32::from(digits != 0);
                if count > SAFE_DIGITS {
                    return None;
                }
                exponent -= i64::from(is_fraction);
            }
            b'.' => is_fraction = true,
            _ => {
                exponent = exponent.saturating_add(small_exponent(rest.as_slice()));
                break;
            }
        }
    }
    // At most 15 digits: a float has them all.
    #[allow(clippy::cast_precision_loss)]
    let digits = digits as f64;
    let power = *POWERS.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    if digits != 0.0 && exponent > SAFE_EXPONENT {
        return None;
    }
    let value = if exponent < 0 {
        digits / power
    } else {
        digits * power
    };
    Some(if is_negative { -value } else { value })
}

/// The exponent written after an `e`; anything that is too large to matter is only said to be large.
fn small_exponent(text: &[u8]) -> i64 {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let size = text.iter().fold(0_i64, |size, byte| {
        size.saturating_mul(10)
            .saturating_add(i64::from(byte.wrapping_sub(b'0')))
    });
    if is_negative { -size } else { size }
}

/// The rule itself: parses, writes, and compares what was written with `text`, digit by digit.
fn exact(text: &[u8]) -> Option<f64> {
    let Some(written) = Digits::of(text) else {
        return Some(0.0);
    };
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    if !value.is_finite() || value == 0.0 {
        return None;
    }
    let is_written = |shortest: &Shortest| {
        Digits::of(shortest.text()).is_some_and(|shortest| {
            written.exponent == shortest.exponent && written.digits().eq(shortest.digits())
        })
    };
    let (mut one, mut other) = (Shortest::default(), Shortest::default());
    write!(one, "{value:e}").ok()?;
    if is_written(&one) {
        return Some(value);
    }
    // Where two shortest forms are equally near, the writers of JSON may choose the other one.
    serde_json::to_writer(&mut other, &value).ok()?;
    is_written(&other).then_some(value)
}

/// The digits of a number from the first that is not zero to the last that is not zero.
struct Digits<'a> {
    digits: &'a [u8],
    /// The power of ten of the first digit.
    exponent: i64,
}

impl<'a> Digits<'a> {
    /// None for zero.
    fn of(text: &'a [u8]) -> Option<Self> {
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let end = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (digits, exponent) = match end {
            Some(end) => (text.get(..end)?, small_exponent(text.get(end + 1..)?)),
            None => (text, 0),
        };
        let point = digits
            .iter()
            .position(|&byte| byte == b'.')
            .unwrap_or(digits.len());
        let is_digit = |byte: &u8| (b'1'..=b'9').contains(byte);
        let (first, last) = (
            digits.iter().position(is_digit)?,
            digits.iter().rposition(is_digit)?,
        );
        let before_point = i64::try_from(point).ok()? - i64::try_from(first).ok()?;
        let own = if first < point {
            before_point - 1
        } else {
            before_point
        };
        Some(Self {
            digits: digits.get(first..=last)?,
            exponent: exponent.saturating_add(own),
        })
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.digits.iter().copied().filter(|&byte| byte != b'.')
    }
}

/// Room for the shortest form of a float.
#[derive(Default)]
struct Shortest {
    bytes: [u8; 32],
    length: usize,
}

impl Shortest {
    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Shortest {
    fn push(&mut self, text: &[u8]) -> Option<()> {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end)?;
        room.copy_from_slice(text);
        self.length = end;
        Some(())
    }
}

impl Write for Shortest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).ok_or(fmt::Error)
    }
}

impl io::Write for Shortest {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.push(text).ok_or(io::ErrorKind::WriteZero)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An end of a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) value: f64,
    pub(super) is_included: bool,
}

/// The numbers between two ends, of which either can be missing.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(super) struct NumberRange {
    pub(super) low: Option<Bound>,
    pub(super) high: Option<Bound>,
}

impl NumberRange {
    pub(super) fn has(&self, value: f64) -> bool {
        let is_above = |low: Bound| value > low.value || low.is_included && value == low.value;
        let is_below = |high: Bound| value < high.value || high.is_included && value == high.value;
        self.low.is_none_or(is_above) && self.high.is_none_or(is_below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_comparable_if_its_float_is_written_the_same() {
        for (text, value) in [
            ("300", 300.0),
            ("300.0", 300.0),
            ("3.0e2", 300.0),
            ("3E+2", 300.0),
            ("0.30", 0.3),
            ("-0", 0.0),
            ("0e999999999999999999999", 0.0),
            ("0.000e-7", 0.0),
            ("9007199254740992", 9_007_199_254_740_992.0),
            // Halfway between two shortest forms.
            ("-1439461653623433.2", -1_439_461_653_623_433.3),
            ("-1439461653623433.3", -1_439_461_653_623_433.3),
            ("9007199254740992.000", 9_007_199_254_740_992.0),
            ("1e300", 1e300),
            ("1000000000000000000000000", 1e24),
            ("0.1234567890123456", 0.123_456_789_012_345_6),
            ("1.7976931348623157e308", f64::MAX),
            ("0.00000000000000000000000000012", 1.2e-28),
            ("123.456e-1", 12.3456),
        ] {
            assert_eq!(comparable(text.as_bytes()), Some(value), "{text}");
        }
        for text in [
            "9007199254740993",
            "1e400",
            "-1e400",
            "1e-400",
            "1e99999999999999999999",
            "0.1234567890123456789",
            "12345678901234567890123",
            "1.00000000000000000001",
        ] {
            assert_eq!(comparable(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_range_has_its_ends_only_if_they_are_included() {
        let range = NumberRange {
            low: Some(Bound {
                value: 1.0,
                is_included: false,
            }),
            high: Some(Bound {
                value: 2.0,
                is_included: true,
            }),
        };
        assert_eq!(
            [0.5, 1.0, 1.5, 2.0, 2.5].map(|value| range.has(value)),
            [false, false, true, true, false]
        );
        assert!(NumberRange::default().has(f64::MIN));
    }

    proptest! {
        #[test]
        fn the_quick_way_says_what_the_exact_one_says(text in "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            if let Some(value) = quick(text.as_bytes()) {
                prop_assert_eq!(Some(value), exact(text.as_bytes()));
            }
        }

        #[test]
        fn every_float_as_it_is_written_is_comparable(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(comparable(text.as_bytes()), Some(value));
        }
    }
}

//! Numbers by value: `1`, `1.0` and Decimal128 `1.00` are the same key.

/// The largest coefficient of a Decimal128: 34 digits.
const MAX_COEFFICIENT: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
const EXPONENT_BIAS: i32 = 6176;

/// The value of a number, in the one form that its value has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Number {
    /// Not a number.
    Nan,
    /// Infinite, and whether it is negative.
    Infinite { negative: bool },
    /// `mantissa * 2^exponent`, with an odd mantissa, or zero.
    Binary {
        negative: bool,
        mantissa: u128,
        exponent: i32,
    },
    /// `coefficient * 10^exponent`, the coefficient not divisible by ten: has no such binary form.
    Decimal {
        negative: bool,
        coefficient: u128,
        exponent: i32,
    },
}

impl Number {
    pub(crate) fn of_integer(value: i64) -> Self {
        Self::binary(value < 0, u128::from(value.unsigned_abs()), 0)
    }

    pub(crate) fn of_double(value: f64) -> Self {
        if value.is_nan() {
            return Self::Nan;
        }
        let negative = value.is_sign_negative();
        if value.is_infinite() {
            return Self::Infinite { negative };
        }
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let biased = i32::try_from((bits >> 52) & 0x7FF).unwrap_or(0);
        if biased == 0 {
            return Self::binary(negative, u128::from(fraction), -1074);
        }
        Self::binary(negative, u128::from(fraction | (1 << 52)), biased - 1075)
    }

    /// Reads the binary integer decimal encoding of IEEE 754-2008.
    pub(crate) fn of_decimal128(bytes: [u8; 16]) -> Self {
        const COEFFICIENT_BITS: u32 = 113;
        let bits = u128::from_le_bytes(bytes);
        let negative = bits >> 127 == 1;
        match (bits >> 122) & 0x1F {
            0x1F => return Self::Nan,
            0x1E => return Self::Infinite { negative },
            // The large form's coefficient is always beyond 34 digits, which means zero.
            0x18..=0x1D => return Self::binary(false, 0, 0),
            _ => {}
        }
        let coefficient = bits & ((1 << COEFFICIENT_BITS) - 1);
        let biased = i32::try_from((bits >> COEFFICIENT_BITS) & 0x3FFF).unwrap_or(0);
        if coefficient > MAX_COEFFICIENT {
            return Self::binary(false, 0, 0);
        }
        Self::decimal(negative, coefficient, biased - EXPONENT_BIAS)
    }

    fn binary(negative: bool, mantissa: u128, exponent: i32) -> Self {
        if mantissa == 0 {
            return Self::Binary {
                negative: false,
                mantissa: 0,
                exponent: 0,
            };
        }
        let twos = mantissa.trailing_zeros();
        let exponent = exponent + i32::try_from(twos).unwrap_or(0);
        Self::Binary {
            negative,
            mantissa: mantissa >> twos,
            exponent,
        }
    }

    fn decimal(negative: bool, mut coefficient: u128, mut exponent: i32) -> Self {
        if coefficient == 0 {
            return Self::binary(false, 0, 0);
        }
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        // c * 10^q is c * 5^q * 2^q: a binary number if 5^q is whole, or divides c.
        let fives = 5u128.checked_pow(exponent.unsigned_abs());
        let mantissa = match fives {
            Some(fives) if exponent >= 0 => {
                let twos = coefficient.trailing_zeros();
                (coefficient >> twos).checked_mul(fives).map(|odd| (odd, twos))
            }
            Some(fives) if coefficient.is_multiple_of(fives) => Some((coefficient / fives, 0)),
            _ => None,
        };
        match mantissa {
            Some((mantissa, twos)) => {
                Self::binary(negative, mantissa, exponent + i32::try_from(twos).unwrap_or(0))
            }
            None => Self::Decimal {
                negative,
                coefficient,
                exponent,
            },
        }
    }

    /// Appends bytes that are the same for, and only for, numbers of the same value.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let (form, negative, digits, exponent) = match self {
            Self::Nan => (0, false, 0, 0),
            Self::Infinite { negative } => (1, negative, 0, 0),
            Self::Binary {
                negative,
                mantissa,
                exponent,
            } => (2, negative, mantissa, exponent),
            Self::Decimal {
                negative,
                coefficient,
                exponent,
            } => (3, negative, coefficient, exponent),
        };
        out.extend_from_slice(&[form, u8::from(negative)]);
        out.extend_from_slice(&digits.to_le_bytes());
        out.extend_from_slice(&exponent.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Number {
        Number::of_decimal128(text.parse::<bson::Decimal128>().unwrap().bytes())
    }

    #[test]
    fn numbers_of_one_value_are_equal_whatever_their_type() {
        for same in ["1", "1.0", "1.00", "10E-1"] {
            assert_eq!(decimal(same), Number::of_integer(1), "{same}");
        }
        assert_eq!(Number::of_double(1.0), Number::of_integer(1));
        assert_eq!(Number::of_double(-0.0), Number::of_integer(0));
        assert_eq!(decimal("-0E5"), Number::of_integer(0));
        assert_eq!(decimal("0.5"), Number::of_double(0.5));
        assert_eq!(
            decimal("9007199254740993"),
            Number::of_integer(9_007_199_254_740_993)
        );
        assert_eq!(decimal("1E22"), Number::of_double(1e22));
        assert_eq!(decimal("-Infinity"), Number::of_double(f64::NEG_INFINITY));
        assert_eq!(decimal("NaN"), Number::of_double(f64::NAN));
    }

    #[test]
    fn numbers_of_different_values_are_different() {
        assert_ne!(decimal("0.1"), Number::of_double(0.1));
        assert_ne!(
            Number::of_double(9_007_199_254_740_992.0),
            Number::of_integer(9_007_199_254_740_993)
        );
        assert_ne!(Number::of_integer(1), Number::of_integer(-1));
        assert_ne!(
            Number::of_double(f64::INFINITY),
            Number::of_double(f64::NEG_INFINITY)
        );
    }

    proptest! {
        #[test]
        fn an_integer_is_the_same_as_a_decimal(value in any::<i64>(), zeros in 0usize..10) {
            prop_assert_eq!(decimal(&value.to_string()), Number::of_integer(value));
            prop_assert_eq!(decimal(&format!("{value}.{}0", "0".repeat(zeros))), Number::of_integer(value));
        }

        #[test]
        fn a_small_integer_is_the_same_as_a_double(value in -(1i32 << 30)..(1i32 << 30)) {
            prop_assert_eq!(Number::of_double(f64::from(value)), Number::of_integer(i64::from(value)));
            let quarter = f64::from(value) / 4.0;
            prop_assert_eq!(Number::of_double(quarter), decimal(&quarter.to_string()));
        }

        #[test]
        fn any_sixteen_bytes_are_a_decimal(bytes in any::<[u8; 16]>()) {
            let _ = Number::of_decimal128(bytes);
        }
    }
}

//! Writes strings and dates as JSON.

use std::borrow::Cow;

const HEX: &[u8; 16] = b"0123456789abcdef";
const MILLIS_PER_DAY: i64 = 86_400_000;

/// The first millisecond of the year 0, and the first of the year 10000.
const FOUR_DIGIT_YEARS: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;

/// Writes `text` as a JSON string; what is no UTF-8 becomes the replacement character.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Writes the inside of a JSON string.
pub(crate) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    // Most text is ASCII without escapes, which one look tells.
    let (plain, rest) = text.split_at(plain_prefix(text));
    out.extend_from_slice(plain);
    if !rest.is_empty() {
        push_escaped_slowly(out, rest);
    }
}

fn push_escaped_slowly(out: &mut Vec<u8>, text: &[u8]) {
    let text = match std::str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(text),
    };
    let mut rest = text.as_bytes();
    loop {
        let clean = clean_prefix(rest);
        out.extend_from_slice(&rest[..clean]);
        let Some((byte, after)) = rest[clean..].split_first() else {
            return;
        };
        push_escape(out, *byte);
        rest = after;
    }
}

/// Writes lower-case hexadecimal digits.
pub(crate) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// As [`push_hex`], to text.
pub(crate) fn push_hex_text(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// Writes a number of milliseconds as RFC 3339 in UTC; outside of the years 0 to 9999 as a number.
pub(crate) fn push_date(out: &mut Vec<u8>, millis: i64) {
    if !FOUR_DIGIT_YEARS.contains(&millis) {
        out.extend_from_slice(itoa::Buffer::new().format(millis).as_bytes());
        return;
    }
    let (year, month, day) = civil_from_days(millis.div_euclid(MILLIS_PER_DAY));
    let in_day = millis.rem_euclid(MILLIS_PER_DAY);
    out.push(b'"');
    push_digits(out, year, 4);
    out.push(b'-');
    push_digits(out, month, 2);
    out.push(b'-');
    push_digits(out, day, 2);
    out.push(b'T');
    push_digits(out, in_day / 3_600_000, 2);
    out.push(b':');
    push_digits(out, in_day / 60_000 % 60, 2);
    out.push(b':');
    push_digits(out, in_day / 1000 % 60, 2);
    out.push(b'.');
    push_digits(out, in_day % 1000, 3);
    out.extend_from_slice(b"Z\"");
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counts eras of 400 years from 0000-03-01, so that the leap day is the last of its year
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn push_digits(out: &mut Vec<u8>, value: i64, width: usize) {
    let mut digits = [b'0'; 4];
    let mut rest = value;
    for place in digits[..width].iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes at the start are ASCII and need no escape.
fn plain_prefix(bytes: &[u8]) -> usize {
    prefix(
        bytes,
        |word| escapes(word) | (word & HIGHS),
        |byte| byte.is_ascii() && !needs_escape(byte),
    )
}

/// How many bytes at the start need no escape.
fn clean_prefix(bytes: &[u8]) -> usize {
    prefix(bytes, escapes, |byte| !needs_escape(byte))
}

/// Counts the bytes before the first one that is a hit; looks at eight at a time.
fn prefix(bytes: &[u8], hits: impl Fn(u64) -> u64, is_taken: impl Fn(u8) -> bool) -> usize {
    let mut taken = 0;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        if hits(u64::from_le_bytes(*chunk)) != 0 {
            break;
        }
        taken += 8;
        rest = after;
    }
    let end = rest.iter().position(|byte| !is_taken(*byte));
    taken + end.unwrap_or(rest.len())
}

/// Not zero if any of eight bytes needs an escape.
fn escapes(word: u64) -> u64 {
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    // A byte below 0x20, or one that became zero, borrows from its high bit; bytes above 0x7F are masked out.
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & HIGHS
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            push_hex(out, &[byte]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(millis: i64) -> String {
        let mut out = Vec::new();
        push_date(&mut out, millis);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_date_has_milliseconds_and_outside_of_four_digit_years_is_a_number() {
        assert_eq!(date(0), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(date(-1), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(date(951_782_400_000), "\"2000-02-29T00:00:00.000Z\"");
        assert_eq!(date(1_795_380_247_402), "\"2026-11-22T20:44:07.402Z\"");
        assert_eq!(date(-62_167_219_200_000), "\"0000-01-01T00:00:00.000Z\"");
        assert_eq!(date(-62_167_219_200_001), "-62167219200001");
        assert_eq!(date(253_402_300_799_999), "\"9999-12-31T23:59:59.999Z\"");
        assert_eq!(date(253_402_300_800_000), "253402300800000");
        assert_eq!(date(i64::MIN), i64::MIN.to_string());
    }

    #[test]
    fn text_of_any_length_is_escaped_wherever_it_must_be() {
        for length in 0..20 {
            for at in 0..length {
                for special in ["\"", "\\", "\n", "\u{1f}", "\u{7f}", "ä", "\u{2028}", "😀"] {
                    let mut text = "x".repeat(length);
                    text.replace_range(at..=at, special);
                    let mut out = Vec::new();
                    push_string(&mut out, text.as_bytes());
                    assert_eq!(
                        String::from_utf8(out).unwrap(),
                        serde_json::to_string(&text).unwrap()
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_utf_8_becomes_the_replacement_character() {
        let mut out = Vec::new();
        push_string(&mut out, b"a\xFFb");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\u{FFFD}b\"");
    }

    proptest! {
        #[test]
        fn a_string_reads_back_the_same(text in "[\\x00-\\x7f\u{80}-\u{10ffff}\"\\\\]{0,40}") {
            let mut out = Vec::new();
            push_string(&mut out, text.as_bytes());
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_a_string_of_what_is_utf_8_in_them(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut out = Vec::new();
            push_string(&mut out, &bytes);
            let text: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn a_date_is_what_bson_makes_of_it(millis in FOUR_DIGIT_YEARS) {
            let parsed = bson::DateTime::parse_rfc3339_str(date(millis).trim_matches('"')).unwrap();
            prop_assert_eq!(parsed.timestamp_millis(), millis);
        }
    }
}

//! Until when a certificate is valid.

use conduit_core::WallTime;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

/// The tags of DER that lie on the way to the dates.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads the end of a certificate's validity off its DER; `None` if it is not where RFC 5280 has it.
///
/// A dozen lines in place of a parser of certificates: whether the certificate is good is decided by rustls, and this
/// only says for how long it will be.
pub(super) fn valid_until(certificate: &[u8]) -> Option<WallTime> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&VERSION) {
        rest = element(rest)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, validity, _) = element(rest)? else {
        return None;
    };
    let (_, _, after_begin) = element(validity)?;
    let (tag, text, _) = element(after_begin)?;
    moment(tag, std::str::from_utf8(text).ok()?)
}

/// Splits the first element off: its tag, what it holds, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // So many bytes of length follow.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDhhmmssZ` until 2049, `YYYYMMDDhhmmssZ` from then on.
fn moment(tag: u8, text: &str) -> Option<WallTime> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i16 = text.get(..2)?.parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    // `date` and `at` take what exists only.
    let is_moment = (1..=12).contains(&month) && (1..=28).contains(&day.min(28)) && hour < 24 && minute < 60;
    let first = is_moment.then(|| date(year, month, 1).at(hour, minute, second.min(59), 0))?;
    let moment: DateTime = first.with().day(day).build().ok()?;
    let moment = moment.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(WallTime::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(year: i32, month: u8, day: u8) -> Option<WallTime> {
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        valid_until(parameters.self_signed(&key).unwrap().der())
    }

    #[test]
    fn the_end_is_read_in_both_of_its_forms() {
        let millis = |text: &str| {
            let moment: jiff::Timestamp = text.parse().unwrap();
            Some(WallTime::from_millis(moment.as_millisecond()))
        };
        assert_eq!(until(2031, 2, 28), millis("2031-02-28T00:00:00Z"));
        assert_eq!(until(2052, 12, 31), millis("2052-12-31T00:00:00Z"));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", &[0x30; 64]] {
            assert_eq!(valid_until(bytes), None);
        }
    }
}

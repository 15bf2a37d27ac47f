//! Finds the end of strings in JSON bytes, many bytes at a time.

/// The place after the string whose inside begins at `at`.
#[inline(always)]
pub(super) fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let end = run_end(bytes, at);
    if bytes.get(end) == Some(&b'"') {
        return Some(end + 1);
    }
    escaped_string_end(bytes, end)
}

/// The same from within a string, at a byte that is not as it stands.
#[cold]
pub(super) fn escaped_string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape_end(bytes, at)?,
            // A control character.
            _ => return None,
        }
        at = run_end(bytes, at);
    }
}

fn escape_end(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => {
            let digits = bytes.get(at + 2..at + 6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 6)
        }
        _ => None,
    }
}

/// The place of the next quote, backslash or control character, or the end.
#[inline(always)]
pub(super) fn run_end(bytes: &[u8], at: usize) -> usize {
    // Most names and many values end within the first words; longer ones are worth the wider steps.
    match stops_at(bytes, at) {
        Some(0) => match stops_at(bytes, at + 8) {
            Some(0) => long_run_end(bytes, at + 16),
            Some(stops) => at + 8 + first_stop(stops),
            None => short_run_end(bytes, at + 8),
        },
        Some(stops) => at + first_stop(stops),
        None => short_run_end(bytes, at),
    }
}

#[inline(never)]
fn long_run_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<32>) {
        // Without a way out the compiler makes a few vector instructions of it.
        let has_stop = block
            .iter()
            .fold(false, |has_stop, &byte| has_stop | is_stop(byte));
        if has_stop {
            break;
        }
        at += 32;
    }
    while let Some(stops) = stops_at(bytes, at) {
        if stops != 0 {
            return at + first_stop(stops);
        }
        at += 8;
    }
    short_run_end(bytes, at)
}

#[inline(never)]
fn short_run_end(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|&byte| !is_stop(byte)) {
        at += 1;
    }
    at
}

#[inline(always)]
const fn is_stop(byte: u8) -> bool {
    (byte ^ 2 <= b' ') | (byte == b'\\')
}

/// Has the highest bit of a byte set where one of the eight bytes is a quote, a backslash or a control character. Bits
/// above the lowest one can be wrong. None if there are no eight bytes left.
#[inline(always)]
fn stops_at(bytes: &[u8], at: usize) -> Option<u64> {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    // The quote, with one bit turned, follows the control characters: one comparison finds both.
    let turned = word ^ (ONES * 2);
    let low = turned.wrapping_sub(ONES * (b' ' as u64 + 1)) & !turned;
    let backslashes = word ^ (ONES * b'\\' as u64);
    Some((low | backslashes.wrapping_sub(ONES) & !backslashes) & HIGHS)
}

#[inline(always)]
fn first_stop(stops: u64) -> usize {
    (stops.trailing_zeros() / 8) as usize
}

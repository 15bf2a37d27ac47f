//! Mends the end of a file that was not closed in peace.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::de::IgnoredAny;

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

/// The longest last line that is looked at; records have at most 64 MiB, with their envelope a little more.
const LONGEST: u64 = 80 * 1024 * 1024;

/// What our lines begin with.
const BEGINNINGS: [&[u8]; 2] = [br#"{"eventID":"#, br#"{"specversion":"#];

/// Makes the file end with a line feed, or be empty, and returns its length.
///
/// What stands behind the last line feed was never acknowledged, since an acknowledgement comes after the whole write is
/// durable. If it is the beginning of one of our lines, or nothing but zeros, which a power failure leaves, it is cut off:
/// the record comes again. Anything else is somebody's and gets its line feed.
pub(super) fn end_with_a_line(file: &File, length: u64) -> io::Result<u64> {
    let Some(last) = length.checked_sub(1) else {
        return Ok(0);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    if byte == *b"\n" {
        return Ok(length);
    }
    let tail = tail(file, length)?;
    let repaired = if tail.as_deref().is_some_and(is_ours_and_torn) {
        let kept = length - tail.map_or(0, |tail| tail.len() as u64);
        file.set_len(kept)?;
        kept
    } else {
        // The file is open for appending, so that this stands at its end.
        io::Write::write_all(&mut &*file, b"\n")?;
        length + 1
    };
    file.sync_data()?;
    Ok(repaired)
}

/// What stands behind the last line feed, or `None` if it is longer than any line of ours.
fn tail(file: &File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let mut start = length;
    let mut chunk = vec![0; CHUNK];
    let begin = loop {
        if start == 0 {
            break 0;
        }
        if length - start > LONGEST {
            return Ok(None);
        }
        let size = start.min(CHUNK as u64);
        start -= size;
        let chunk = &mut chunk[..usize::try_from(size).unwrap_or(CHUNK)];
        file.read_exact_at(chunk, start)?;
        if let Some(place) = chunk.iter().rposition(|byte| *byte == b'\n') {
            break start + place as u64 + 1;
        }
    };
    let mut tail = vec![0; usize::try_from(length - begin).unwrap_or(0)];
    file.read_exact_at(&mut tail, begin)?;
    Ok(Some(tail))
}

fn is_ours_and_torn(tail: &[u8]) -> bool {
    let is_zeros = tail.iter().all(|byte| *byte == 0);
    let is_ours = BEGINNINGS
        .iter()
        .any(|beginning| tail.starts_with(beginning) || beginning.starts_with(tail));
    let is_whole = || serde_json::from_slice::<IgnoredAny>(tail).is_ok();
    is_zeros || (is_ours && !is_whole())
}

//! What a destination said, fit for a message.

use crate::secret::{Extent, Secret, mask};

/// Most characters that a message quotes.
const MAX_QUOTED: usize = 200;

/// Returns at most 200 characters of `text` in one line, without the credentials that the request had.
pub(crate) fn quote<'a>(
    text: &str,
    credentials: impl IntoIterator<Item = &'a Secret>,
    extent: Extent,
) -> String {
    let text = mask(credentials, &one_line(text), extent);
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Replaces white space and whatever moves the cursor or the direction of writing by single spaces.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let is_visible = |char: &char| {
        let is_direction =
            matches!(char, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !char.is_control() && !char.is_whitespace() && !is_direction
    };
    for char in text.chars() {
        if is_visible(&char) {
            line.push(char);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.truncate(line.trim_end().len());
    line
}

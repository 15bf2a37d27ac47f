//! Tables for people: aligned, and cut to the terminal's width where there is one.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::console::{Console, Paint, plain};

/// What stands between two columns.
const GAP: &str = "  ";
/// A column is not made narrower than this.
const LEAST: usize = 8;

/// On which side the cells of a column end alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Align {
    Left,
    /// For numbers.
    Right,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
}

impl Cell {
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self::painted(text, Paint::Plain)
    }

    pub(crate) fn painted(text: impl AsRef<str>, paint: Paint) -> Self {
        Self {
            text: plain(text.as_ref()),
            paint,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// A table. On a terminal that is too narrow, some columns are left out, and the last one is cut short.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    dispensable: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            dispensable: &[],
            rows: Vec::new(),
        }
    }

    /// Names columns that are left out, one after the other, until the rest fits.
    pub(crate) fn may_leave_out(mut self, columns: &'static [&'static str]) -> Self {
        self.dispensable = columns;
        self
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn add<const N: usize>(&mut self, row: [Cell; N]) {
        self.rows.push(row.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it down, with its head.
    pub(crate) fn show(&self, console: &Console) -> String {
        let head: Vec<Cell> = self
            .columns
            .iter()
            .map(|(name, _)| Cell::painted(name, Paint::Strong))
            .collect();
        let columns = self.widths(console.width());
        let rows = std::iter::once(&head).chain(&self.rows);
        rows.map(|row| self.line(row, &columns, console)).collect()
    }

    /// The columns that are shown, by their places, and how wide each is.
    fn widths(&self, limit: Option<usize>) -> Vec<(usize, usize)> {
        let width = |(index, (name, _)): (usize, &(&str, Align))| {
            let cells = self.rows.iter().filter_map(|row| row.get(index));
            let widest = cells.map(|cell| cell.text.width()).max().unwrap_or(0);
            (index, widest.max(name.width()))
        };
        let mut columns: Vec<(usize, usize)> = self.columns.iter().enumerate().map(width).collect();
        let Some(limit) = limit else { return columns };
        // What the others take of the line, and what is then left for the last.
        let before_last = |columns: &[(usize, usize)]| -> usize {
            let others = columns.iter().rev().skip(1);
            others.map(|(_, width)| width + GAP.len()).sum()
        };
        for name in self.dispensable {
            if before_last(&columns) + LEAST <= limit {
                break;
            }
            columns.retain(|(index, _)| self.columns.get(*index).is_none_or(|(known, _)| known != name));
        }
        let left = limit.saturating_sub(before_last(&columns)).max(LEAST);
        if let Some((_, last)) = columns.last_mut() {
            *last = left.min(*last);
        }
        columns
    }

    fn line(&self, row: &[Cell], columns: &[(usize, usize)], console: &Console) -> String {
        let mut line = String::new();
        // Spaces are held back until something follows them.
        let mut held = 0;
        for (index, width) in columns {
            let Some(cell) = row.get(*index) else { continue };
            let text = cut(&cell.text, *width);
            let free = width.saturating_sub(text.width());
            let align = self.columns.get(*index).map_or(Align::Left, |(_, align)| *align);
            let (before, after) = match align {
                Align::Left => (0, free),
                Align::Right => (free, 0),
            };
            held += before;
            if !text.is_empty() {
                line.push_str(&" ".repeat(held));
                line.push_str(&console.paint(cell.paint, &text));
                held = 0;
            }
            held += after + GAP.len();
        }
        line.push('\n');
        line
    }
}

/// Cuts a text to a width, and shows that it was.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 1;
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > width {
            break;
        }
        shown.push(character);
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Form;

    fn table() -> Table {
        let mut table = Table::new(&[
            ("NAME", Align::Left),
            ("COUNT", Align::Right),
            ("NOTE", Align::Left),
        ]);
        table.add(["漢字".into(), "7".into(), "".into()]);
        table.add(["orders".into(), "1234".into(), "a long note".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let wanted = "NAME    COUNT  NOTE\n漢字        7\norders   1234  a long note\n";
        assert_eq!(table().show(&Console::new(Form::Json)), wanted);
    }

    #[test]
    fn the_last_column_gives_way_to_a_narrow_terminal() {
        assert_eq!(table().widths(Some(24)), [(0, 6), (1, 5), (2, 9)]);
        assert_eq!(table().widths(Some(10)), [(0, 6), (1, 5), (2, LEAST)]);
        let table = table().may_leave_out(&["COUNT"]);
        assert_eq!(table.widths(Some(24)), [(0, 6), (1, 5), (2, 9)]);
        assert_eq!(table.widths(Some(20)), [(0, 6), (2, 11)]);
        assert_eq!(cut("a long note", 9), "a long n…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
    }
}

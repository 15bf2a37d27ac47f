//! The patterns of `docs/filters.md`, and the answers beneath them.

use conduit_core::EventPattern;

use crate::cases::pattern_of;

/// The cells of a table's row, without the backticks.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner
        .split(" | ")
        .map(|cell| cell.trim().trim_matches('`'))
        .collect()
}

#[test]
fn every_pattern_of_the_documentation_answers_as_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/filters.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let mut pattern: Option<EventPattern> = None;
    let mut has_old_image = false;
    let (mut patterns, mut answers) = (0, 0);
    while let Some(line) = lines.next() {
        if line == "```json" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            pattern = Some(pattern_of(&block.join("\n")));
            patterns += 1;
        } else if line.starts_with('#') {
            pattern = None;
        } else if line.starts_with("| `newImage`") {
            has_old_image = line.contains("oldImage");
        } else if let Some(pattern) = pattern.as_ref().filter(|_| line.starts_with("| ")) {
            // An empty cell is an image that is missing.
            let padded = line.replace("| | ", "|  | ").replace("| | ", "|  | ");
            let cells = cells(&padded);
            let image = |at: usize| {
                cells
                    .get(at)
                    .filter(|cell| !cell.is_empty())
                    .map(|cell| cell.as_bytes())
            };
            let (new_image, old_image) = (image(0), if has_old_image { image(1) } else { None });
            let expected = match cells.last() {
                Some(&"yes") => true,
                Some(&"no") => false,
                _ => panic!("{line}"),
            };
            assert_eq!(cells.len(), if has_old_image { 3 } else { 2 }, "{line}");
            assert_eq!(pattern.matches(new_image, old_image), expected, "{line}");
            answers += 1;
        }
    }
    assert!(patterns >= 10 && answers >= 40, "{patterns} {answers}");
}

//! The guides in `docs/` quote the files of `examples/`, whole, so that what a reader copies is what is tested.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const GUIDES: [(&str, &str); 2] = [
    ("writing-a-sink.md", "line-log"),
    ("writing-a-state-store.md", "routed-store"),
];

/// A block of code, the words after its fence, and the file that the comment before it names.
struct Block {
    language: String,
    file: Option<String>,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn blocks(guide: &str) -> Vec<Block> {
    let text = read(&format!("docs/{guide}"));
    let (mut found, mut open): (Vec<Block>, Option<Block>) = (Vec::new(), None);
    let mut before = "";
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let file = before
                    .strip_prefix("<!-- ")
                    .and_then(|rest| rest.strip_suffix(" -->"));
                let (language, file) = (language.to_owned(), file.map(str::to_owned));
                let text = String::new();
                open = Some(Block { language, file, text });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
        before = line;
    }
    assert!(open.is_none(), "{guide}: a block has no end");
    found
}

fn without_empty_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.is_empty()).collect()
}

#[test]
fn every_code_block_is_of_a_file_and_together_they_are_the_whole_file() {
    for (guide, _) in GUIDES {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for block in blocks(guide).into_iter().filter(|block| block.language == "rust") {
            let Some(file) = block.file else {
                panic!("{guide}: no file is named before the block\n{}", block.text);
            };
            *files.entry(file).or_default() += &block.text;
        }
        assert!(files.len() >= 3, "{guide}: {:?}", files.keys());
        for (path, quoted) in files {
            let file = read(&path);
            // An example for people begins with how to run it, which the guide says otherwise.
            let is_program = path.starts_with("examples/examples/");
            let wanted = without_empty_lines(&file)
                .into_iter()
                .skip_while(|line| is_program && line.starts_with("//!"));
            for (number, (quoted, wanted)) in without_empty_lines(&quoted)
                .into_iter()
                .zip(wanted.clone())
                .enumerate()
            {
                assert_eq!(
                    quoted, wanted,
                    "docs/{guide} and {path}, line {number} of those that are not empty"
                );
            }
            assert_eq!(
                without_empty_lines(&quoted).len(),
                wanted.count(),
                "docs/{guide} leaves out a part of {path}"
            );
        }
    }
}

#[test]
fn no_other_file_of_an_examples_crate_is_left_out() {
    for (guide, package) in GUIDES {
        let quoted: BTreeSet<String> = blocks(guide).into_iter().filter_map(|block| block.file).collect();
        let mut folders = vec![PathBuf::from("examples").join(package)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let path = folder.join(entry.file_name());
                if entry.path().is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let path = path.to_str().unwrap().replace('\\', "/");
                    assert!(quoted.contains(&path), "docs/{guide} does not show {path}");
                }
            }
        }
    }
}

#[test]
fn what_is_added_to_the_crate_is_what_its_manifest_has() {
    for (guide, package) in GUIDES {
        let manifest = read(&format!("examples/{package}/Cargo.toml"));
        let (normal, dev) = manifest.split_once("[dev-dependencies]").unwrap();
        let (_, normal) = normal.split_once("[dependencies]").unwrap();
        let names = |section: &str| -> BTreeSet<String> {
            let lines = section.lines().filter(|line| line.contains('='));
            lines
                .map(|line| line.split(['.', ' ']).next().unwrap().to_owned())
                .collect()
        };
        let (mut added, mut added_dev) = (BTreeSet::new(), BTreeSet::new());
        for block in blocks(guide).into_iter().filter(|block| block.language == "sh") {
            for command in block
                .text
                .lines()
                .filter_map(|line| line.strip_prefix("cargo add "))
            {
                let mut words = command.split(' ').collect::<Vec<&str>>().into_iter();
                let mut is_dev = false;
                while let Some(word) = words.next() {
                    match word {
                        "--dev" => is_dev = true,
                        "--no-default-features" => {}
                        "--git" | "--features" => drop(words.next()),
                        name if is_dev => drop(added_dev.insert(name.to_owned())),
                        name => drop(added.insert(name.to_owned())),
                    }
                }
            }
        }
        assert_eq!((added, added_dev), (names(normal), names(dev)), "docs/{guide}");
    }
}

/// The clauses that a suite's macro makes tests of.
fn clauses(suite: &str) -> BTreeSet<String> {
    let text = read(&format!("conduit-testkit/src/{suite}/macros.rs"));
    let (_, list) = text.split_once("@clauses $harness;").unwrap();
    let (list, _) = list.split_once("}\n    };").unwrap();
    let words = list.split_whitespace().map(|word| word.trim_end_matches(';'));
    words
        .filter(|word| word.contains('_') && !word.ends_with(':'))
        .map(str::to_owned)
        .collect()
}

/// What stands between backticks in a table's rows and looks like the name of a clause.
fn named_clauses(guide: &str) -> BTreeSet<String> {
    let text = read(&format!("docs/{guide}"));
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    quoted
        .filter(|name| name.matches('_').count() >= 3)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_guides_explain_the_clauses_that_there_are() {
    let (sink, store) = (clauses("sink_suite"), clauses("store_suite"));
    assert_eq!(named_clauses("writing-a-sink.md"), sink);
    let named = named_clauses("writing-a-state-store.md");
    assert!(
        named.len() >= 10 && named.is_subset(&store),
        "{:?}",
        named.difference(&store)
    );
    let counted = format!("the suite is long: {} clauses", store.len());
    assert!(
        read("docs/writing-a-state-store.md").contains(&counted),
        "{counted}"
    );
}

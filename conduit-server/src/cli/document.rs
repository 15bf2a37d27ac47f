//! The files that `conduit apply` takes.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{CliError, Fault};
use super::filter::read_text;
use super::yaml::{self, Kind, Node};

const SHAPE: &str = "a file has `collections:`, a list of configurations as the API takes them; the list alone and one \
                     configuration are taken too";

/// A collection as a file wants it.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    /// As the API takes it, with the text of every number.
    pub(crate) json: String,
    file: String,
    /// Where its fields stand, of YAML.
    node: Option<Node>,
}

impl Wanted {
    /// Says where it stands.
    pub(crate) fn place(&self) -> String {
        match &self.node {
            Some(node) => format!("{}, line {}", self.file, node.line),
            None => self.file.clone(),
        }
    }

    /// Says where a fault of it stands.
    pub(crate) fn place_of(&self, fault: &Fault) -> Option<usize> {
        self.node.as_ref().map(|node| node.line_of(&fault.field))
    }
}

/// Reads files of YAML or JSON; `-` is standard input.
///
/// # Errors
/// `Usage`, with file and line, if one cannot be read, is of another shape, or names a collection again.
pub(crate) fn read_files(files: &[String]) -> Result<Vec<Wanted>, CliError> {
    let mut all: Vec<Wanted> = Vec::new();
    for file in files {
        let text = read_text(file)?;
        // Standard input is shown as what it is.
        let shown = if file == "-" { "standard input" } else { file };
        all.extend(read(&text, shown)?);
    }
    let mut places = HashMap::new();
    for wanted in &all {
        if let Some(first) = places.insert(&wanted.name, wanted.place()) {
            let message = format!(
                "the collection {:?} is there twice, first in {first}",
                wanted.name
            );
            return Err(CliError::usage(message).at(wanted.place()));
        }
    }
    Ok(all)
}

fn read(text: &str, file: &str) -> Result<Vec<Wanted>, CliError> {
    // JSON is read as such: YAML does not have all of its escapes.
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return read_json(text, file);
    }
    let documents = yaml::read(text)
        .map_err(|fault| CliError::usage(fault.message).at(format!("{file}, line {}", fault.line)))?;
    if documents.is_empty() {
        return Err(CliError::usage(format!("there is nothing in it: {SHAPE}")).at(file));
    }
    let mut all = Vec::new();
    for document in documents {
        all.extend(read_document(&document, file)?);
    }
    Ok(all)
}

fn read_document(document: &Node, file: &str) -> Result<Vec<Wanted>, CliError> {
    let wrong =
        |line: usize, message: String| Err(CliError::usage(message).at(format!("{file}, line {line}")));
    let items = match &document.kind {
        Kind::Array(items) => items,
        Kind::Object(_) if document.get("collection_name").is_some() => std::slice::from_ref(document),
        Kind::Object(members) => {
            if let Some((other, node)) = members.iter().find(|(name, _)| name != "collections") {
                return wrong(node.line, format!("unknown field {other:?}: {SHAPE}"));
            }
            match document.get("collections").map(|node| &node.kind) {
                Some(Kind::Array(items)) => items,
                _ => return wrong(document.line, SHAPE.to_owned()),
            }
        }
        _ => return wrong(document.line, SHAPE.to_owned()),
    };
    let mut all = Vec::new();
    for item in items {
        let Some(Kind::Text(name)) = item.get("collection_name").map(|node| &node.kind) else {
            return wrong(
                item.line,
                "collection_name is required and must be a text".to_owned(),
            );
        };
        all.push(Wanted {
            name: name.clone(),
            json: item.to_json(),
            file: file.to_owned(),
            node: Some(item.clone()),
        });
    }
    Ok(all)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    #[serde(borrow)]
    collections: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named {
    collection_name: String,
}

fn read_json(text: &str, file: &str) -> Result<Vec<Wanted>, CliError> {
    let wrong = |error: serde_json::Error| CliError::usage(format!("{error}: {SHAPE}")).at(file);
    let raw: &RawValue = serde_json::from_str(text).map_err(wrong)?;
    let collections = if raw.get().starts_with('[') {
        serde_json::from_str(raw.get()).map_err(wrong)?
    } else if serde_json::from_str::<Named>(raw.get()).is_ok() {
        vec![raw]
    } else {
        let document: Document<'_> = serde_json::from_str(raw.get()).map_err(wrong)?;
        document.collections
    };
    let each = collections.into_iter().map(|raw: &RawValue| {
        let named: Named = serde_json::from_str(raw.get())
            .map_err(|_| CliError::usage("collection_name is required and must be a text").at(file))?;
        Ok(Wanted {
            name: named.collection_name,
            json: raw.get().to_owned(),
            file: file.to_owned(),
            node: None,
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let all = read(text, "f.yaml").unwrap();
        all.into_iter().map(|wanted| wanted.name).collect()
    }

    fn fault(text: &str) -> String {
        read(text, "f.yaml").unwrap_err().to_string()
    }

    #[test]
    fn yaml_json_and_several_documents_are_taken() {
        assert_eq!(
            names("collections:\n- collection_name: a\n---\ncollections:\n- collection_name: b\n"),
            ["a", "b"]
        );
        assert_eq!(
            names(r#"{"collections": [{"collection_name": "\ud83d\ude00"}]}"#),
            ["😀"]
        );
        assert_eq!(names("collections: []"), Vec::<String>::new());
        for text in [
            "- collection_name: a\n- collection_name: b\n",
            "collection_name: a\n---\ncollection_name: b\n",
            r#" [{"collection_name": "a"}, {"collection_name": "b"}]"#,
        ] {
            assert_eq!(names(text), ["a", "b"], "{text}");
        }
        assert_eq!(names(r#"{"collection_name": "a", "old_image": true}"#), ["a"]);
    }

    #[test]
    fn another_shape_is_refused_with_its_line() {
        assert!(fault("").contains("there is nothing in it"));
        assert!(fault("collections:\n- collection_name: a\nversion: 1\n").contains("f.yaml, line 3"));
        assert!(fault("collections:\n- name: a\n").contains("f.yaml, line 2"));
        assert!(fault("- a\n").contains("f.yaml, line 1"));
        assert!(fault("a\n").contains("f.yaml, line 1"));
        assert!(fault(r#"{"collections": [{}]}"#).contains("collection_name is required"));
    }

    #[test]
    fn a_collection_is_wanted_once() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "collections:\n- collection_name: a\n").unwrap();
            path.display().to_string()
        };
        let error = read_files(&[write("one.yaml"), write("two.yaml")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("one.yaml, line 2") && error.contains("two.yaml, line 2"),
            "{error}"
        );
    }
}

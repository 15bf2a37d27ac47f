//! Reads YAML 1.2, of which JSON is a part.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Kind, Node};
use super::scalar::resolve;

/// The most parts that documents can have once aliases are written out.
const MAX_NODES: usize = 1_000_000;
/// How deep parts can lie in each other.
const MAX_DEPTH: usize = 100;

/// Why a text cannot be read. The message does not quote values, which may be secrets, but for odd numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct YamlFault {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Reads the documents of a text; those that are empty are left out.
///
/// # Errors
/// For what is no YAML, for tags, for keys that are no texts or are there twice, and for numbers that JSON does not have.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, YamlFault> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlFault {
            line: error.marker().line(),
            message: format!("this is no YAML: {}", error.info()),
        })?;
        builder.take(event, span)?;
    }
    let is_empty = |node: &Node| node.kind == Kind::Null;
    builder.documents.retain(|document| !is_empty(document));
    Ok(builder.documents)
}

/// A part that is not at its end.
#[derive(Debug)]
struct Open {
    line: usize,
    anchor: usize,
    contents: Contents,
}

#[derive(Debug)]
enum Contents {
    Items(Vec<Node>),
    /// And the key whose value is next.
    Members(Vec<(String, Node)>, Option<String>),
}

#[derive(Debug, Default)]
struct Builder {
    documents: Vec<Node>,
    open: Vec<Open>,
    /// By the numbers that the parser gives; 0 is none.
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlFault> {
        let line = span.start.line();
        let fault = |message: &str| YamlFault {
            line,
            message: message.to_owned(),
        };
        match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(fault("tags are not taken"));
            }
            Event::Scalar(text, style, anchor, None) => {
                let kind = match style {
                    ScalarStyle::Plain => resolve(&text).map_err(|message| fault(&message))?,
                    _ => Kind::Text(text.into_owned()),
                };
                self.close(Node { line, kind }, anchor)?;
            }
            Event::SequenceStart(anchor, None) => self.begin(line, anchor, Contents::Items(Vec::new()))?,
            Event::MappingStart(anchor, None) => {
                self.begin(line, anchor, Contents::Members(Vec::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                // The parser closes only what it opened.
                if let Some(Open {
                    line,
                    anchor,
                    contents,
                }) = self.open.pop()
                {
                    let kind = match contents {
                        Contents::Items(items) => Kind::Array(items),
                        Contents::Members(members, _) => Kind::Object(members),
                    };
                    self.close(Node { line, kind }, anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let found = self.anchors.get(&anchor).cloned();
                let node =
                    found.ok_or_else(|| fault("an alias cannot stand inside of what it stands for"))?;
                self.nodes += size(&node);
                self.close(Node { line, ..node }, 0)?;
            }
            Event::DocumentEnd => self.anchors.clear(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
        match self.nodes > MAX_NODES {
            true => Err(fault("there is too much in it")),
            false => Ok(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, contents: Contents) -> Result<(), YamlFault> {
        if let Some(Open {
            contents: Contents::Members(_, None),
            ..
        }) = self.open.last()
        {
            return Err(key_fault(line));
        }
        if self.open.len() == MAX_DEPTH {
            let message = format!("parts lie deeper in each other than {MAX_DEPTH}");
            return Err(YamlFault { line, message });
        }
        self.open.push(Open {
            line,
            anchor,
            contents,
        });
        Ok(())
    }

    /// Puts a whole part where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), YamlFault> {
        self.nodes += 1;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.contents) {
            None => self.documents.push(node),
            Some(Contents::Items(items)) => items.push(node),
            Some(Contents::Members(members, key @ None)) => {
                let name = match node.kind {
                    Kind::Text(name) => name,
                    // Names look like numbers and words at times.
                    Kind::Number(name) => name,
                    Kind::Bool(name) => name.to_string(),
                    _ => return Err(key_fault(node.line)),
                };
                if members.iter().any(|(known, _)| *known == name) {
                    let message = format!("the field {name:?} is there twice");
                    return Err(YamlFault {
                        line: node.line,
                        message,
                    });
                }
                *key = Some(name);
            }
            Some(Contents::Members(members, key)) => members.extend(key.take().map(|key| (key, node))),
        }
        Ok(())
    }
}

fn key_fault(line: usize) -> YamlFault {
    YamlFault {
        line,
        message: "the name of a field must be a text".to_owned(),
    }
}

fn size(node: &Node) -> usize {
    match &node.kind {
        Kind::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Kind::Object(members) => 1 + members.iter().map(|(_, node)| size(node)).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        let documents = read(text).unwrap();
        documents.iter().map(Node::to_json).collect::<Vec<_>>().join(" ")
    }

    fn fault(text: &str) -> (usize, String) {
        let fault = read(text).unwrap_err();
        (fault.line, fault.message)
    }

    #[test]
    fn a_configuration_is_read_with_the_text_of_its_numbers() {
        let text = "\
# a comment
collections:
  - collection_name: orders
    stream_enabled: true
    destinations:
    - {id: a, type: http, endpoint: 'http://h/', timeout: 30s}
    - id: b
      filter_criteria: {new_image: {total: [{numeric: ['>', 0.12345678901234567890]}], note: [null, \"no\\n\"]}}
";
        let wanted = r#"{"collections":[{"collection_name":"orders","stream_enabled":true,"destinations":[{"id":"a","type":"http","endpoint":"http://h/","timeout":"30s"},{"id":"b","filter_criteria":{"new_image":{"total":[{"numeric":[">",0.12345678901234567890]}],"note":[null,"no\n"]}}}]}]}"#;
        assert_eq!(json(text), wanted);
    }

    #[test]
    fn documents_aliases_and_block_texts_are_read() {
        assert_eq!(
            json("---\na: &x {b: 1}\nc: *x\n---\n# nothing\n---\n- |\n  two\n  lines\n"),
            r#"{"a":{"b":1},"c":{"b":1}} ["two\nlines\n"]"#
        );
        assert_eq!(json("1: a\ntrue: b\n"), r#"{"1":"a","true":"b"}"#);
    }

    #[test]
    fn what_is_not_taken_is_named_with_its_line() {
        assert_eq!(
            fault("a: 1\nb: 2\na: 3\n"),
            (3, "the field \"a\" is there twice".to_owned())
        );
        assert_eq!(fault("a: 1\nb: !!str 2\n"), (2, "tags are not taken".to_owned()));
        assert_eq!(fault("a:\n  - [x]: 1\n").0, 2);
        assert!(fault("a: 0x1F\n").1.contains("0x1F"));
        assert_eq!(fault("a: [1,\nb: }\n").0, 2);
        assert_eq!(fault("a: &x [*x]\n").0, 1);
    }

    #[test]
    fn aliases_cannot_fill_the_memory_nor_depth_the_stack() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(fault(&text).1.contains("too much"));
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(read(&deep).is_err());
    }

    #[test]
    fn the_line_of_a_field_is_found_as_faults_name_it() {
        let documents =
            read("a: 1\ndestinations:\n  - id: x\n    batch:\n      max: 0\n  - id: y\n").unwrap();
        let line = |field| documents[0].line_of(field);
        assert_eq!(line("destinations[0].batch.max"), 5);
        assert_eq!(line("destinations[1].endpoint"), 6);
        assert_eq!((line("destinations[7]"), line("odd")), (3, 1));
    }
}

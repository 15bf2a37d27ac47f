//! Reads the fields of a pattern and what combines them.

use serde_json::value::RawValue;

use super::error::{PatternError, PatternFault};
use super::json::Json;
use super::leaf::Leaf;
use super::operator::read_leaf;

/// How long the text of a pattern may be.
const MAX_BYTES: usize = 8 * 1024;
/// How many names a field's path may have below the image, nested `$or` counted in.
const MAX_DEPTH: usize = 32;
const OR: &str = "$or";

/// Names that mean something else beside `$or`, or are to: the reference engine refuses them as fields there.
const RESERVED_IN_OR: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// One of the two documents that a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Image {
    New,
    Old,
}

/// A field of a pattern, as it was written.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) image: Image,
    /// The names below the image: dots part names, whether in one name or between nested ones.
    pub(super) names: Vec<Box<str>>,
    /// The path as people read it, as in `new_image.total`.
    pub(super) path: String,
    /// Where it stands in the pattern; with the alternatives on the way.
    pub(super) place: String,
    /// Which alternative it stands in; zero outside of all.
    pub(super) alternative: usize,
    /// The operators, as people read them.
    pub(super) operators: String,
    pub(super) leaf: Leaf,
}

/// A part of a pattern. All parts of an object must match.
#[derive(Debug)]
pub(super) enum Part {
    /// The number of a field.
    Field(usize),
    Either(Vec<Vec<Part>>),
}

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<PatternFault>);

impl Faults {
    pub(super) fn add(&mut self, place: &str, message: impl Into<String>) {
        if self.0.len() < PatternError::MAX_FAULTS {
            self.0.push(PatternFault::new(place, message));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Reads one level of the text at `place`.
    pub(super) fn read<'a>(&mut self, raw: &'a RawValue, place: &str) -> Option<Json<'a>> {
        Json::of(raw)
            .map_err(|error| self.add(place, format!("cannot be read: {error}")))
            .ok()
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, PatternError> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(PatternError::new(self.0))
        }
    }
}

/// A pattern as it was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) parts: Vec<Part>,
    pub(super) fields: Vec<Field>,
}

/// Reads the text of a pattern.
pub(super) fn parse(text: &str) -> Result<Written, PatternError> {
    let fail = |message: String| Err(PatternError::one(PatternFault::new("", message)));
    if text.len() > MAX_BYTES {
        let bytes = text.len();
        return fail(format!(
            "the pattern has {bytes} bytes: at most {MAX_BYTES} are taken"
        ));
    }
    let raw: &RawValue = match serde_json::from_str(text) {
        Ok(raw) => raw,
        Err(error) => return fail(format!("the pattern is not JSON: {error}")),
    };
    let mut reader = Reader::default();
    let parts = match reader.faults.read(raw, "") {
        Some(Json::Object(members)) => reader.object(&members, &Scope::default()),
        Some(other) => {
            let kind = other.kind();
            reader.faults.add(
                "",
                format!("a pattern is an object with new_image, old_image or both, not {kind}"),
            );
            Vec::new()
        }
        None => Vec::new(),
    };
    let written = Written {
        parts,
        fields: reader.fields,
    };
    reader.faults.into_result(written)
}

/// Where in a pattern the reader is.
#[derive(Clone, Debug, Default)]
struct Scope {
    image: Option<Image>,
    names: Vec<Box<str>>,
    path: String,
    place: String,
    /// Zero outside of all alternatives.
    alternative: usize,
    /// How many `$or` are around.
    ors: usize,
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[derive(Debug, Default)]
struct Reader {
    faults: Faults,
    fields: Vec<Field>,
    alternatives: usize,
    /// How each image was spelled first.
    spelled: [Option<String>; 2],
}

impl Reader {
    fn object(&mut self, members: &[(String, &RawValue)], scope: &Scope) -> Vec<Part> {
        if members.is_empty() {
            let cure = match scope.image {
                None => "name a field of new_image or old_image",
                Some(_) => "name a field, or list what the value may be",
            };
            self.faults
                .add(&scope.place, format!("an empty object matches nothing: {cure}"));
        }
        let mut parts = Vec::new();
        for (name, raw) in members {
            if name == OR {
                parts.extend(self.either(raw, scope));
            } else {
                self.member(name, raw, scope, &mut parts);
            }
        }
        parts
    }

    fn member(&mut self, name: &str, raw: &RawValue, scope: &Scope, parts: &mut Vec<Part>) {
        let place = joined(&scope.place, name);
        if scope.ors > 0 && RESERVED_IN_OR.contains(&name) {
            let cure = "a list of operators stands behind a field's name";
            self.faults.add(
                &place,
                format!("`{name}` is reserved and cannot name a field within `$or`: {cure}"),
            );
            return;
        }
        let Some(inner) = self.step(name, place, scope) else {
            return;
        };
        let Some(json) = self.faults.read(raw, &inner.place) else {
            return;
        };
        match json {
            Json::Object(members) => parts.extend(self.object(&members, &inner)),
            Json::Array(elements) => {
                let Some((leaf, operators)) = read_leaf(&elements, &inner.place, &mut self.faults) else {
                    return;
                };
                let Some(image) = inner.image else {
                    return;
                };
                parts.push(Part::Field(self.fields.len()));
                self.fields.push(Field {
                    image,
                    names: inner.names,
                    path: inner.path,
                    place: inner.place,
                    alternative: inner.alternative,
                    operators,
                    leaf,
                });
            }
            other => {
                let kind = other.kind();
                self.faults.add(
                    &inner.place,
                    format!("must be a list of what matches, or an object of fields, not {kind}: write [{kind_shown}]", kind_shown = shown(raw)),
                );
            }
        }
    }

    /// Goes one name further, which is several if it has dots.
    fn step(&mut self, name: &str, place: String, scope: &Scope) -> Option<Scope> {
        let mut inner = scope.clone();
        inner.path = joined(&scope.path, name);
        inner.place = place;
        let mut names = name.split('.');
        if scope.image.is_none() {
            let image = names.next().unwrap_or_default();
            inner.image = Some(self.image(image, &inner.place)?);
        }
        inner.names.extend(names.map(Box::from));
        if inner.names.len() + inner.ors > MAX_DEPTH {
            self.faults.add(
                &inner.place,
                format!("nests deeper than {MAX_DEPTH} names: say less about the inner fields"),
            );
            return None;
        }
        Some(inner)
    }

    fn image(&mut self, name: &str, place: &str) -> Option<Image> {
        let image = match name {
            "new_image" | "newImage" => Image::New,
            "old_image" | "oldImage" => Image::Old,
            _ => {
                self.faults.add(
                    place,
                    "the top level holds new_image and old_image only: write the field into one of them",
                );
                return None;
            }
        };
        let first = self.spelled[image as usize].get_or_insert_with(|| name.to_owned());
        if first != name {
            let message =
                format!("`{first}` and `{name}` are two spellings of one image: write both parts into one");
            self.faults.add(place, message);
            return None;
        }
        Some(image)
    }

    fn either(&mut self, raw: &RawValue, scope: &Scope) -> Option<Part> {
        let place = joined(&scope.place, OR);
        let elements = match self.faults.read(raw, &place)? {
            Json::Array(elements) => elements,
            other => {
                let kind = other.kind();
                self.faults.add(
                    &place,
                    format!("must be a list of at least two objects, not {kind}"),
                );
                return None;
            }
        };
        if elements.len() < 2 {
            let count = elements.len();
            self.faults.add(
                &place,
                format!("must be a list of at least two objects, not of {count}"),
            );
        }
        if scope.names.len() + scope.ors + 1 > MAX_DEPTH {
            self.faults
                .add(&place, format!("nests deeper than {MAX_DEPTH} levels"));
            return None;
        }
        let mut alternatives = Vec::new();
        for (index, raw) in elements.iter().enumerate() {
            self.alternatives += 1;
            let inner = Scope {
                place: format!("{place}[{index}]"),
                alternative: self.alternatives,
                ors: scope.ors + 1,
                ..scope.clone()
            };
            match self.faults.read(raw, &inner.place) {
                Some(Json::Object(members)) => alternatives.push(self.object(&members, &inner)),
                Some(other) => {
                    let kind = other.kind();
                    self.faults.add(
                        &inner.place,
                        format!("an alternative must be an object of fields, not {kind}"),
                    );
                }
                None => {}
            }
        }
        Some(Part::Either(alternatives))
    }
}

/// A value of a pattern for a message, if it is short.
fn shown(raw: &RawValue) -> &str {
    let text = raw.get();
    if text.len() <= 40 { text } else { "…" }
}

//! Reads JSON objects field by field and collects every fault.

use serde_json::{Map, Value};

/// One thing that is wrong with a request body.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Fault {
    /// The place, such as `destinations[0].endpoint`.
    pub(crate) field: String,
    /// What is wrong, and what to write instead.
    pub(crate) message: String,
}

/// Every fault of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault {
            field: field.into(),
            message: message.into(),
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_list(self) -> Vec<Fault> {
        self.0
    }

    /// Returns the fields that have faults.
    #[cfg(test)]
    pub(crate) fn places(self) -> Vec<String> {
        self.0.into_iter().map(|fault| fault.field).collect()
    }

    /// Returns `value` unless there are faults.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// One fault alone.
    pub(crate) fn of(field: impl Into<String>, message: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(field, message);
        faults
    }
}

/// A JSON object that is being read; whatever nobody asked for is a fault in the end.
pub(crate) struct Fields<'a> {
    object: Map<String, Value>,
    path: String,
    faults: &'a mut Faults,
}

impl<'a> Fields<'a> {
    /// Begins to read `value`, which stands at `path` (empty for the body itself).
    pub(crate) fn of(value: Value, path: &str, faults: &'a mut Faults) -> Option<Self> {
        let Value::Object(object) = value else {
            let message = format!("must be a JSON object, not {}", kind_of(&value));
            faults.add(if path.is_empty() { "(body)" } else { path }, message);
            return None;
        };
        Some(Self {
            object,
            path: path.to_owned(),
            faults,
        })
    }

    /// The full name of a field.
    pub(crate) fn place(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub(crate) fn fault(&mut self, name: &str, message: impl Into<String>) {
        let place = self.place(name);
        self.faults.add(place, message);
    }

    pub(crate) fn faults(&mut self) -> &mut Faults {
        self.faults
    }

    /// Whether a field is given and not `null`, be it right or wrong.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Returns what was not taken yet.
    pub(crate) fn left(&self) -> Map<String, Value> {
        self.object.clone()
    }

    /// Takes a field out; `null` is the same as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.object.shift_remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn string(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => {
                self.fault(name, format!("must be a string, not {}", kind_of(&other)));
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, name: &str, default: bool) -> bool {
        match self.take(name) {
            None => default,
            Some(Value::Bool(value)) => value,
            Some(other) => {
                self.fault(name, format!("must be true or false, not {}", kind_of(&other)));
                default
            }
        }
    }

    pub(crate) fn integer(&mut self, name: &str, range: std::ops::RangeInclusive<u64>, default: u64) -> u64 {
        let Some(value) = self.take(name) else {
            return default;
        };
        match whole_number(&value).filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let message = format!("must be a whole number from {} to {}", range.start(), range.end());
                self.fault(name, message);
                default
            }
        }
    }

    pub(crate) fn array(&mut self, name: &str) -> Option<Vec<Value>> {
        match self.take(name)? {
            Value::Array(values) => Some(values),
            other => {
                self.fault(name, format!("must be an array, not {}", kind_of(&other)));
                None
            }
        }
    }

    /// Ends the reading: unknown fields are faults.
    pub(crate) fn finish(mut self, known: &str) {
        let unknown: Vec<String> = self.object.keys().cloned().collect();
        for name in unknown {
            // A known field that is null is the same as absent.
            if self.object.get(&name).is_some_and(Value::is_null) && known.split(", ").any(|k| k == name) {
                continue;
            }
            self.fault(&name, format!("unknown field; known here: {known}"));
        }
    }
}

pub(crate) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Reads a whole number, however it is written: `5.0` is the same number as `5`.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    // Up to here floats have every whole number, so that none is taken for another.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || {
        value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(number))
    };
    // It is whole and in range.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    value.as_u64().or_else(|| float().map(|number| number as u64))
}

/// Reads a duration such as `30s`, `500ms` or `5m`.
pub(crate) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let wrong = || "must be a duration such as \"30s\", \"500ms\" or \"5m\"".to_owned();
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(wrong()),
    };
    millis.map(std::time::Duration::from_millis).ok_or_else(wrong)
}

/// Writes a duration so that [`parse_duration`] reads it back.
pub(crate) fn show_duration(duration: std::time::Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000)
    } else {
        format!("{millis}ms")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, millis) in [
            ("30s", 30_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
        }
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "30 s",
            "1d",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(show_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(show_duration(Duration::from_secs(30)), "30s");
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, number) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("5e2", Some(500)),
            ("18446744073709551615", Some(u64::MAX)),
            ("9007199254740992.0", Some(9_007_199_254_740_992)),
            ("9007199254740994.0", None),
            ("5.5", None),
            ("-1", None),
            ("\"5\"", None),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(whole_number(&value), number, "{text}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_place() {
        let mut faults = Faults::default();
        let value = serde_json::json!({"a": 1, "b": "x", "n": 99, "odd": true, "gone": null});
        let mut fields = Fields::of(value, "destinations[0]", &mut faults).unwrap();
        fields.string("a");
        fields.boolean("b", false);
        fields.integer("n", 0..=20, 5);
        fields.finish("a, b, n, gone");
        let places: Vec<String> = faults.places();
        let wanted = [
            "destinations[0].a",
            "destinations[0].b",
            "destinations[0].n",
            "destinations[0].odd",
        ];
        assert_eq!(places, wanted);
    }
}

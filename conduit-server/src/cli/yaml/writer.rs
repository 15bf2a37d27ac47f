//! Writes YAML that reads back as it was.

use serde_json::Value;

use super::node;
use super::scalar::is_text;

/// Writes a value, in block style but for what is empty.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => write_members(members, 0, &mut text),
        Value::Array(items) if !items.is_empty() => write_items(items, 0, &mut text),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

fn write_members(members: &serde_json::Map<String, Value>, depth: usize, text: &mut String) {
    for (index, (name, value)) in members.iter().enumerate() {
        // The first stands behind what it belongs to.
        if index > 0 || depth == 0 {
            text.push_str(&"  ".repeat(depth));
        }
        text.push_str(&scalar(name));
        text.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                text.push_str(&"  ".repeat(depth + 1));
                write_members(inner, depth + 1, text);
            }
            Value::Array(items) if items.iter().any(is_block) => {
                text.push('\n');
                write_items(items, depth + 1, text);
            }
            other => {
                text.push(' ');
                text.push_str(&inline(other));
                text.push('\n');
            }
        }
    }
}

fn write_items(items: &[Value], depth: usize, text: &mut String) {
    for item in items {
        text.push_str(&"  ".repeat(depth));
        text.push_str("- ");
        match item {
            Value::Object(members) if !members.is_empty() => write_members(members, depth + 1, text),
            other => {
                text.push_str(&inline(other));
                text.push('\n');
            }
        }
    }
}

/// Whether something needs lines of its own.
fn is_block(value: &Value) -> bool {
    matches!(value, Value::Object(members) if !members.is_empty())
}

/// Writes a value in flow style, which is JSON with fewer quotes.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains([',', '[', ']', '{', '}']) => quoted(text),
        Value::String(text) => scalar(text),
        // JSON is YAML.
        other => other.to_string(),
    }
}

/// A text without quotes where it cannot be taken for anything else.
fn scalar(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_./+-@$*%=~^() ".contains(character);
    let begins_well = text.starts_with(|first: char| first.is_ascii_alphanumeric() || "_/$.".contains(first));
    let is_url = text.split_once("://").is_some_and(|(scheme, rest)| {
        let is_plain = |character: char| is_plain(character) || "?&".contains(character);
        scheme.chars().all(|c| c.is_ascii_alphabetic())
            && rest
                .split(':')
                .all(|part| !part.is_empty() && part.chars().all(is_plain))
    });
    let is_safe =
        (text.chars().all(is_plain) || is_url) && begins_well && !text.ends_with(' ') && is_text(text);
    if is_safe && !old_words(text) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A text in quotes, with escapes for what YAML does not let stand as it is, or takes for the end of a line.
fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for character in node::quoted(text).chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => shown.push(other),
        }
    }
    shown
}

/// Words that readers of YAML 1.1 take for something else.
fn old_words(text: &str) -> bool {
    let words = ["y", "n", "yes", "no", "on", "off"];
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::cli::yaml::read;

    #[test]
    fn a_configuration_is_written_as_people_write_it() {
        let value = json!({"collections": [{
            "collection_name": "orders", "stream_enabled": true, "ttl_attribute": null,
            "destinations": [{
                "id": "http-3f9a", "endpoint": "http://127.0.0.1:9/x?a=1&b=2", "bearer_token": "********",
                "event_types": ["INSERT", "MODIFY"], "headers": {}, "timeout": "30s",
                "filter_criteria": {"new_image": {"status": ["paid", "no"], "total": [{"numeric": [">", 100]}]}},
            }],
        }]});
        let wanted = r#"collections:
  - collection_name: orders
    stream_enabled: true
    ttl_attribute: null
    destinations:
      - id: http-3f9a
        endpoint: http://127.0.0.1:9/x?a=1&b=2
        bearer_token: "********"
        event_types: [INSERT, MODIFY]
        headers: {}
        timeout: 30s
        filter_criteria:
          new_image:
            status: [paid, "no"]
            total:
              - numeric: [">", 100]
"#;
        assert_eq!(write(&value), wanted);
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            any::<String>(),
            "[ -~]{0,12}",
            "[:#\\-?,\\[\\]{}&*!|>'\"%@` a1]{0,6}"
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(text.clone(), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_written_reads_back_as_it_was(value in values()) {
            let written = write(&json!({ "a": value }));
            let documents = read(&written).map_err(|fault| TestCaseError::fail(format!("{fault:?}:\n{written}")))?;
            // As text, since reading a number from JSON may round it.
            prop_assert_eq!(documents[0].to_json(), json!({ "a": value }).to_string(), "{}", written);
        }
    }
}

//! What a plain scalar of YAML 1.2 stands for.

use super::node::Kind;

/// Resolves a scalar without quotes.
///
/// # Errors
/// For a number that JSON does not have: it would be sent as something else than it looks like.
pub(super) fn resolve(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        number if is_json_number(number) => Kind::Number(number.to_owned()),
        number if is_other_number(number) => {
            return Err(format!(
                "write the number {number} as JSON has it, or in quotes if it is a text"
            ));
        }
        text => Kind::Text(text.to_owned()),
    })
}

/// Whether the text means itself when it is written without quotes.
pub(super) fn is_text(text: &str) -> bool {
    matches!(resolve(text), Ok(Kind::Text(_)))
}

fn is_json_number(text: &str) -> bool {
    let Some(first) = text.bytes().next() else {
        return false;
    };
    // What begins so and is JSON is a number.
    (first == b'-' || first.is_ascii_digit())
        && !text.ends_with(char::is_whitespace)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// What the core schema of YAML takes for a number, and JSON does not.
fn is_other_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(
        unsigned.to_ascii_lowercase().as_str(),
        ".inf" | ".nan" | "-.inf" | "+.inf"
    ) {
        return true;
    }
    let is_radix = |prefix: &str, is_digit: fn(&u8) -> bool| {
        let digits = text.strip_prefix(prefix);
        digits.is_some_and(|digits| !digits.is_empty() && digits.as_bytes().iter().all(is_digit))
    };
    if is_radix("0x", u8::is_ascii_hexdigit) || is_radix("0o", |digit| (b'0'..=b'7').contains(digit)) {
        return true;
    }
    let mut digits = unsigned.bytes();
    let is_first = digits
        .next()
        .is_some_and(|first| first.is_ascii_digit() || first == b'.');
    is_first && unsigned.bytes().any(|byte| byte.is_ascii_digit()) && unsigned.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_those_of_yaml_1_2() {
        for (text, wanted) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("True", Kind::Bool(true)),
            (
                "0.12345678901234567890",
                Kind::Number("0.12345678901234567890".into()),
            ),
            ("-1e3", Kind::Number("-1e3".into())),
            ("no", Kind::Text("no".into())),
            ("30s", Kind::Text("30s".into())),
            ("1.2.3", Kind::Text("1.2.3".into())),
            ("127.0.0.1:80", Kind::Text("127.0.0.1:80".into())),
            ("-", Kind::Text("-".into())),
            ("NaN", Kind::Text("NaN".into())),
            ("12:30:45", Kind::Text("12:30:45".into())),
        ] {
            assert_eq!(resolve(text), Ok(wanted), "{text}");
        }
        for odd in ["+5", ".5", "5.", "007", "0x1F", "0o17", ".inf", "-.INF", ".NaN"] {
            assert!(resolve(odd).is_err(), "{odd}");
        }
    }
}

//! YAML as PyYAML's `safe_dump(value, default_flow_style=False, allow_unicode=True)` writes it.

use serde_json::Value;

/// A whole document.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => object(fields, 0, &mut text),
        Value::Array(items) if !items.is_empty() => list(items, 0, &mut text),
        Value::Object(_) | Value::Array(_) => {
            text.push_str(&scalar(value));
            text.push('\n');
        }
        // A bare scalar needs the mark that ends a document, unless it is quoted.
        _ => {
            let scalar = scalar(value);
            text.push_str(&scalar);
            text.push_str(if scalar.starts_with(['\'', '"']) { "\n" } else { "\n...\n" });
        }
    }
    text
}

fn object(fields: &serde_json::Map<String, Value>, indent: usize, text: &mut String) {
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&string(key));
        text.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                text.push_str(&" ".repeat(indent + 2));
                object(fields, indent + 2, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                list(items, indent, text);
            }
            other => {
                text.push(' ');
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

fn list(items: &[Value], indent: usize, text: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => object(fields, indent + 2, text),
            Value::Array(items) if !items.is_empty() => list(items, indent + 2, text),
            other => {
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => string(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

fn string(text: &str) -> String {
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        double_quoted(text)
    } else if text.is_empty() || means_something_else(text) || is_unsafe_plain(text) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.to_owned()
    }
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0' => quoted.push_str("\\0"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\u{1b}' => quoted.push_str("\\e"),
            '\u{85}' => quoted.push_str("\\N"),
            '\u{2028}' => quoted.push_str("\\L"),
            '\u{2029}' => quoted.push_str("\\P"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02X}", u32::from(c))),
            '\u{feff}' => quoted.push_str("\\uFEFF"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a plain text would be read as a boolean, null, number, date or merge key (YAML 1.1, as PyYAML resolves).
fn means_something_else(text: &str) -> bool {
    const WORDS: [&str; 8] = ["yes", "no", "true", "false", "on", "off", "null", "~"];
    // PyYAML knows these words in lower case, capitalized and in upper case.
    let spelt = |word: &str| {
        let capitalized = word.get(..1).map(|first| first.to_uppercase() + &word[1..]);
        text == word || text == word.to_uppercase() || Some(text) == capitalized.as_deref()
    };
    WORDS.into_iter().any(spelt) || matches!(text, "=" | "<<") || is_number(text) || is_date(text)
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let digits = |text: &str, valid: fn(&char) -> bool| {
        !text.is_empty() && text.chars().all(|c| c == '_' || valid(&c))
    };
    if let Some(rest) = unsigned.strip_prefix("0b") {
        return digits(rest, |c| matches!(c, '0' | '1'));
    }
    if let Some(rest) = unsigned.strip_prefix("0x") {
        return digits(rest, char::is_ascii_hexdigit);
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let decimal = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_digit());
    if decimal(unsigned) {
        // `09` is neither a decimal nor an octal number to YAML 1.1.
        return !unsigned.starts_with('0')
            || unsigned.len() == 1
            || unsigned[1..].chars().all(|c| matches!(c, '0'..='7' | '_'));
    }
    // Base 60, as in `1:30`.
    let mut parts = unsigned.split(':');
    if unsigned.contains(':') {
        let first = parts.next().unwrap_or_default();
        let rest: Vec<&str> = parts.collect();
        let (last, middle) = rest.split_last().unwrap_or((&"", &[]));
        let last = last.split_once('.').map_or(*last, |(whole, _)| whole);
        let sixty = |part: &str| part.len() <= 2 && part.parse::<u8>().is_ok_and(|number| number < 60);
        return decimal(first) && !first.is_empty() && middle.iter().all(|part| sixty(part)) && sixty(last);
    }
    // PyYAML wants a dot in a float, and a sign in its exponent.
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_is_one = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()))
    });
    mantissa.split_once('.').is_some_and(|(whole, fraction)| {
        decimal(whole)
            && decimal(fraction)
            && (!whole.is_empty() || fraction.starts_with(|c: char| c.is_ascii_digit() || c == '_'))
    }) && exponent_is_one
}

/// `2026-11-22` alone, or with a time behind it.
fn is_date(text: &str) -> bool {
    let digits = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit())
    };
    let (date, time) = match text.find(['T', 't', ' ', '\t']) {
        Some(index) => (&text[..index], Some(text[index + 1..].trim_start())),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let (Some(year), Some(month), Some(day)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some(time) = time else { return digits(year, 4, 4) && digits(month, 2, 2) && digits(day, 2, 2) };
    if !(digits(year, 4, 4) && digits(month, 1, 2) && digits(day, 1, 2)) {
        return false;
    }
    let clock = time.find(['Z', '+', '-']).map_or(time, |index| time[..index].trim_end());
    let mut parts = clock.splitn(3, ':');
    let (Some(hour), Some(minute), Some(second)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    digits(hour, 1, 2) && digits(minute, 2, 2) && digits(second, 2, 2) && digits(fraction, 0, usize::MAX)
}

/// Whether a plain text would be read as YAML's own signs.
fn is_unsafe_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return true };
    let second_is_space = text.chars().nth(1).is_none_or(char::is_whitespace);
    let leading = match first {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            true
        }
        '?' | ':' | '-' => second_is_space,
        _ => false,
    };
    leading
        || text.starts_with(' ')
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #")
        || text.starts_with("---")
        || text.starts_with("...")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_as_azure_cli_prints_it() {
        let token = json!({
            "tokenType": "Bearer",
            "accessToken": "<JWT>",
            "expires_on": 1_795_377_838,
            "expiresOn": "2026-11-22 20:03:58.000000",
            "tenant": "11111111-1111-1111-1111-111111111111",
        });
        insta::assert_snapshot!(document(&token), @r"
        accessToken: <JWT>
        expiresOn: '2026-11-22 20:03:58.000000'
        expires_on: 1795377838
        tenant: 11111111-1111-1111-1111-111111111111
        tokenType: Bearer
        ");
    }

    #[test]
    fn nested_values_are_indented_as_pyyaml_does() {
        let value = json!([{"a": [], "b": [1, {"c": null}], "d": {"e": true}}, [1, 2], {}]);
        insta::assert_snapshot!(document(&value), @r"
        - a: []
          b:
          - 1
          - c: null
          d:
            e: true
        - - 1
          - 2
        - {}
        ");
        assert_eq!(document(&json!("Bearer")), "Bearer\n...\n");
        assert_eq!(document(&json!(5)), "5\n...\n");
        assert_eq!(document(&json!("5")), "'5'\n");
    }

    #[test]
    fn texts_that_mean_something_else_are_quoted() {
        for text in [
            "",
            "yes",
            "Yes",
            "NO",
            "on",
            "null",
            "~",
            "1",
            "-1",
            "0x1f",
            "017",
            "1_000",
            "1.5",
            "1.",
            ".5",
            "1e3x",
            "1:30",
            "2026-11-22",
            "=",
            "- a",
            "a: b",
            "a #b",
            "a:",
            " a",
            "a ",
            "'a",
            "@a",
            "{a",
            "*a",
            "#a",
        ] {
            let quoted = string(text).starts_with('\'');
            assert_eq!(quoted, text != "1e3x", "{text}");
        }
        for text in
            ["yEs", "08", "-a", "a:b", "a#b", "Sub One", "a-b", "1-2", "https://x/", "1.2.3", "1e5", "it's"]
        {
            assert_eq!(string(text), text);
        }
        assert_eq!(string("a\tb\n"), "\"a\\tb\\n\"");
        assert_eq!(string("'"), "''''");
    }
}

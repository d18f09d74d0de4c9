//! JSON as Python reads and writes it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{Object, Origin, Value};

/// As `json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)`.
pub(crate) fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_pretty(value, 0, &mut text);
    text
}

/// As `json.dumps(value, separators=(',', ':'))`: ASCII only, fields in their own order.
pub(crate) fn compact(value: &Value) -> String {
    let mut text = String::new();
    write_compact(value, &mut text);
    text
}

/// A text with its quotes and escapes.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::new();
    write_string(text, false, &mut quoted);
    quoted
}

/// What is no list and no object, or an empty one.
pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Float(number) if !number.is_finite() => if number.is_nan() {
            "NaN"
        } else if *number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned(),
        Value::Text(text) => string(text),
        Value::List(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        number => number.python(),
    }
}

fn write_pretty(value: &Value, indent: usize, text: &mut String) {
    let line = |text: &mut String, indent: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent));
    };
    match value {
        Value::List(items) if !items.is_empty() => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                line(text, indent + 2);
                write_pretty(item, indent + 2, text);
            }
            line(text, indent);
            text.push(']');
        }
        Value::Object(object) if !object.is_empty() => {
            text.push('{');
            for (index, (name, value)) in object.sorted().into_iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                line(text, indent + 2);
                write_string(name, false, text);
                text.push_str(": ");
                write_pretty(value, indent + 2, text);
            }
            line(text, indent);
            text.push('}');
        }
        Value::Text(content) => write_string(content, false, text),
        other => text.push_str(&scalar(other)),
    }
}

fn write_compact(value: &Value, text: &mut String) {
    match value {
        Value::List(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write_compact(item, text);
            }
            text.push(']');
        }
        Value::Object(object) => {
            text.push('{');
            for (index, (name, value)) in object.iter().enumerate() {
                text.push_str(if index > 0 { "," } else { "" });
                write_string(name, true, text);
                text.push(':');
                write_compact(value, text);
            }
            text.push('}');
        }
        Value::Text(content) => write_string(content, true, text),
        other => text.push_str(&scalar(other)),
    }
}

fn write_string(content: &str, ascii: bool, text: &mut String) {
    text.push('"');
    for c in content.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c < ' ' || (ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

/// As `json.loads` reads it, with its numbers that JSON does not have; `None` for what is no JSON.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text, depth: 0 };
    let value = reader.value()?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

/// How deep what is read may be nested, far above what anybody writes: the stack has to hold all of it.
const DEEPEST: usize = 128;

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.rest.strip_prefix(word);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self) -> Option<Value> {
        self.space();
        let words = [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        if let Some((_, value)) = words.into_iter().find(|(word, _)| self.take(word)) {
            return Some(value);
        }
        if self.take("\"") {
            return self.string().map(Value::from);
        }
        if !self.rest.starts_with(['[', '{']) {
            return self.number();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = if self.take("[") { self.list() } else { self.object() };
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Option<Value> {
        let mut items = Vec::new();
        self.space();
        if self.take("]") {
            return Some(items.into());
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take("]") {
                return Some(items.into());
            }
            self.take(",").then_some(())?;
        }
    }

    fn object(&mut self) -> Option<Value> {
        self.take("{").then_some(())?;
        let mut object = Object::new(Origin::Data);
        self.space();
        let mut ended = self.take("}");
        while !ended {
            self.space();
            self.take("\"").then_some(())?;
            let name = self.string()?;
            self.space();
            self.take(":").then_some(())?;
            object.put(name.into(), self.value()?);
            self.space();
            ended = self.take("}");
            (ended || self.take(",")).then_some(())?;
        }
        Some(Value::Object(Arc::new(object)))
    }

    fn number(&mut self) -> Option<Value> {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let text = self.rest;
        let sign = usize::from(text.starts_with('-'));
        let whole = match digits(&text[sign..]) {
            0 => return None,
            // Nothing follows a leading zero; what does is no part of the number.
            _ if text[sign..].starts_with('0') => 1,
            count => count,
        };
        let mut end = sign + whole;
        let mut is_integer = true;
        if text[end..].starts_with('.') && digits(&text[end + 1..]) > 0 {
            end += 1 + digits(&text[end + 1..]);
            is_integer = false;
        }
        if text[end..].starts_with(['e', 'E']) {
            let signed = end + 1 + usize::from(text[end + 1..].starts_with(['+', '-']));
            if digits(&text[signed..]) > 0 {
                end = signed + digits(&text[signed..]);
                is_integer = false;
            }
        }
        self.rest = &text[end..];
        let integer = if is_integer { text[..end].parse().ok().map(Value::Integer) } else { None };
        integer.or_else(|| text[..end].parse().ok().map(Value::Float))
    }

    /// The rest of a string behind its first quote.
    fn string(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let mut chars = self.rest.chars();
            let c = chars.next()?;
            self.rest = chars.as_str();
            match c {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                c if c < ' ' => return None,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        match c {
            '"' | '\\' | '/' => Some(c),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'u' => {
                let first = self.unit()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first);
                }
                self.take("\\u").then_some(())?;
                let second = self.unit()?;
                char::decode_utf16([first, second].map(|unit| unit as u16)).next()?.ok()
            }
            _ => None,
        }
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))?;
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_reads_is_written_as_python_writes_it() {
        for (json, compacted) in [
            (" [ ] ", "[]"),
            ("{}", "{}"),
            (r#"{"b":1,"a":[{"c":null}]}"#, r#"{"b":1,"a":[{"c":null}]}"#),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            ("[1, -0, 1.0, 1e2, 1E-7, 0.10]", "[1,0,1.0,100.0,1e-07,0.1]"),
            ("[NaN, Infinity, -Infinity, 1e999]", "[NaN,Infinity,-Infinity,Infinity]"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            (
                r#""\u00e9\ud83d\ude00é\/\b\f\n\r\t\u0001\"\\""#,
                r#""\u00e9\ud83d\ude00\u00e9/\b\f\n\r\t\u0001\"\\""#,
            ),
        ] {
            assert_eq!(parse(json).map(|value| compact(&value)).as_deref(), Some(compacted), "{json}");
        }
        for json in [
            "",
            "a",
            "[",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "--1",
            "'a'",
            "\"",
            "\"\n\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "nul",
            "true false",
            "\u{a0}1",
        ] {
            assert!(parse(json).is_none(), "{json}");
        }
        assert!(parse(&"[".repeat(100_000)).is_none());
    }

    #[test]
    fn the_pretty_form_is_sorted_by_code_point_and_not_ascii() {
        let value = parse(r#"{"b": [], "a": {"é": "é\u0001", "Z": [1, {}], "_": null}}"#).unwrap();
        insta::assert_snapshot!(pretty(&value), @r#"
        {
          "a": {
            "Z": [
              1,
              {}
            ],
            "_": null,
            "é": "é\u0001"
          },
          "b": []
        }
        "#);
    }
}

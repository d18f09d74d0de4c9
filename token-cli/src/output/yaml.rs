//! YAML as PyYAML's `safe_dump(value, default_flow_style=False, allow_unicode=True)` writes it, folded lines and
//! references to what came before included.

mod references;
mod scalar;

use self::references::{Mark, References};
use self::scalar::Style;
use crate::value::{Object, Value, float};

/// A whole document.
pub(super) fn document(value: &Value) -> String {
    let mut writer = Writer {
        text: String::new(),
        indent: None,
        column: 0,
        after_space: true,
        at_indent: true,
        references: References::within(value),
    };
    let ended = writer.node(value, Place::Root);
    writer.new_line_at_indent();
    if ended == Ended::Open {
        writer.text.push_str("...\n");
    }
    writer.text
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Root,
    /// In a list.
    Item,
    /// Behind a key.
    Field,
    /// Before a colon, on one line.
    Key,
}

/// Whether a reader knows that the value is over. Of a plain text that is the whole document it does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    Closed,
    Open,
}

/// How many columns a level is indented.
const INDENT: usize = 2;
/// Behind this column a text goes on in the next line.
const WIDTH: usize = 80;
/// The longest key that stands on one line with its value, with the five of its tag that PyYAML counts and never writes.
const LONGEST_KEY: usize = 127 - 5;

struct Writer {
    text: String,
    /// `None` outside of everything.
    indent: Option<usize>,
    column: usize,
    /// Whether nothing is needed before the next word.
    after_space: bool,
    /// Whether this line holds nothing but indentation and signs that indent too, such as `-`.
    at_indent: bool,
    references: References,
}

impl Writer {
    fn node(&mut self, value: &Value, place: Place) -> Ended {
        match self.references.mark(value) {
            Some(Mark::Again(name)) => {
                self.sign(&format!("*{name}"), false);
                return Ended::Closed;
            }
            Some(Mark::First(name)) => self.sign(&format!("&{name}"), false),
            None => {}
        }
        match value {
            Value::List(items) if !items.is_empty() => self.list(items, place),
            Value::Object(object) if !object.is_empty() => self.object(object),
            Value::List(_) => self.sign("[]", false),
            Value::Object(_) => self.sign("{}", false),
            Value::Text(text) => return self.scalar(text, Style::of(text, place == Place::Key), place),
            Value::Null => return self.scalar("null", Style::Plain, place),
            Value::Bool(truth) => return self.scalar(&truth.to_string(), Style::Plain, place),
            Value::Integer(number) => return self.scalar(&number.to_string(), Style::Plain, place),
            Value::Float(number) => return self.scalar(&float_text(*number), Style::Plain, place),
        }
        Ended::Closed
    }

    fn list(&mut self, items: &[Value], place: Place) {
        // Behind a key, the dashes stand in the column of the keys.
        let outer = self.indent;
        if place != Place::Field || self.at_indent {
            self.deeper();
        }
        for item in items {
            self.new_line_at_indent();
            self.indenting_sign("-");
            self.node(item, Place::Item);
        }
        self.indent = outer;
    }

    fn object(&mut self, object: &Object) {
        let outer = self.indent;
        self.deeper();
        for (name, value) in object.sorted() {
            self.new_line_at_indent();
            if scalar::fits_one_line(name) && name.chars().count() <= LONGEST_KEY {
                self.scalar(name, Style::of(name, true), Place::Key);
                self.text.push(':');
                self.column += 1;
                (self.after_space, self.at_indent) = (false, false);
            } else {
                self.indenting_sign("?");
                self.scalar(name, Style::of(name, false), Place::Field);
                self.new_line_at_indent();
                self.indenting_sign(":");
            }
            self.node(value, Place::Field);
        }
        self.indent = outer;
    }

    fn deeper(&mut self) {
        self.indent = Some(self.indent.map_or(0, |indent| indent + INDENT));
    }

    fn scalar(&mut self, text: &str, style: Style, place: Place) -> Ended {
        let outer = self.indent;
        // A text that goes on in the next line is indented more than what it belongs to.
        self.indent = Some(outer.map_or(INDENT, |indent| indent + INDENT));
        self.write(text, style, place != Place::Key);
        self.indent = outer;
        if place == Place::Root && style == Style::Plain { Ended::Open } else { Ended::Closed }
    }

    /// A word of YAML's own.
    fn sign(&mut self, sign: &str, indents: bool) {
        if !self.after_space {
            self.put(" ");
        }
        self.put(sign);
        self.after_space = false;
        self.at_indent = self.at_indent && indents;
    }

    fn indenting_sign(&mut self, sign: &str) {
        self.sign(sign, true);
    }

    fn put(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn line_break(&mut self, with: char) {
        self.text.push(with);
        self.column = 0;
        (self.after_space, self.at_indent) = (true, true);
    }

    /// Goes to the column of the indent, in a new line unless this one has nothing there yet.
    fn new_line_at_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.at_indent || self.column > indent || (self.column == indent && !self.after_space) {
            self.line_break('\n');
        }
        if self.column < indent {
            self.put(&" ".repeat(indent - self.column));
            self.after_space = true;
        }
    }
}

fn float_text(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() {
            ".nan"
        } else if number > 0.0 {
            ".inf"
        } else {
            "-.inf"
        }
        .to_owned();
    }
    let text = float(number);
    // To YAML 1.1, a number with an exponent and no point is a text.
    if text.contains('.') { text } else { text.replacen('e', ".0e", 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    fn yaml(json: &str) -> String {
        document(&json::parse(json).unwrap())
    }

    #[test]
    fn a_token_is_as_azure_cli_prints_it() {
        let token = r#"{
            "tokenType": "Bearer",
            "accessToken": "<JWT>",
            "expires_on": 1795377838,
            "expiresOn": "2026-11-22 20:03:58.000000",
            "tenant": "11111111-1111-1111-1111-111111111111"
        }"#;
        insta::assert_snapshot!(yaml(token), @r"
        accessToken: <JWT>
        expiresOn: '2026-11-22 20:03:58.000000'
        expires_on: 1795377838
        tenant: 11111111-1111-1111-1111-111111111111
        tokenType: Bearer
        ");
    }

    #[test]
    fn nested_values_are_indented_as_pyyaml_does() {
        let value =
            r#"[{"a": [], "b": [1, {"c": null}], "d": {"e": true}}, [1, [2]], {}, 1e16, 0.5, Infinity]"#;
        insta::assert_snapshot!(yaml(value), @r"
        - a: []
          b:
          - 1
          - c: null
          d:
            e: true
        - - 1
          - - 2
        - {}
        - 1.0e+16
        - 0.5
        - .inf
        ");
        for (json, text) in [
            ("\"Bearer\"", "Bearer\n...\n"),
            ("5", "5\n...\n"),
            ("\"5\"", "'5'\n"),
            ("[]", "[]\n"),
            ("{}", "{}\n"),
        ] {
            assert_eq!(yaml(json), text);
        }
    }

    #[test]
    fn long_texts_are_folded_at_spaces() {
        let words = "word ".repeat(20);
        let value = format!(
            r#"{{"plain": "{0}end", "single": "{0}it's: end", "double": "{0}\tend", "two lines": "a\nb"}}"#,
            words
        );
        insta::assert_snapshot!(yaml(&value), @r#"
        double: "word word word word word word word word word word word word word word word\
          \ word word word word word \tend"
        plain: word word word word word word word word word word word word word word word
          word word word word word end
        single: 'word word word word word word word word word word word word word word word
          word word word word word it''s: end'
        two lines: 'a

          b'
        "#);
        let key = "k".repeat(LONGEST_KEY);
        assert_eq!(yaml(&format!(r#"{{"{key}": 1}}"#)), format!("{key}: 1\n"));
        assert_eq!(yaml(&format!(r#"{{"{key}k": 1, "": 2}}"#)), format!("? ''\n: 2\n? {key}k\n: 1\n"));
    }
}

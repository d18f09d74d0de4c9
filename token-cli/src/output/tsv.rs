//! Lines of values with tabs between, as Azure CLI prints them.

use super::rows;
use crate::value::{Object, Origin, Value};

/// A list is one line an item. Objects that no query made are in the order of their keys.
pub(super) fn document(value: &Value) -> String {
    rows(value).iter().map(|row| line(row) + "\n").collect()
}

fn line(row: &Value) -> String {
    match row {
        Value::Object(object) => values(object).into_iter().map(cell).collect::<Vec<_>>().join("\t"),
        Value::List(items) => items.iter().map(cell).collect::<Vec<_>>().join("\t"),
        Value::Bool(truth) => truth.to_string(),
        scalar => scalar.text(),
    }
}

fn values(object: &Object) -> Vec<&Value> {
    match object.origin() {
        Origin::Query => object.iter().map(|(_, value)| value).collect(),
        Origin::Data => object.sorted().into_iter().map(|(_, value)| value).collect(),
    }
}

/// What is nested shows its length if it is a list, and nothing if it is an object; the rest is as Python's `str`.
fn cell(value: &Value) -> String {
    match value {
        Value::List(items) => items.len().to_string(),
        Value::Object(_) => String::new(),
        scalar => scalar.text(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    #[test]
    fn rows_are_azure_clis() {
        for (value, text) in [
            (r#"{"b": 1, "a": "x y", "c": null}"#, "x y\t1\tNone\n"),
            (
                r#"[true, [], {"type": "user", "name": "u@c"}, null, [null, true, [1, 2], {}, 1.0], "a\tb"]"#,
                "true\n\nu@c\tuser\nNone\nNone\tTrue\t2\t\t1.0\na\tb\n",
            ),
            ("[]", ""),
            ("false", "false\n"),
            ("{}", "\n"),
        ] {
            assert_eq!(document(&json::parse(value).unwrap()), text, "{value}");
        }
    }
}

//! What a command has found out, in the format that was asked for. All of stdout goes through here.

mod table;
mod yaml;

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::args::Format;
use crate::report::Failure;

pub(crate) use table::{Column, Table};

/// Prints a text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints a value; JSON where no format was asked for.
pub(crate) fn value(format: Option<Format>, value: &Value) -> Result<(), Failure> {
    text(&render(format.unwrap_or(Format::Json), value))
}

/// Prints a list: as a table for people where stdout is a terminal or one was asked for, else as a value.
pub(crate) fn list(format: Option<Format>, list: &Value, table: &Table) -> Result<(), Failure> {
    match format {
        Some(Format::Table) => text(&table.render(width())),
        None if io::stdout().is_terminal() => text(&table.render(width())),
        format => value(format, list),
    }
}

fn render(format: Format, value: &Value) -> String {
    match format {
        // Colour is for terminals; a pipe gets the plain form of both.
        Format::Json | Format::Jsonc => json(value),
        Format::Yaml | Format::Yamlc => yaml::document(value),
        Format::Table => table::generic(value),
        Format::Tsv => tsv(value),
        Format::None => String::new(),
    }
}

/// As Python's `json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)` with a newline behind it.
fn json(value: &Value) -> String {
    // serde_json's own pretty form agrees with Python's byte for byte, empty lists and escapes included.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// A list is one line an item, an object one line; values are in the order of their keys.
fn tsv(value: &Value) -> String {
    let rows = match value {
        Value::Array(rows) => rows.as_slice(),
        row => std::slice::from_ref(row),
    };
    let line = |row: &Value| match row {
        Value::Object(fields) => fields.values().map(tsv_cell).collect::<Vec<_>>().join("\t"),
        Value::Array(items) => items.iter().map(tsv_cell).collect::<Vec<_>>().join("\t"),
        Value::Bool(truth) => truth.to_string(),
        scalar => tsv_cell(scalar),
    };
    rows.iter().map(|row| line(row) + "\n").collect()
}

/// What is nested shows its length if it is a list, and nothing if it is an object; the rest is as Python's `str`.
fn tsv_cell(value: &Value) -> String {
    match value {
        Value::Array(items) => items.len().to_string(),
        Value::Object(_) => String::new(),
        scalar => scalar_text(scalar),
    }
}

/// A scalar as Python's `str` writes it.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How many columns stdout shows; `None` where it is no terminal and nothing needs to fit.
fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col.into()).filter(|&width| width > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn token() -> Value {
        json!({
            "tokenType": "Bearer",
            "accessToken": "<JWT>",
            "expires_on": 1_795_377_838,
            "expiresOn": "2026-11-22 20:03:58.000000",
            "tenant": "11111111-1111-1111-1111-111111111111",
            "subscription": "aaaaaaaa-0000-0000-0000-000000000001",
        })
    }

    #[test]
    fn json_is_azure_clis() {
        insta::assert_snapshot!(render(Format::Json, &token()), @r#"
        {
          "accessToken": "<JWT>",
          "expiresOn": "2026-11-22 20:03:58.000000",
          "expires_on": 1795377838,
          "subscription": "aaaaaaaa-0000-0000-0000-000000000001",
          "tenant": "11111111-1111-1111-1111-111111111111",
          "tokenType": "Bearer"
        }
        "#);
        assert_eq!(render(Format::Json, &json!([])), "[]\n");
        assert_eq!(
            render(Format::Json, &json!({"a": [], "b": "é\u{1}"})),
            "{\n  \"a\": [],\n  \"b\": \"é\\u0001\"\n}\n"
        );
    }

    #[test]
    fn tsv_is_azure_clis() {
        assert_eq!(
            render(Format::Tsv, &token()),
            "<JWT>\t2026-11-22 20:03:58.000000\t1795377838\taaaaaaaa-0000-0000-0000-000000000001\t\
             11111111-1111-1111-1111-111111111111\tBearer\n"
        );
        let rows =
            json!([true, [], {"name": "user@contoso.com", "type": "user"}, null, [null, true, [1, 2], {}]]);
        assert_eq!(render(Format::Tsv, &rows), "true\n\nuser@contoso.com\tuser\nNone\nNone\tTrue\t2\t\n");
        assert_eq!(render(Format::Tsv, &json!([])), "");
    }

    #[test]
    fn a_table_is_azure_clis() {
        insta::assert_snapshot!(render(Format::Table, &token()), @r"
        AccessToken    ExpiresOn                   Expires_on    Subscription                          Tenant                                TokenType
        -------------  --------------------------  ------------  ------------------------------------  ------------------------------------  -----------
        <JWT>          2026-11-22 20:03:58.000000  1795377838    aaaaaaaa-0000-0000-0000-000000000001  11111111-1111-1111-1111-111111111111  Bearer
        ");
        assert_eq!(render(Format::Table, &json!([])), "\n");
    }

    #[test]
    fn none_is_nothing() {
        assert_eq!(render(Format::None, &token()), "");
    }
}

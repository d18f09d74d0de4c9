//! What a command has found out, in the format that was asked for. All of stdout goes through here.

mod colour;
mod lines;
mod table;
mod tabulate;
mod tsv;
mod yaml;

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::args::{Format, Output};
use crate::program;
use crate::query;
use crate::report::Failure;
use crate::value::{Value, json};

pub(crate) use table::{Column, Table};

/// How people are shown a value where nothing was typed about that.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// As JSON.
    Value,
    /// As this text.
    Text(&'a str),
    /// As this table on a terminal, as JSON elsewhere.
    List(&'a Table),
}

/// Prints a text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Prints a value, or what a query finds in it, as it was asked for. Under the name of Azure CLI that is always as
/// Azure CLI does.
pub(crate) fn print(typed: &Output, value: impl Into<Value>, shape: Shape<'_>) -> Result<(), Failure> {
    let value = value.into();
    if let Some(query) = &typed.query {
        let found = query.search(&value).map_err(|error| {
            Failure::new(format!("Invalid jmespath query supplied for `--query`: {error}")).hint(query::HELP)
        })?;
        return show(typed.format, &found, Columns::AsQueried);
    }
    let az_columns = match shape {
        Shape::List(table) => table.az_columns().map_or(Columns::Sorted, Columns::These),
        Shape::Value | Shape::Text(_) => Columns::Sorted,
    };
    match (typed.format, shape) {
        _ if program::is_az() => show(typed.format, &value, az_columns),
        (None, Shape::Text(shown)) => text(shown),
        (Some(Format::Table), Shape::List(shown)) => table(shown),
        (None, Shape::List(shown)) if io::stdout().is_terminal() => table(shown),
        (format, _) => show(format, &value, Columns::Sorted),
    }
}

/// Prints a table for people.
pub(crate) fn table(table: &Table) -> Result<(), Failure> {
    text(&table.render(width(), has_colours()))
}

fn show(format: Option<Format>, value: &Value, columns: Columns) -> Result<(), Failure> {
    let plain = render(format, value, columns);
    text(&match format {
        Some(Format::Jsonc) if has_colours() => colour::json(&plain),
        Some(Format::Yamlc) if has_colours() => colour::yaml(&plain),
        _ => plain,
    })
}

/// As for Azure CLI, only where both outputs are a terminal.
fn has_colours() -> bool {
    allows_colours() && io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// Whether the user wants colours where they can be seen.
pub(crate) fn allows_colours() -> bool {
    !PLAIN.load(Ordering::Relaxed)
}

/// Leaves the colours away, as the user wants it.
pub(crate) fn without_colours() {
    PLAIN.store(true, Ordering::Relaxed);
}

static PLAIN: AtomicBool = AtomicBool::new(false);

/// Which columns Azure CLI's table has.
#[derive(Clone, Copy, Debug)]
enum Columns {
    /// All fields, in the order of their names.
    Sorted,
    /// All fields, in the order of the query.
    AsQueried,
    /// These titles for these fields.
    These(&'static [(&'static str, &'static str)]),
}

/// As Azure CLI does; JSON where no format was asked for. Nothing found is nothing printed.
fn render(format: Option<Format>, value: &Value, columns: Columns) -> String {
    if value.is_null() {
        return String::new();
    }
    match format.unwrap_or(Format::Json) {
        Format::Json | Format::Jsonc => json::pretty(value) + "\n",
        Format::Yaml | Format::Yamlc => yaml::document(value),
        Format::Table => tabulate::document(value, columns),
        Format::Tsv => tsv::document(value),
        Format::None => String::new(),
    }
}

/// The items of a list, or the one value that is none.
fn rows(value: &Value) -> &[Value] {
    match value {
        Value::List(rows) => rows,
        row => std::slice::from_ref(row),
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
    use super::*;

    fn token() -> Value {
        Value::object([
            ("tokenType", "Bearer".into()),
            ("accessToken", "<JWT>".into()),
            ("expires_on", 1_795_377_838.into()),
            ("expiresOn", "2026-11-22 20:03:58.000000".into()),
            ("tenant", "11111111-1111-1111-1111-111111111111".into()),
            ("subscription", "aaaaaaaa-0000-0000-0000-000000000001".into()),
        ])
    }

    fn shown(format: Format, value: &Value) -> String {
        render(Some(format), value, Columns::Sorted)
    }

    /// The way of a query to its text.
    fn queried(format: Format, query: &str) -> String {
        let query: query::Query = query.parse().unwrap();
        render(Some(format), &query.search(&token()).unwrap(), Columns::AsQueried)
    }

    #[test]
    fn json_is_azure_clis() {
        insta::assert_snapshot!(shown(Format::Json, &token()), @r#"
        {
          "accessToken": "<JWT>",
          "expiresOn": "2026-11-22 20:03:58.000000",
          "expires_on": 1795377838,
          "subscription": "aaaaaaaa-0000-0000-0000-000000000001",
          "tenant": "11111111-1111-1111-1111-111111111111",
          "tokenType": "Bearer"
        }
        "#);
        assert_eq!(shown(Format::Jsonc, &token()), shown(Format::Json, &token()));
    }

    #[test]
    fn what_a_query_finds_is_printed_as_azure_cli_does() {
        for (format, query, text) in [
            (Format::Tsv, "accessToken", "<JWT>\n"),
            (Format::Json, "expiresOn", "\"2026-11-22 20:03:58.000000\"\n"),
            (
                Format::Table,
                "{t:tokenType, e:expires_on}",
                "T       E\n------  ----------\nBearer  1795377838\n",
            ),
            (Format::Tsv, "{t:tokenType, e:expires_on}", "Bearer\t1795377838\n"),
            (
                Format::Json,
                "{t:tokenType, e:expires_on}",
                "{\n  \"e\": 1795377838,\n  \"t\": \"Bearer\"\n}\n",
            ),
            (Format::Yaml, "{t:tokenType, e:expires_on}", "e: 1795377838\nt: Bearer\n"),
            (Format::Tsv, "[tokenType, expires_on]", "Bearer\n1795377838\n"),
            (Format::Tsv, "[nosuch, tokenType]", "None\nBearer\n"),
            (Format::Yaml, "tokenType", "Bearer\n...\n"),
            (Format::Yaml, "expires_on", "1795377838\n...\n"),
            (Format::Table, "tokenType", "Result\n--------\nBearer\n"),
            (Format::Json, "`[]`", "[]\n"),
            (Format::Tsv, "`[]`", ""),
            (Format::Table, "`[]`", "\n"),
            (Format::Tsv, "`true`", "true\n"),
            (Format::Json, "`false`", "false\n"),
            (Format::None, "tokenType", ""),
            (
                Format::Json,
                "to_string(keys(@))",
                "\"[\\\"tokenType\\\",\\\"accessToken\\\",\\\"expires_on\\\",\\\"expiresOn\\\",\\\"tenant\\\",\
                 \\\"subscription\\\"]\"\n",
            ),
        ] {
            assert_eq!(queried(format, query), text, "{query}");
        }
        for format in [Format::Json, Format::Jsonc, Format::Yaml, Format::Yamlc, Format::Table, Format::Tsv] {
            assert_eq!(queried(format, "nosuch"), "");
        }
    }

    #[test]
    fn a_table_is_azure_clis() {
        insta::assert_snapshot!(shown(Format::Table, &token()), @r"
        AccessToken    ExpiresOn                   Expires_on    Subscription                          Tenant                                TokenType
        -------------  --------------------------  ------------  ------------------------------------  ------------------------------------  -----------
        <JWT>          2026-11-22 20:03:58.000000  1795377838    aaaaaaaa-0000-0000-0000-000000000001  11111111-1111-1111-1111-111111111111  Bearer
        ");
    }

    #[test]
    fn none_is_nothing() {
        assert_eq!(shown(Format::None, &token()), "");
    }
}

//! Azure CLI's table of any value: the form that Python's `tabulate` calls simple.

use std::sync::Arc;

use super::lines::{is_space, lines};
use super::{Columns, rows};
use crate::value::{Object, Origin, Value};

/// Without `id`, `type`, `etag`, null and nested values. Columns stand in the order in which rows first have them.
pub(super) fn document(value: &Value, columns: Columns) -> String {
    let rows: Vec<Object> = rows(value).iter().map(|row| fields(row, columns)).collect();
    let mut titles: Vec<&str> = Vec::new();
    for (title, _) in rows.iter().flat_map(Object::iter) {
        if !titles.contains(&&**title) {
            titles.push(title);
        }
    }
    let cell = |row: &Object, title: &&str| match row.get(title) {
        None | Some(Value::Null) => String::new(),
        Some(value) => value.text(),
    };
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| titles.iter().map(|title| cell(row, title)).collect()).collect();
    let titles: Vec<String> = titles.into_iter().map(str::to_owned).collect();
    lay_out(&titles, &cells)
}

/// What one row shows, by title.
fn fields(row: &Value, columns: Columns) -> Object {
    let mut fields = Object::new(Origin::Query);
    match (row, columns) {
        (Value::Object(object), Columns::These(columns)) => {
            for (title, name) in columns {
                let value = object.get(name).cloned().unwrap_or(Value::Null);
                if is_shown(&value) {
                    fields.put((*title).into(), value);
                }
            }
        }
        (Value::Object(object), _) => {
            let all =
                if matches!(columns, Columns::Sorted) { object.sorted() } else { object.iter().collect() };
            for (name, value) in all {
                if !matches!(&**name, "id" | "type" | "etag") && is_shown(value) {
                    fields.put(capitalized(name), value.clone());
                }
            }
        }
        (Value::List(items), _) => {
            for (index, item) in items.iter().enumerate() {
                fields.put(format!("Column{}", index + 1).into(), item.clone());
            }
        }
        (scalar, _) => fields.put("Result".into(), scalar.clone()),
    }
    fields
}

fn is_shown(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::List(_) | Value::Object(_))
}

fn capitalized(name: &str) -> Arc<str> {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect::<String>()).unwrap_or_default().into()
}

/// A title is never narrower than this with the room behind it.
const PADDING: usize = 2;
const GAP: &str = "  ";

fn lay_out(titles: &[String], rows: &[Vec<String>]) -> String {
    if titles.is_empty() {
        return "\n".to_owned();
    }
    // Where one cell has several lines, everything is laid out as lines, and what has none is left out.
    let in_lines = titles.iter().chain(rows.iter().flatten()).any(|cell| cell.contains(['\r', '\n']));
    let pieces = |text: &str| -> Vec<String> {
        if in_lines { text.split(['\r', '\n']).map(str::to_owned).collect() } else { vec![text.to_owned()] }
    };
    let width_of = |text: &str| pieces(text).iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let stripped = |cell: &String| cell.trim_matches(is_space).to_owned();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(stripped).collect()).collect();
    let width = |(index, title): (usize, &String)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| width_of(cell));
        cells.max().unwrap_or(0).max(width_of(title) + PADDING)
    };
    let widths: Vec<usize> = titles.iter().enumerate().map(width).collect();
    let title = |(title, width): (&String, &usize)| {
        let padded: Vec<String> = pieces(title).iter().map(|line| padded(line, *width)).collect();
        let padded = padded.join("\n");
        if in_lines { lines(&padded).map(|(line, _)| line.to_owned()).collect() } else { vec![padded] }
    };
    let cell = |(cell, width): (&String, &usize)| {
        if in_lines {
            lines(cell).map(|(line, _)| padded(line, *width)).collect()
        } else {
            vec![padded(cell, *width)]
        }
    };
    let mut text = String::new();
    push(&mut text, &titles.iter().zip(&widths).map(title).collect::<Vec<_>>(), &widths);
    push(&mut text, &widths.iter().map(|&width| vec!["-".repeat(width)]).collect::<Vec<_>>(), &widths);
    for row in &rows {
        push(&mut text, &row.iter().zip(&widths).map(cell).collect::<Vec<_>>(), &widths);
    }
    text
}

fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

/// A row of cells with as many lines as the tallest has.
fn push(text: &mut String, cells: &[Vec<String>], widths: &[usize]) {
    for number in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
        let line = |(cell, width): (&Vec<String>, &usize)| {
            cell.get(number).cloned().unwrap_or_else(|| " ".repeat(*width))
        };
        let line = cells.iter().zip(widths).map(line).collect::<Vec<_>>().join(GAP);
        text.push_str(line.trim_end_matches(is_space));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::json;

    fn table(json: &str, columns: Columns) -> String {
        document(&json::parse(json).unwrap(), columns)
    }

    #[test]
    fn columns_stand_as_rows_have_them() {
        let rows = r#"[{"b": 1, "a": true, "id": "x", "n": null, "l": []}, {"c": 1.5, "a": "é"}, "s", [1, null, {}]]"#;
        insta::assert_snapshot!(table(rows, Columns::Sorted), @r"
        A     B    C    Result    Column1    Column2    Column3
        ----  ---  ---  --------  ---------  ---------  ---------
        True  1
        é          1.5
                        s
                                  1                     {}
        ");
        insta::assert_snapshot!(table(rows, Columns::AsQueried).lines().next().unwrap(), @"B    A     C    Result    Column1    Column2    Column3");
        insta::assert_snapshot!(table(r#"[{"b": 1, "a": true}]"#, Columns::These(&[("Second", "b"), ("First", "a")])), @r"
        Second    First
        --------  -------
        1         True
        ");
        assert_eq!(table("[]", Columns::Sorted), "\n");
        assert_eq!(table(r#"[{"id": 1}, {}]"#, Columns::Sorted), "\n");
    }

    #[test]
    fn cells_of_several_lines_make_high_rows() {
        insta::assert_snapshot!(table(r#"[{"a": "one\ntwo three", "b": "x"}, {"a": " ", "b": "\n"}, {"b": "y"}]"#, Columns::Sorted), @r"
        A          B
        ---------  ---
        one        x
        two three
                   y
        ");
    }
}

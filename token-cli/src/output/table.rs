//! Tables for people.

/// A table for people. On a terminal it never wraps: long texts are cut in the columns that allow it.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    active: Option<usize>,
    az_columns: Option<&'static [(&'static str, &'static str)]>,
}

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    may_be_cut: bool,
}

const GAP: usize = 2;
const GREEN: &str = "\x1b[32m";
const RESET: &str = "\x1b[0m";
/// A text that is cut shows at least this much.
const LEAST: usize = 8;

impl Column {
    /// A column whose texts are always whole: ids, times.
    pub(crate) const fn whole(title: &'static str) -> Self {
        Self { title, may_be_cut: false }
    }

    /// A column whose texts may be cut.
    pub(crate) const fn cut(title: &'static str) -> Self {
        Self { title, may_be_cut: true }
    }
}

impl Table {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), active: None, az_columns: None }
    }

    /// Of a list for which Azure CLI has columns of its own: their titles, and the fields that are in them.
    pub(crate) fn with_az_columns(self, columns: &'static [(&'static str, &'static str)]) -> Self {
        Self { az_columns: Some(columns), ..self }
    }

    pub(super) fn az_columns(&self) -> Option<&'static [(&'static str, &'static str)]> {
        self.az_columns
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| cell.replace(char::is_control, " ")).collect());
    }

    /// A row that stands out, in green where there are colours.
    pub(crate) fn active_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.active = Some(self.rows.len());
        self.row(cells);
    }

    /// The lines, at most `width` wide where one is given. Columns that are empty in every row are left out.
    pub(crate) fn render(&self, width: Option<usize>, colours: bool) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let used =
            |index: &usize| self.rows.iter().any(|row| row.get(*index).is_some_and(|cell| !cell.is_empty()));
        let shown: Vec<usize> = (0..self.columns.len()).filter(used).collect();
        let titles: Vec<String> = shown.iter().map(|&index| self.columns[index].title.to_owned()).collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| shown.iter().map(|&index| row.get(index).cloned().unwrap_or_default()).collect())
            .collect();
        let may_be_cut: Vec<bool> = shown.iter().map(|&index| self.columns[index].may_be_cut).collect();
        let mut widths = widths(&titles, &rows);
        if let Some(width) = width {
            shrink(&mut widths, &may_be_cut, width);
        }
        let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        let head = [&titles, &rules].map(|cells| line(cells, &widths));
        let body = rows.iter().enumerate().map(|(index, cells)| match line(cells, &widths) {
            line if colours && self.active == Some(index) => format!("{GREEN}{line}{RESET}\n"),
            line => line + "\n",
        });
        head.map(|line| line + "\n").into_iter().chain(body).collect()
    }
}

/// The width of each column: that of its widest cell or of its title.
fn widths(titles: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |index: usize, title: &String| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(title.chars().count())
    };
    titles.iter().enumerate().map(|(index, title)| width(index, title)).collect()
}

/// Takes columns from the widest that may be cut until the line fits.
fn shrink(widths: &mut [usize], may_be_cut: &[bool], room: usize) {
    loop {
        let total = widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let widest = (0..widths.len())
            .filter(|&index| may_be_cut[index] && widths[index] > LEAST)
            .max_by_key(|&index| widths[index]);
        match widest {
            Some(index) if total > room => widths[index] -= 1,
            _ => return,
        }
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, &width) in cells.iter().zip(widths) {
        let length = cell.chars().count();
        if length > width {
            line.extend(cell.chars().take(width.saturating_sub(1)));
            line.push('…');
        } else {
            line.push_str(cell);
            line.push_str(&" ".repeat(width - length));
        }
        line.push_str(&" ".repeat(GAP));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new(&[Column::whole(""), Column::cut("Name"), Column::whole("Id"), Column::cut("Note")]);
        table.active_row(["*", "A rather long name", "aaaaaaaa-0001", ""].map(str::to_owned));
        table.row(["", "Short\n", "aaaaaaaa-0002", ""].map(str::to_owned));
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        insta::assert_snapshot!(table().render(None, false), @r"
           Name                Id
        -  ------------------  -------------
        *  A rather long name  aaaaaaaa-0001
           Short               aaaaaaaa-0002
        ");
    }

    #[test]
    fn a_narrow_terminal_cuts_names_and_never_ids() {
        insta::assert_snapshot!(table().render(Some(30), false), @r"
           Name          Id
        -  ------------  -------------
        *  A rather lo…  aaaaaaaa-0001
           Short         aaaaaaaa-0002
        ");
        insta::assert_snapshot!(table().render(Some(10), false), @r"
           Name      Id
        -  --------  -------------
        *  A rathe…  aaaaaaaa-0001
           Short     aaaaaaaa-0002
        ");
    }

    #[test]
    fn the_active_row_is_green_where_there_are_colours() {
        let coloured = table().render(None, true);
        assert!(coloured.contains("\n\x1b[32m*  A rather long name  aaaaaaaa-0001\x1b[0m\n"), "{coloured:?}");
        assert_eq!(coloured.matches('\x1b').count(), 2);
    }
}

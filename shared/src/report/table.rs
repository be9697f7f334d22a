//! Tables as Docker prints them: headers in capitals, three spaces between columns, and no column
//! narrower than ten places.
//!
//! Source: docker/cli, cli/command/formatter/formatter.go, where columns are made by Go's
//! `tabwriter.NewWriter(out, 10, 1, 3, ' ', 0)`.

use super::text::harmless;
use std::fmt;

/// What stands between two columns.
const GAP: usize = 3;

/// The narrowest column of a table, with its gap.
const NARROWEST: usize = 10;

/// Rows of cells under headers. Cells are made harmless when they are added.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table that has only its headers.
    pub fn new(headers: &[&str]) -> Self {
        Self { rows: vec![headers.iter().map(|header| header.to_uppercase()).collect()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| harmless(&cell).into_owned()).collect());
    }

    /// Adds a row of as many cells as there are.
    pub(super) fn cells<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        self.rows.push(cells.map(|cell| harmless(cell).into_owned()).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_aligned(f, &self.rows, NARROWEST)
    }
}

/// Returns lines whose cells are parted by tabs with their columns aligned.
pub(super) fn tabbed(text: &str) -> String {
    let rows = text.lines().map(|line| line.split('\t').map(Into::into).collect()).collect();
    Table { rows }.to_string()
}

/// Returns names and values below each other, the values aligned: `Path:     /backups`.
pub fn fields(pairs: &[(&str, String)]) -> String {
    struct Fields(Vec<Vec<String>>);
    impl fmt::Display for Fields {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_aligned(f, &self.0, 0)
        }
    }
    let rows = pairs.iter().map(|(name, value)| vec![format!("{name}:"), harmless(value).into_owned()]);
    Fields(rows.collect()).to_string()
}

fn write_aligned(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>], narrowest: usize) -> fmt::Result {
    // The last cell of a row has nothing behind it to align.
    let widest = |column: usize| {
        let cells = rows.iter().filter(|row| column + 1 < row.len()).filter_map(|row| row.get(column));
        (cells.map(|cell| width(cell)).max().unwrap_or(0) + GAP).max(narrowest)
    };
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, full) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(full.saturating_sub(width(cell))));
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}

/// How many places a text takes on a terminal.
fn width(text: &str) -> usize {
    dialoguer::console::measure_text_width(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_three_spaces_apart_and_ten_wide_at_least() {
        let mut table = Table::new(&["name", "size", "new"]);
        table.row(["a".into(), "1 B".into(), "1 B".into()]);
        table.row(["データベース".into(), "20 MB".into(), "2 MB".into()]);
        assert_eq!(
            table.to_string(),
            "NAME           SIZE      NEW\na              1 B       1 B\nデータベース   20 MB     2 MB\n"
        );
    }

    #[test]
    fn cells_that_were_parted_by_tabs_are_aligned() {
        assert_eq!(tabbed("NAME\tSIZE\na-long-name\t1 B\nb\n"), "NAME          SIZE\na-long-name   1 B\nb\n");
    }

    #[test]
    fn a_line_end_in_a_cell_does_not_break_the_row() {
        let mut table = Table::new(&["name"]);
        table.row(["a\nb".into()]);
        assert_eq!(table.to_string(), "NAME\na\\nb\n");
    }
}

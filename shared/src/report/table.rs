//! Tables as Docker prints them: headers in capitals, three spaces between columns.

use super::text::harmless;
use std::fmt;

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
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_aligned(f, &self.rows)
    }
}

/// Returns names and values below each other, the values aligned: `Path:     /backups`.
pub fn fields(pairs: &[(&str, String)]) -> String {
    struct Fields(Vec<Vec<String>>);
    impl fmt::Display for Fields {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_aligned(f, &self.0)
        }
    }
    let rows = pairs.iter().map(|(name, value)| vec![format!("{name}:"), harmless(value).into_owned()]);
    Fields(rows.collect()).to_string()
}

fn write_aligned(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    for row in rows {
        let mut line = String::new();
        for (cell, widest) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(widest - width(cell) + 3));
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
    fn columns_are_as_wide_as_their_widest_cell_and_three_spaces_apart() {
        let mut table = Table::new(&["name", "size"]);
        table.row(["a".into(), "1 B".into()]);
        table.row(["データ".into(), "20 MB".into()]);
        assert_eq!(table.to_string(), "NAME     SIZE\na        1 B\nデータ   20 MB\n");
    }

    #[test]
    fn a_line_end_in_a_cell_does_not_break_the_row() {
        let mut table = Table::new(&["name"]);
        table.row(["a\nb".into()]);
        assert_eq!(table.to_string(), "NAME\na\\nb\n");
    }
}

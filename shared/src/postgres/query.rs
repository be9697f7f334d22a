//! The one thing this room needs of a session: to ask it something and read the answer.

use crate::error::{Error, Result};

/// A session that answers statements. Its `client_encoding` must be UTF8.
pub trait Query {
    /// Runs statements by the simple protocol and gives the rows of the last one that has any.
    fn query(&mut self, sql: &str) -> Result<Table>;

    /// The same for a statement whose text or answer holds a secret: it is told to nobody.
    fn query_secret(&mut self, sql: &str) -> Result<Table>;
}

/// An answer, in text form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The values; none is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl Table {
    /// The rows, to be read by column name.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { columns: &self.columns, values })
    }

    /// The only row.
    ///
    /// # Errors
    ///
    /// When there is none, or more than one.
    pub fn only(&self) -> Result<Row<'_>> {
        match self.rows.as_slice() {
            [values] => Ok(Row { columns: &self.columns, values }),
            rows => Err(Error::failed(format!("the server gave {} rows where one was expected", rows.len()))),
        }
    }
}

/// One row of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Option<Vec<u8>>],
}

impl<'a> Row<'a> {
    /// The value of a column as text, or none for NULL.
    pub fn optional(&self, column: &str) -> Result<Option<&'a str>> {
        let value = self
            .columns
            .iter()
            .position(|name| name == column)
            .and_then(|at| self.values.get(at))
            .ok_or_else(|| Error::failed(format!("the server's answer has no column `{column}`")))?;
        match value {
            None => Ok(None),
            Some(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| {
                Error::failed(format!(
                    "`{}` in column `{column}` is not UTF-8",
                    String::from_utf8_lossy(bytes)
                ))
            }),
        }
    }

    /// The value of a column as text.
    pub fn text(&self, column: &str) -> Result<&'a str> {
        self.optional(column)?
            .ok_or_else(|| Error::failed(format!("column `{column}` of the server's answer is NULL")))
    }

    /// The same, owned.
    pub fn string(&self, column: &str) -> Result<String> {
        self.text(column).map(str::to_owned)
    }

    /// The value of a column as text of its own, or none for NULL.
    pub fn optional_string(&self, column: &str) -> Result<Option<String>> {
        Ok(self.optional(column)?.map(str::to_owned))
    }

    /// The value of a boolean column.
    pub fn flag(&self, column: &str) -> Result<bool> {
        match self.text(column)? {
            "t" => Ok(true),
            "f" => Ok(false),
            other => Err(Error::failed(format!("`{other}` in column `{column}` is not a boolean"))),
        }
    }

    /// The value of a boolean column, or none for NULL.
    pub fn optional_flag(&self, column: &str) -> Result<Option<bool>> {
        if self.optional(column)?.is_none() { Ok(None) } else { self.flag(column).map(Some) }
    }

    /// The value of a column as a number.
    pub fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| Error::failed(format!("`{text}` in column `{column}` is not such a number")))
    }

    /// The value of a column as a number, or none for NULL.
    pub fn optional_number<T: std::str::FromStr>(&self, column: &str) -> Result<Option<T>> {
        if self.optional(column)?.is_none() { Ok(None) } else { self.number(column).map(Some) }
    }

    /// The texts of an array that the query turned into JSON (`array_to_json`), or none for NULL.
    pub fn optional_list(&self, column: &str) -> Result<Option<Vec<String>>> {
        let Some(json) = self.optional(column)? else { return Ok(None) };
        serde_json::from_str(json).map(Some).map_err(|error| {
            Error::failed(format!("column `{column}` of the server's answer is not a list of texts"))
                .caused_by(error)
        })
    }

    /// The same, empty for NULL.
    pub fn list(&self, column: &str) -> Result<Vec<String>> {
        Ok(self.optional_list(column)?.unwrap_or_default())
    }
}

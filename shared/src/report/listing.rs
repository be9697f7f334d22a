//! Lists in every form: the usual table, a table of chosen columns, JSON, a template.

use super::{
    form::{Form, OUTSIDE},
    table::{Table, tabbed},
    text::harmless_json,
};
use crate::{
    error::Result,
    template::{Missing, Row, Template, Value},
};
use serde_json::Value as Json;
use std::fmt::Write;

/// A field that can be shown, and what stands above it.
pub(super) struct Field {
    pub name: &'static str,
    pub header: &'static str,
}

/// Rows, with what is known of their fields.
pub(super) struct Listing {
    /// All fields; those of the usual table first.
    pub fields: &'static [Field],
    /// How many of them the usual table has.
    pub usual: usize,
    /// Their shown fields are harmless.
    pub rows: Vec<Row>,
}

impl Listing {
    /// Writes the list.
    ///
    /// # Errors
    ///
    /// If a template asks for a field that there is not.
    pub fn written(&self, form: &Form) -> Result<String> {
        let mut text = String::new();
        match form {
            Form::Table => return Ok(self.table()),
            Form::Json => {
                for row in &self.rows {
                    let _ = writeln!(text, "{}", harmless_json(&row.whole.to_string()));
                }
            }
            Form::Template(template) => self.lines(&mut text, template)?,
            Form::TableOf(template) => {
                let headers = self.fields.iter().map(|field| (field.name.to_owned(), field.header.into()));
                let headers = Json::Object(headers.collect());
                let _ = writeln!(text, "{}", template.render_headers(&Value::of(&headers), OUTSIDE)?);
                self.lines(&mut text, template)?;
                return Ok(tabbed(&text));
            }
        }
        Ok(text)
    }

    fn lines(&self, text: &mut String, template: &Template) -> Result<()> {
        for row in &self.rows {
            let line = template.render(&Value::Row(row), OUTSIDE, Missing::NoValue);
            let _ = writeln!(text, "{}", line.map_err(|error| error.hint(self.fields_there_are()))?);
        }
        Ok(())
    }

    fn fields_there_are(&self) -> String {
        let names: Vec<_> = self.fields.iter().map(|field| format!(".{}", field.name)).collect();
        format!("there are {}, and those of `--format json`", names.join(", "))
    }

    /// The usual table.
    pub fn table(&self) -> String {
        let usual = self.fields.get(..self.usual).unwrap_or(self.fields);
        let headers: Vec<&str> = usual.iter().map(|field| field.header).collect();
        let mut table = Table::new(&headers);
        for row in &self.rows {
            table.cells(usual.iter().map(|field| {
                let shown = row.shown.iter().find(|(name, _)| *name == field.name);
                shown.map_or("-", |(_, shown)| shown.as_str())
            }));
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::harmless;
    use serde_json::json;

    fn listing() -> Listing {
        let row = |name: &str, size: &str, bytes: u64| Row {
            shown: vec![
                ("Name", harmless(name).into_owned()),
                ("Size", size.into()),
                ("Host", "laptop".into()),
            ],
            whole: json!({"name": name, "bytes": bytes}),
        };
        Listing {
            fields: &[
                Field { name: "Name", header: "NAME" },
                Field { name: "Size", header: "SIZE" },
                Field { name: "Host", header: "MADE ON" },
            ],
            usual: 2,
            rows: vec![row("a-long-name", "1.4 kB", 1_400), row("b\u{1b}", "2 B", 2)],
        }
    }

    fn written(form: &str) -> String {
        listing().written(&Form::of_list(form).unwrap()).unwrap()
    }

    #[test]
    fn a_list_is_written_in_every_form() {
        assert_eq!(written("table"), "NAME          SIZE\na-long-name   1.4 kB\nb\\x1b         2 B\n");
        assert_eq!(
            written("table {{.Host}}\\t{{upper .Name}}\\t{{.Size}}"),
            "MADE ON   NAME          SIZE\nlaptop    A-LONG-NAME   1.4 kB\nlaptop    B\\X1B         2 B\n"
        );
        assert_eq!(
            written("json"),
            "{\"bytes\":1400,\"name\":\"a-long-name\"}\n{\"bytes\":2,\"name\":\"b\\u001b\"}\n"
        );
        assert_eq!(written("{{json .}}"), written("json"));
        assert_eq!(written("{{.Name}}: {{.bytes}}"), "a-long-name: 1400\nb\\x1b: 2\n");
    }

    #[test]
    fn a_field_that_there_is_not_is_an_error() {
        let error = listing().written(&Form::of_list("{{.Sise}}").unwrap()).unwrap_err();
        assert!(error.what.contains("can't evaluate field Sise"), "{error}");
    }

    #[test]
    fn a_list_of_nothing_has_its_headers() {
        let listing = Listing { rows: Vec::new(), ..listing() };
        assert_eq!(listing.written(&Form::Table).unwrap(), "NAME      SIZE\n");
        let columns = Form::of_list("table {{.Size}}\\t{{.Host}}").unwrap();
        assert_eq!(listing.written(&columns).unwrap(), "SIZE      MADE ON\n");
        assert_eq!(listing.written(&Form::Json).unwrap(), "");
    }
}

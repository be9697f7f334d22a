//! The forms in which a list or an object is written: for people, for programs, or by a template.

use super::text::{harmless, harmless_json};
use crate::{
    error::{Error, Kind, Result},
    template::{Outside, Template},
};

/// How text from outside is written by a template.
pub(super) const OUTSIDE: Outside = Outside { text: harmless, json: harmless_json };

/// A form that was asked for.
#[derive(Clone, Debug)]
pub enum Form {
    /// For people: the usual columns.
    Table,
    /// A table whose columns, parted by tabs, a template makes.
    TableOf(Template),
    /// For programs.
    Json,
    /// What a template makes.
    Template(Template),
}

impl Form {
    /// Reads `table`, `json`, `table TEMPLATE` or `TEMPLATE`.
    ///
    /// In a list `\t` and `\n` mean tab and line end outside of braces, too, as Docker takes them;
    /// Docker does so for lists only.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if it is none of them, or the template is wrong.
    ///
    /// Source: docker/cli, cli/command/formatter/formatter.go.
    pub fn of_list(text: &str) -> Result<Self> {
        Self::parse(text.trim_matches(' '), |template| template.replace("\\t", "\t").replace("\\n", "\n"))
    }

    /// The same for what is written one by one.
    pub fn of_object(text: &str) -> Result<Self> {
        Self::parse(text, str::to_owned)
    }

    fn parse(text: &str, escapes: impl Fn(&str) -> String) -> Result<Self> {
        if let Some(columns) = text.strip_prefix("table ").filter(|columns| columns.contains("{{")) {
            return Ok(Self::TableOf(Template::parse(&escapes(columns.trim()))?));
        }
        match text {
            "" | "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ if text.contains("{{") => Ok(Self::Template(Template::parse(&escapes(text))?)),
            _ => Err(Error::new(
                Kind::Usage,
                format!("invalid argument {text:?} for \"--format\" flag: must be table, json or a template"),
            )
            .hint("a template names fields in braces, as in `--format '{{.Name}}'`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_told_from_the_others() {
        assert!(matches!(Form::of_list("table").unwrap(), Form::Table));
        assert!(matches!(Form::of_list("").unwrap(), Form::Table));
        assert!(matches!(Form::of_list("json").unwrap(), Form::Json));
        assert!(matches!(Form::of_list("table {{.Name}}").unwrap(), Form::TableOf(_)));
        assert!(matches!(Form::of_list("{{.Name}}\\t").unwrap(), Form::Template(_)));
    }

    #[test]
    fn a_word_that_is_no_form_and_a_wrong_template_are_wrong_usage() {
        for text in ["xml", "table of names", "{{.Name", "table {{"] {
            assert_eq!(Form::of_list(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
        let error = Form::of_list("{{.Name").unwrap_err();
        assert_eq!(error.what, "template parsing error: template: :1: unclosed action");
    }
}

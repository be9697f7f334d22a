//! A locale that a database is made with instead of its own.

use crate::{
    catalog::manifest::DatabaseProperties,
    error::{Error, Kind, Result},
};
use std::fmt;

/// A locale and who provides it: `C.UTF-8`, `icu:de-DE`, `builtin:C.UTF-8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocaleChoice {
    provider: Provider,
    locale: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Provider {
    Libc,
    Icu,
    Builtin,
}

impl Provider {
    /// As people and CREATE DATABASE say it, and as `pg_database` does.
    const ALL: [(Self, &'static str, &'static str); 3] =
        [(Self::Libc, "libc", "c"), (Self::Icu, "icu", "i"), (Self::Builtin, "builtin", "b")];

    fn words(self) -> (&'static str, &'static str) {
        Self::ALL
            .into_iter()
            .find(|(own, _, _)| *own == self)
            .map_or(("libc", "c"), |(_, name, letter)| (name, letter))
    }
}

impl LocaleChoice {
    /// Reads `[PROVIDER:]LOCALE`; libc where no provider is said.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when there is no locale, or the provider is not known.
    pub fn parse(text: &str) -> Result<Self> {
        let (provider, locale) = match text.split_once(':') {
            None => (Provider::Libc, text),
            Some((name, locale)) => {
                let known = Provider::ALL.into_iter().find(|(_, own, _)| *own == name);
                let provider = known.ok_or_else(|| {
                    Error::new(Kind::Usage, format!("the locale provider `{name}` is not known"))
                        .caused_by("there are libc, icu and builtin")
                })?;
                (provider.0, locale)
            }
        };
        if locale.is_empty() {
            return Err(Error::new(Kind::Usage, format!("`{text}` names no locale"))
                .hint("say `--locale C.UTF-8` or `--locale icu:de-DE`"));
        }
        Ok(Self { provider, locale: locale.to_owned() })
    }

    /// Puts it in the place of a database's own. What ICU and the server's own provider do not
    /// cover follows `template`, a database of the server.
    pub fn apply(&self, properties: &mut DatabaseProperties, template: Option<&DatabaseProperties>) {
        self.provider.words().1.clone_into(&mut properties.locale_provider);
        properties.icu_rules = None;
        properties.collation_version = None;
        if self.provider == Provider::Libc {
            properties.collate.clone_from(&self.locale);
            properties.ctype.clone_from(&self.locale);
            properties.locale = None;
            return;
        }
        let alike = template.filter(|template| template.encoding == properties.encoding);
        properties.collate = alike.map_or_else(|| "C".to_owned(), |template| template.collate.clone());
        properties.ctype = alike.map_or_else(|| "C".to_owned(), |template| template.ctype.clone());
        properties.locale = Some(self.locale.clone());
    }
}

impl fmt::Display for LocaleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider.words().0, self.locale)
    }
}

/// Encoding and locale of a database in words: `UTF8, libc en_US.utf8`.
pub fn locale_words(properties: &DatabaseProperties) -> String {
    let provider = Provider::ALL
        .into_iter()
        .find(|(_, _, letter)| *letter == properties.locale_provider)
        .map_or("libc", |(_, name, _)| name);
    let locale = properties.locale.as_deref().unwrap_or(&properties.collate);
    let ctype = if properties.locale.is_none() && properties.ctype != properties.collate {
        format!(" (letters as in {})", properties.ctype)
    } else {
        String::new()
    };
    format!("{}, {provider} {locale}{ctype}", properties.encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> DatabaseProperties {
        DatabaseProperties {
            encoding: "UTF8".into(),
            locale_provider: "c".into(),
            collate: "de_DE.utf8".into(),
            ctype: "de_DE.utf8".into(),
            ..DatabaseProperties::default()
        }
    }

    #[test]
    fn a_locale_without_a_provider_is_the_system_librarys() {
        let mut properties = recorded();
        LocaleChoice::parse("C.UTF-8").unwrap().apply(&mut properties, None);
        assert_eq!(locale_words(&properties), "UTF8, libc C.UTF-8");
        assert_eq!(properties.ctype, "C.UTF-8");
    }

    #[test]
    fn what_icu_does_not_cover_follows_the_server() {
        let template =
            DatabaseProperties { collate: "en_US.utf8".into(), ctype: "en_US.utf8".into(), ..recorded() };
        let mut properties = recorded();
        LocaleChoice::parse("icu:de-DE").unwrap().apply(&mut properties, Some(&template));
        assert_eq!(locale_words(&properties), "UTF8, icu de-DE");
        assert_eq!(properties.collate, "en_US.utf8");
    }

    #[test]
    fn an_unknown_provider_and_no_locale_are_wrong_usage() {
        for text in ["glibc:C", "", "icu:"] {
            assert_eq!(LocaleChoice::parse(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
    }
}

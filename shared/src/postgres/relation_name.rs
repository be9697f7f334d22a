//! Names of schemas and relations as people type them.
//!
//! `-t shop.orders`, `-t orders`, `-t '"My shop"."Orders"'`: psql's spelling without its patterns.
//! What is not quoted is looked for as it stands first, as pg_restore does, and in lower case
//! after that, as psql and pg_dump do.

use crate::error::{Error, Kind, Result};
use std::fmt;

/// One name as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedName {
    text: String,
    quoted: bool,
}

/// A relation as it was typed, with its schema or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedRelation {
    /// Its schema, if that was said.
    pub schema: Option<TypedName>,
    /// Its name.
    pub name: TypedName,
}

impl TypedName {
    /// Reads the name of a schema.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it is empty, has more than one part, or quotes do not match.
    pub fn parse(text: &str) -> Result<Self> {
        match parts(text)?.as_slice() {
            [name] => Ok(name.clone()),
            _ => Err(wrong(text, "a schema's name has one part")
                .hint("a name with a dot is written in double quotes: `-n '\"a.b\"'`")),
        }
    }

    /// The spellings that it may stand for, the likelier one first.
    pub fn spellings(&self) -> Vec<String> {
        let folded = self.text.to_ascii_lowercase();
        if self.quoted || folded == self.text {
            return vec![self.text.clone()];
        }
        vec![self.text.clone(), folded]
    }
}

impl TypedRelation {
    /// Reads the name of a relation.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when it is empty, has more than two parts, or quotes do not match.
    pub fn parse(text: &str) -> Result<Self> {
        match parts(text)?.as_slice() {
            [name] => Ok(Self { schema: None, name: name.clone() }),
            [schema, name] => Ok(Self { schema: Some(schema.clone()), name: name.clone() }),
            _ => Err(wrong(text, "a table's name has two parts at most: its schema and its own")
                .hint("a database is named with `-d`; a name with a dot is written in double quotes")),
        }
    }
}

impl fmt::Display for TypedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for TypedRelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        write!(f, "{}", self.name)
    }
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(Kind::Usage, format!("`{text}` is not a name that is understood")).caused_by(why)
}

/// Takes a name apart at the dots that stand outside of double quotes.
fn parts(text: &str) -> Result<Vec<TypedName>> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        let quoted = letters.peek() == Some(&'"');
        let mut part = String::new();
        if quoted {
            letters.next();
            loop {
                match letters.next() {
                    Some('"') if letters.peek() == Some(&'"') => {
                        letters.next();
                        part.push('"');
                    }
                    Some('"') => break,
                    Some(letter) => part.push(letter),
                    None => return Err(wrong(text, "a double quote is opened and not closed")),
                }
            }
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != '.') {
                if letter == '"' {
                    return Err(wrong(text, "a double quote stands in the middle of a name"));
                }
                part.push(letter);
            }
        }
        if part.is_empty() {
            return Err(wrong(text, "a part of it is empty"));
        }
        found.push(TypedName { text: part, quoted });
        match letters.next() {
            None => return Ok(found),
            Some('.') => {}
            Some(_) => return Err(wrong(text, "a dot must follow a closing double quote")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(text: &str) -> TypedRelation {
        TypedRelation::parse(text).unwrap()
    }

    #[test]
    fn a_name_is_taken_apart_at_its_dot_unless_that_is_quoted() {
        let typed = relation("shop.orders");
        assert_eq!(typed.schema.unwrap().spellings(), ["shop"]);
        assert_eq!(typed.name.spellings(), ["orders"]);
        let typed = relation("\"a.b\".\"say \"\"hi\"\"\"");
        assert_eq!(typed.schema.unwrap().spellings(), ["a.b"]);
        assert_eq!(typed.name.spellings(), ["say \"hi\""]);
        assert_eq!(relation("orders").schema, None);
    }

    #[test]
    fn what_is_not_quoted_may_be_meant_in_lower_case() {
        assert_eq!(relation("Orders").name.spellings(), ["Orders", "orders"]);
        assert_eq!(relation("\"Orders\"").name.spellings(), ["Orders"]);
    }

    #[test]
    fn what_is_no_name_is_wrong_usage() {
        for text in ["", ".", "a.", ".a", "a.b.c", "\"a", "a\"b\"", "\"a\"b", "\"\""] {
            assert_eq!(TypedRelation::parse(text).unwrap_err().kind, Kind::Usage, "{text}");
        }
        assert_eq!(TypedName::parse("a.b").unwrap_err().kind, Kind::Usage);
    }
}

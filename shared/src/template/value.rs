//! What a template works on.

use serde_json::{Map, Value as Json};
use std::{borrow::Cow, cmp::Ordering};

/// One line of a list: fields as people are shown them, and the whole as programs get it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Names of fields and what a table shows for them: `Size`, `1.4 GB`.
    pub shown: Vec<(&'static str, String)>,
    /// The object that JSON is written from; its fields can be named, too.
    pub whole: Json,
}

/// Data, or what became of it on the way.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// Nothing is there: Go's `<no value>`.
    Missing,
    /// Borrowed: data from outside. Owned: what the template or a function made.
    Json(Cow<'a, Json>),
    /// A line of a list.
    Row(&'a Row),
}

impl<'a> Value<'a> {
    /// Data from outside.
    pub fn of(json: &'a Json) -> Self {
        Self::Json(Cow::Borrowed(json))
    }

    pub(super) fn made(json: impl Into<Json>) -> Self {
        Self::Json(Cow::Owned(json.into()))
    }

    /// It as JSON; null if there is nothing.
    pub(super) fn json(&self) -> &Json {
        match self {
            Self::Missing => &Json::Null,
            Self::Json(json) => json,
            Self::Row(row) => &row.whole,
        }
    }

    /// What Go calls it in its errors.
    pub(super) fn kind(&self) -> &'static str {
        match self.json() {
            Json::Null => "nil",
            Json::Bool(_) => "bool",
            Json::Number(number) if number.is_f64() => "float64",
            Json::Number(_) => "int",
            Json::String(_) => "string",
            Json::Array(_) => "slice",
            Json::Object(_) => "map",
        }
    }

    /// Whether `if` takes it for true: not false, not zero, not empty.
    pub(super) fn is_true(&self) -> bool {
        match self.json() {
            Json::Null => false,
            Json::Bool(truth) => *truth,
            Json::Number(number) => number.as_f64() != Some(0.0),
            Json::String(text) => !text.is_empty(),
            Json::Array(elements) => !elements.is_empty(),
            Json::Object(fields) => !fields.is_empty(),
        }
    }

    /// A field, by its name, or by the name in Go's style: `TotalBytes` is `total_bytes`, where
    /// there is no other that reads so.
    ///
    /// # Errors
    ///
    /// None if it can have no fields, or the row has none of this name.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        match self {
            Self::Row(row) => {
                if let Some((_, shown)) = row.shown.iter().find(|(field, _)| *field == name) {
                    return Some(Self::made(shown.as_str()));
                }
                Some(Self::of(row.whole.as_object().and_then(|whole| entry(whole, name))?))
            }
            Self::Json(Cow::Borrowed(Json::Object(fields))) => {
                Some(entry(fields, name).map_or(Self::Missing, Self::of))
            }
            Self::Json(Cow::Owned(Json::Object(fields))) => {
                Some(entry(fields, name).map_or(Self::Missing, |field| Self::made(field.clone())))
            }
            Self::Json(_) | Self::Missing => None,
        }
    }

    /// The element of a list, or the entry of a map; none if there is no such one.
    pub(super) fn element(&self, place: impl serde_json::value::Index) -> Option<Self> {
        match self {
            Self::Json(Cow::Borrowed(json)) => json.get(place).map(Self::of),
            Self::Json(Cow::Owned(json)) => json.get(place).map(|found| Self::made(found.clone())),
            Self::Row(row) => row.whole.get(place).map(Self::of),
            Self::Missing => None,
        }
    }

    /// How two compare; none if they cannot be compared.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self.json(), other.json()) {
            (Json::Number(one), Json::Number(two)) => match (one.as_i64(), two.as_i64()) {
                (Some(one), Some(two)) => Some(one.cmp(&two)),
                _ => one.as_f64()?.partial_cmp(&two.as_f64()?),
            },
            (Json::String(one), Json::String(two)) => Some(one.cmp(two)),
            _ => None,
        }
    }
}

fn entry<'a>(fields: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    if let Some(exactly) = fields.get(name) {
        return Some(exactly);
    }
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    // Only names in Go's style are looked for otherwise, so that a label is never taken for another.
    if !name.starts_with(char::is_uppercase) {
        return None;
    }
    let wanted = plain(name);
    let mut alike = fields.iter().filter(|(field, _)| plain(field) == wanted);
    match (alike.next(), alike.next()) {
        (Some((_, found)), None) => Some(found),
        _ => None,
    }
}

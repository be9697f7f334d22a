//! The functions that a template may call.

use super::{printf::printf, render::Outside, value::Value};
use serde_json::Value as Json;
use std::{borrow::Cow, cmp::Ordering};

/// All of them, with how many arguments they take at least and at most.
///
/// Docker's own: docker/cli, templates/templates.go. The others are Go's.
const FUNCTIONS: [(&str, usize, usize); 23] = [
    ("and", 1, usize::MAX),
    ("eq", 2, usize::MAX),
    ("ge", 2, 2),
    ("gt", 2, 2),
    ("index", 1, usize::MAX),
    ("join", 2, 2),
    ("json", 1, 1),
    ("le", 2, 2),
    ("len", 1, 1),
    ("lower", 1, 1),
    ("lt", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("or", 1, usize::MAX),
    ("pad", 3, 3),
    ("print", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("println", 0, usize::MAX),
    ("slice", 1, 3),
    ("split", 2, 2),
    ("title", 1, 1),
    ("truncate", 2, 2),
    ("upper", 1, 1),
];

/// No text is padded by more: a mistyped number must not fill the memory.
pub(super) const WIDEST: usize = 100_000;

/// The name as it is known here, if there is such a function.
pub(super) fn name(wanted: &str) -> Option<&'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name).find(|name| *name == wanted)
}

/// A value as it is written. Strings of the data are made fit for that.
pub(super) fn text(value: &Value<'_>, outside: Outside) -> String {
    match value {
        Value::Missing => "<no value>".into(),
        Value::Json(Cow::Owned(Json::String(made))) => made.clone(),
        other => shown(other.json(), outside),
    }
}

/// JSON as Go prints values: `[a b]`, `map[key:value]`.
fn shown(json: &Json, outside: Outside) -> String {
    match json {
        Json::Null => "<no value>".into(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => (outside.text)(text).into_owned(),
        Json::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|element| shown(element, outside)).collect();
            format!("[{}]", elements.join(" "))
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<_> = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{}", (outside.text)(name), shown(value, outside)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

/// What went wrong in a call.
pub(super) enum Wrong {
    /// So many arguments are not taken.
    Count(String),
    /// The argument of this number is of another type than this.
    Argument(usize, &'static str),
    /// The function itself failed.
    Body(String),
}

/// A function that is about to be called.
pub(super) struct Call {
    pub name: &'static str,
    pub outside: Outside,
    /// Whether the values are a table's headers, which stay as they are.
    pub headers: bool,
}

impl Call {
    /// Calls it.
    ///
    /// # Errors
    ///
    /// In Go's words.
    pub fn with<'d>(&self, arguments: &[Value<'d>]) -> Result<Value<'d>, Wrong> {
        let (_, least, most) = FUNCTIONS
            .iter()
            .find(|(name, ..)| *name == self.name)
            .ok_or_else(|| Wrong::Count(format!("function {:?} not defined", self.name)))?;
        if !(least..=most).contains(&&arguments.len()) {
            let at_least = if *most == usize::MAX { "at least " } else { "" };
            let (name, got) = (self.name, arguments.len());
            let what = format!("wrong number of args for {name}: want {at_least}{least} got {got}");
            return Err(Wrong::Count(what));
        }
        let [first, others @ ..] = arguments else { return Ok(Value::made(self.printed(arguments))) };
        if self.headers
            && matches!(self.name, "json" | "join" | "split" | "lower" | "upper" | "title" | "truncate")
        {
            // `join` and its like are given what they work on in front.
            return Ok(first.clone());
        }
        let called = match self.name {
            "print" | "println" => Ok(Value::made(self.printed(arguments))),
            "printf" => printf(&self.string(arguments, 0)?, others, self.outside).map(Value::made),
            "not" => Ok(Value::made(!first.is_true())),
            "len" => length(first).map(Value::made),
            "index" => index(first, others),
            "slice" => self.slice(arguments),
            "json" => Ok(Value::made((self.outside.json)(&first.json().to_string()).into_owned())),
            "eq" | "ne" | "lt" | "le" | "gt" | "ge" => self.compared(first, others).map(Value::made),
            _ => self.on_text(arguments)?,
        };
        called.map_err(|what| Wrong::Body(format!("error calling {}: {what}", self.name)))
    }

    /// The functions that Docker adds, which work on text.
    fn on_text<'d>(&self, arguments: &[Value<'d>]) -> Result<Result<Value<'d>, String>, Wrong> {
        Ok(match self.name {
            "lower" => Ok(Value::made(self.string(arguments, 0)?.to_lowercase())),
            "upper" => Ok(Value::made(self.string(arguments, 0)?.to_uppercase())),
            "title" => Ok(Value::made(title(&self.string(arguments, 0)?))),
            "split" => {
                let (text, separator) = (self.string(arguments, 0)?, self.string(arguments, 1)?);
                let parts: Vec<&str> = if separator.is_empty() {
                    text.split("").filter(|part| !part.is_empty()).collect()
                } else {
                    text.split(&separator).collect()
                };
                Ok(Value::made(parts))
            }
            "join" => {
                let Some(Json::Array(elements)) = arguments.first().map(Value::json) else {
                    return Err(Wrong::Argument(0, "[]string"));
                };
                let separator = self.string(arguments, 1)?;
                let made = matches!(arguments.first(), Some(Value::Json(Cow::Owned(_))));
                let texts: Vec<String> = elements
                    .iter()
                    .map(|element| match element {
                        Json::String(text) if made => text.clone(),
                        other => shown(other, self.outside),
                    })
                    .collect();
                Ok(Value::made(texts.join(&separator)))
            }
            "pad" => {
                let text = self.string(arguments, 0)?;
                let (before, behind) = (number(arguments, 1)?, number(arguments, 2)?);
                match (places(before), places(behind)) {
                    _ if text.is_empty() => Ok(Value::made("")),
                    (Some(before), Some(behind)) => {
                        Ok(Value::made(format!("{}{text}{}", " ".repeat(before), " ".repeat(behind))))
                    }
                    _ => Err("strings: negative Repeat count".into()),
                }
            }
            "truncate" => {
                let (text, most) = (self.string(arguments, 0)?, number(arguments, 1)?);
                match places(most) {
                    Some(most) => Ok(Value::made(text.chars().take(most).collect::<String>())),
                    None => Err(format!("slice bounds out of range [:{most}]")),
                }
            }
            _ => Err("it is not known".into()),
        })
    }

    fn string(&self, arguments: &[Value<'_>], number: usize) -> Result<String, Wrong> {
        match arguments.get(number) {
            Some(value) if matches!(value.json(), Json::String(_)) => Ok(text(value, self.outside)),
            _ => Err(Wrong::Argument(number, "string")),
        }
    }

    /// Go's Sprint puts a space between two that are both no strings, Sprintln between all.
    fn printed(&self, values: &[Value<'_>]) -> String {
        let by_line = self.name == "println";
        let mut printed = String::new();
        let mut before: Option<&Value<'_>> = None;
        for value in values {
            let is_string = |value: &Value<'_>| matches!(value.json(), Json::String(_));
            if before.is_some_and(|before| by_line || !(is_string(before) || is_string(value))) {
                printed.push(' ');
            }
            printed.push_str(&text(value, self.outside));
            before = Some(value);
        }
        if by_line {
            printed.push('\n');
        }
        printed
    }

    fn compared(&self, first: &Value<'_>, others: &[Value<'_>]) -> Result<bool, String> {
        let equal = |other: &Value<'_>| match (first.json(), other.json()) {
            (Json::Array(_) | Json::Object(_), _) | (_, Json::Array(_) | Json::Object(_)) => {
                Err("non-comparable type".to_owned())
            }
            (Json::Null, _) | (_, Json::Null) => Ok(first.json() == other.json()),
            (Json::Bool(one), Json::Bool(two)) => Ok(one == two),
            _ => first
                .compare(other)
                .map(|order| order == Ordering::Equal)
                .ok_or_else(|| "incompatible types for comparison".to_owned()),
        };
        let order = || {
            others
                .first()
                .and_then(|other| first.compare(other))
                .ok_or_else(|| "incompatible types for comparison".to_owned())
        };
        match self.name {
            "eq" => {
                for other in others {
                    if equal(other)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            "ne" => others.first().map_or(Ok(false), |other| equal(other).map(|equal| !equal)),
            "lt" => order().map(Ordering::is_lt),
            "le" => order().map(Ordering::is_le),
            "gt" => order().map(Ordering::is_gt),
            _ => order().map(Ordering::is_ge),
        }
    }

    fn slice<'d>(&self, arguments: &[Value<'d>]) -> Result<Value<'d>, String> {
        let Some((sliced, bounds)) = arguments.split_first() else { return Ok(Value::Missing) };
        let bound = |place: usize| {
            let bound = bounds.get(place).map(|bound| bound.json().as_i64().ok_or(bound.kind()));
            bound.transpose().map_err(|kind| format!("cannot index slice/array with type {kind}"))
        };
        let (from, to) = (bound(0)?, bound(1)?);
        let out_of_range = || format!("index out of range: {}", to.or(from).unwrap_or_default());
        let to = to.map(|to| usize::try_from(to).map_err(|_| out_of_range())).transpose()?;
        let from = usize::try_from(from.unwrap_or(0)).map_err(|_| out_of_range())?;
        match sliced.json() {
            Json::String(_) => {
                let text = text(sliced, self.outside);
                let part = text.get(from..to.unwrap_or(text.len())).ok_or_else(out_of_range)?;
                Ok(Value::made(part))
            }
            Json::Array(elements) => {
                let part = elements.get(from..to.unwrap_or(elements.len())).ok_or_else(out_of_range)?;
                // What is data stays data: its strings are not taken for the template's own.
                let part = part.iter().map(|element| match element {
                    Json::String(text) => Json::String((self.outside.text)(text).into_owned()),
                    other => other.clone(),
                });
                Ok(Value::made(part.collect::<Vec<_>>()))
            }
            _ => Err(format!("can't slice item of type {}", sliced.kind())),
        }
    }
}

fn number(arguments: &[Value<'_>], place: usize) -> Result<i64, Wrong> {
    arguments.get(place).and_then(|value| value.json().as_i64()).ok_or(Wrong::Argument(place, "int"))
}

/// How many places are meant; none if it is fewer than none.
fn places(count: i64) -> Option<usize> {
    usize::try_from(count).ok().map(|count| count.min(WIDEST))
}

fn length(value: &Value<'_>) -> Result<usize, String> {
    match value.json() {
        Json::String(text) => Ok(text.len()),
        Json::Array(elements) => Ok(elements.len()),
        Json::Object(fields) => Ok(fields.len()),
        _ => Err(format!("len of type {}", value.kind())),
    }
}

fn index<'d>(first: &Value<'d>, places: &[Value<'d>]) -> Result<Value<'d>, String> {
    let mut value = first.clone();
    for place in places {
        value = match (value.json(), place.json()) {
            (Json::Object(_), Json::String(key)) => value.element(key.as_str()).unwrap_or(Value::Missing),
            (Json::Array(_), Json::Number(number)) => number
                .as_u64()
                .and_then(|number| value.element(usize::try_from(number).ok()?))
                .ok_or_else(|| format!("index out of range: {number}"))?,
            (Json::Null, _) => return Err("index of untyped nil".into()),
            (Json::Array(_) | Json::Object(_), _) => {
                return Err(format!("cannot index slice/array with type {}", place.kind()));
            }
            _ => return Err(format!("can't index item of type {}", value.kind())),
        };
    }
    Ok(value)
}

/// Every word with a capital letter, as Go's strings.Title.
fn title(text: &str) -> String {
    let mut inside = false;
    let mut titled = String::with_capacity(text.len());
    for letter in text.chars() {
        if inside {
            titled.push(letter);
        } else {
            titled.extend(letter.to_uppercase());
        }
        inside = letter.is_alphanumeric() || matches!(letter, '_' | '\'');
    }
    titled
}

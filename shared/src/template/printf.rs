//! Go's `printf`, as far as templates use it.

use super::{
    function::{WIDEST, text},
    render::Outside,
    value::Value,
};
use serde_json::Value as Json;
use std::{fmt::Write, iter::Peekable, str::Chars};

/// Fills `%`-verbs in: `s v d t q x X f e g c b o %`, with `-`, `0`, `+`, width and precision.
///
/// What does not fit is written as Go writes it: `%!d(string=a)`, `%!s(MISSING)`.
///
/// # Errors
///
/// If a width is too large.
pub(super) fn printf(format: &str, values: &[Value<'_>], outside: Outside) -> Result<String, String> {
    let mut printed = String::new();
    let mut letters = format.chars().peekable();
    let mut values = values.iter();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            printed.push(letter);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = letters.next_if(|flag| matches!(flag, '-' | '0' | '+' | ' ' | '#')) {
            match flag {
                '-' => verb.left = true,
                '0' => verb.zeros = true,
                '+' => verb.plus = true,
                _ => {}
            }
        }
        verb.width = number(&mut letters)?.unwrap_or(0);
        if letters.next_if_eq(&'.').is_some() {
            verb.precision = Some(number(&mut letters)?.unwrap_or(0));
        }
        match letters.next() {
            None => printed.push_str("%!(NOVERB)"),
            Some('%') => printed.push('%'),
            Some(letter) => match values.next() {
                None => {
                    let _ = write!(printed, "%!{letter}(MISSING)");
                }
                Some(value) => printed.push_str(&verb.written(letter, value, outside)),
            },
        }
    }
    let extra: Vec<String> =
        values.map(|value| format!("{}={}", value.kind(), text(value, outside))).collect();
    if !extra.is_empty() {
        let _ = write!(printed, "%!(EXTRA {})", extra.join(", "));
    }
    Ok(printed)
}

/// The number that stands here, if one does.
fn number(letters: &mut Peekable<Chars<'_>>) -> Result<Option<usize>, String> {
    let mut digits = String::new();
    while let Some(digit) = letters.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    if digits.is_empty() {
        return Ok(None);
    }
    match digits.parse() {
        Ok(number) if number <= WIDEST => Ok(Some(number)),
        _ => Err("a width or precision is too large".into()),
    }
}

#[derive(Default)]
struct Verb {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    precision: Option<usize>,
}

impl Verb {
    fn written(&self, letter: char, value: &Value<'_>, outside: Outside) -> String {
        let plain = || text(value, outside);
        let body = match (letter, value.json()) {
            ('v', _) => plain(),
            ('s', Json::String(_)) => match self.precision {
                Some(most) => plain().chars().take(most).collect(),
                None => plain(),
            },
            ('q', Json::String(_)) => format!("{:?}", plain()),
            ('x', Json::String(_)) => plain().bytes().fold(String::new(), |mut digits, byte| {
                let _ = write!(digits, "{byte:02x}");
                digits
            }),
            ('t', Json::Bool(truth)) => truth.to_string(),
            ('f' | 'e' | 'g', Json::Number(number)) if number.is_f64() => {
                self.float(letter, number.as_f64().unwrap_or_default())
            }
            ('d' | 'x' | 'X' | 'o' | 'b' | 'c', Json::Number(number)) if !number.is_f64() => {
                self.integer(letter, number.as_i64().unwrap_or(i64::MAX))
            }
            _ => return format!("%!{letter}({}={})", value.kind(), plain()),
        };
        let missing = self.width.saturating_sub(body.chars().count());
        if self.left {
            return format!("{body}{}", " ".repeat(missing));
        }
        if self.zeros && matches!(value.json(), Json::Number(_)) {
            let (sign, digits) = match body.strip_prefix(['-', '+']) {
                Some(digits) => body.split_at(body.len() - digits.len()),
                None => ("", body.as_str()),
            };
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        format!("{}{body}", " ".repeat(missing))
    }

    fn integer(&self, letter: char, number: i64) -> String {
        let magnitude = number.unsigned_abs();
        let digits = match letter {
            'x' => format!("{magnitude:x}"),
            'X' => format!("{magnitude:X}"),
            'o' => format!("{magnitude:o}"),
            'b' => format!("{magnitude:b}"),
            'c' => {
                let code = u32::try_from(number).ok().and_then(char::from_u32);
                return code
                    .filter(|letter| !letter.is_control())
                    .unwrap_or(char::REPLACEMENT_CHARACTER)
                    .to_string();
            }
            _ => magnitude.to_string(),
        };
        format!("{}{digits}", self.sign(number < 0))
    }

    fn float(&self, letter: char, number: f64) -> String {
        let magnitude = number.abs();
        let digits = match (letter, self.precision) {
            ('f', precision) => format!("{magnitude:.*}", precision.unwrap_or(6)),
            ('e', precision) => {
                // Go writes two digits of the exponent and its sign: 1.5e+03.
                let text = format!("{magnitude:.*e}", precision.unwrap_or(6));
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let exponent: i32 = exponent.parse().unwrap_or_default();
                let sign = if exponent < 0 { '-' } else { '+' };
                format!("{mantissa}e{sign}{:02}", exponent.abs())
            }
            (_, Some(precision)) => format!("{magnitude:.precision$}"),
            (_, None) => magnitude.to_string(),
        };
        format!("{}{digits}", self.sign(number < 0.0))
    }

    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        }
    }
}

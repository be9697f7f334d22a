//! Text from outside made harmless, and small matters of language.

use crate::postgres::server_text;
use std::{borrow::Cow, fmt::Write};

/// Returns `text` with everything that would steer a terminal, or hide from the eye, written out.
///
/// Control characters (line ends, too) become `\n`, `\t` or `\x1b`; marks that reverse or hide
/// text (Unicode's bidirectional controls and zero-width characters) become `\u{202e}`; bytes of
/// a name that is not UTF-8 become `\xf6`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            control if u32::from(control) < 0x100 && control.is_control() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(control));
            }
            hidden if is_harmful(hidden) => {
                let _ = match server_text::byte_of(hidden) {
                    Some(byte) => write!(safe, "\\x{byte:02x}"),
                    None => write!(safe, "\\u{{{:x}}}", u32::from(hidden)),
                };
            }
            plain => safe.push(plain),
        }
    }
    Cow::Owned(safe)
}

/// Returns text that holds JSON with what [`harmless`] writes out, but for the ends of lines,
/// written as JSON may write it, `\u009b`: JSON itself allows these letters in its strings.
pub fn harmless_json(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| letter != '\n' && is_harmful(letter);
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if steers(letter) {
            let _ = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    Cow::Owned(safe)
}

fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || server_text::byte_of(letter).is_some()
        || matches!(letter,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Returns `1 table`, `2 tables`.
pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 {
        return format!("1 {noun}");
    }
    format!("{count} {noun}s")
}

/// Puts the name that people call the plugin by into commands that the engine names.
///
/// The engine does not know that name: its hints say `` `pgbackup repo prune` ``.
pub fn branded(text: &str, brand: &str) -> String {
    text.replace("`pgbackup ", &format!("`{brand} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_start_a_line_or_colour_a_terminal() {
        assert_eq!(harmless("a\nb\x1b[31m\u{7f}\u{85}"), "a\\nb\\x1b[31m\\x7f\\x85");
    }

    #[test]
    fn a_name_cannot_run_backwards_or_hide_letters() {
        assert_eq!(harmless("shop\u{202e}txt\u{200b}"), "shop\\u{202e}txt\\u{200b}");
    }

    #[test]
    fn json_holds_no_letter_that_steers_a_terminal_and_means_the_same() {
        let name = "red\u{1b}[1m\u{9b}31m\u{7f}back\u{202e}\u{eff6}";
        let json = format!("{:#}\n", serde_json::json!({ "name": name }));
        let safe = harmless_json(&json);
        assert!(!safe.contains(|letter: char| letter != '\n' && is_harmful(letter)), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap()["name"], name);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_shown_by_its_bytes() {
        assert_eq!(harmless("gr\u{eff6}n"), "gr\\xf6n");
    }

    #[test]
    fn letters_of_every_script_stay_as_they_are() {
        assert!(matches!(harmless("Łódź データ 'a=b' x/y"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_hint_names_the_plugin_as_people_call_it() {
        assert_eq!(branded("run `pgbackup undo`", "docker pgbackup"), "run `docker pgbackup undo`");
    }
}

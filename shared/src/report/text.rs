//! Text from outside made harmless, and small matters of language.

use std::{borrow::Cow, fmt::Write};

/// Returns `text` with everything that would steer a terminal, or hide from the eye, written out.
///
/// Control characters (line ends, too) become `\n`, `\t` or `\x1b`; marks that reverse or hide
/// text (Unicode's bidirectional controls and zero-width characters) become `\u{202e}`.
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
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(hidden));
            }
            plain => safe.push(plain),
        }
    }
    Cow::Owned(safe)
}

fn is_harmful(letter: char) -> bool {
    letter.is_control()
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
    fn letters_of_every_script_stay_as_they_are() {
        assert!(matches!(harmless("Łódź データ 'a=b' x/y"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_hint_names_the_plugin_as_people_call_it() {
        assert_eq!(branded("run `pgbackup undo`", "docker pgbackup"), "run `docker pgbackup undo`");
    }
}

//! Arguments of a script that are any bytes.
//!
//! A command line goes to the platform as UTF-8. A name that is none goes there letter by letter in
//! octal, and the script turns it back.

use pgbackup_wire::text;
use std::{borrow::Cow, fmt::Write as _};

/// Turns all arguments back. The letter behind each keeps ends of lines, which `$( )` takes off.
const TURN_BACK: &str = r#"
LC_ALL=C
for word do
  word=$(printf "$word.")
  set -- "$@" "${word%.}"
  shift
done
"#;

/// What follows `sh -c`: the script, the name it goes by, and its arguments.
pub(super) fn with_script(script: &str, arguments: &[String]) -> Vec<String> {
    let is_text = |argument: &String| matches!(text::to_bytes(argument), Cow::Borrowed(_));
    let mut words = vec![script.to_owned(), "sh".to_owned()];
    if arguments.iter().all(is_text) {
        words.extend_from_slice(arguments);
        return words;
    }
    words.extend(arguments.iter().map(|argument| {
        text::to_bytes(argument).iter().fold(String::new(), |mut octal, byte| {
            // Writing to a text does not fail.
            let _ = write!(octal, "\\{byte:03o}");
            octal
        })
    }));
    if let Some(script) = words.first_mut() {
        script.insert_str(0, TURN_BACK);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn bytes_that_are_no_utf_8_reach_a_script_as_they_are() {
        let bytes = [&b"gr\xf6\xdfe 100% \\ \"$x\"\n\n"[..], b"", b"-n"];
        let arguments = bytes.map(|bytes| text::from_bytes(bytes).into_owned());
        let words = with_script("for word do printf '%s|' \"$word\"; done", &arguments);
        assert!(words.iter().all(|word| !word.contains('\u{eff6}')));

        let output = Command::new("sh").arg("-c").args(&words).output().unwrap();

        assert_eq!(output.stdout, b"gr\xf6\xdfe 100% \\ \"$x\"\n\n||-n|");
    }

    #[test]
    fn text_is_left_as_it_is() {
        assert_eq!(with_script("true", &["größe".to_owned()]), ["true", "sh", "größe"]);
    }
}

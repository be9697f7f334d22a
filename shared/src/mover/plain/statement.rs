//! Statements as psql takes them.

/// Statements as psql keeps them: without what stands before the first and behind the last, without
/// empty lines, and without comments to the end of a line, which psql up to 14 leaves out everywhere
/// and later ones at the beginning.
///
/// Sources: PostgreSQL 15's release notes, psql; `MainLoop` in `src/bin/psql/mainloop.c`.
pub(super) fn bare(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(letter) = rest.chars().next() {
        let length = quoted_length(rest).unwrap_or(letter.len_utf8());
        let (piece, after) = rest.split_at(length);
        let piece = if piece.starts_with("--") { "\n" } else { piece };
        if piece != "\n" || !out.ends_with('\n') {
            out.push_str(piece);
        }
        rest = after;
    }
    let inner = out.trim_ascii().trim_end_matches(';').trim_ascii_end();
    inner.to_owned()
}

/// Joins several statements into one message to the server, as the simple protocol would carry
/// them: the first failure ends all. psql sends each by itself where a `;` ends it, and goes on
/// after a failure; at `\;` it does neither.
///
/// Quotes, dollar quotes and comments are left as they are.
pub(super) fn joined(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 8);
    let mut rest = sql;
    while let Some(letter) = rest.chars().next() {
        let length = quoted_length(rest).unwrap_or(letter.len_utf8());
        let (piece, after) = rest.split_at(length);
        if piece == ";" {
            out.push('\\');
        }
        out.push_str(piece);
        rest = after;
    }
    out
}

/// The length of what begins here and is to be left alone.
fn quoted_length(text: &str) -> Option<usize> {
    let to = |from: usize, end: &str| {
        text.get(from..).and_then(|rest| rest.find(end)).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("E'") {
        return Some(escape_string_length(text));
    }
    if text.starts_with('\'') {
        return Some(to(1, "'"));
    }
    if text.starts_with('"') {
        return Some(to(1, "\""));
    }
    if text.starts_with("--") {
        return Some(to(2, "\n"));
    }
    if text.starts_with("/*") {
        return Some(to(2, "*/"));
    }
    if text.starts_with('$') {
        let end = text.get(1..)?.find('$')? + 2;
        let tag = text.get(..end)?;
        let inner = tag.trim_matches('$');
        let is_tag = inner.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
            && !inner.starts_with(|letter: char| letter.is_ascii_digit());
        return is_tag.then(|| to(end, tag));
    }
    None
}

/// `E'...'`, in which a backslash makes the next letter plain.
fn escape_string_length(text: &str) -> usize {
    let mut letters = text.char_indices().skip(2);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_joined_into_one_message() {
        assert_eq!(joined(&bare("\nBEGIN; SET LOCAL a = 1;\n")), r"BEGIN\; SET LOCAL a = 1");
    }

    #[test]
    fn comments_to_the_end_of_a_line_are_left_out_but_where_they_are_none() {
        assert_eq!(
            bare("--\n-- Name: a; Type: TABLE\n--\n\nSELECT 1; -- one\nSELECT 2;\n"),
            "SELECT 1; \nSELECT 2"
        );
        assert_eq!(
            bare("GRANT a TO b;\n\n\n--\n-- Name: c\n--\n\nGRANT c TO d"),
            "GRANT a TO b;\nGRANT c TO d"
        );
        for sql in
            ["SELECT '--\n\n'", "DO $$ -- here\n\n BEGIN END $$", "SELECT \"--\"", "SELECT 1 /* -- */ + 1"]
        {
            assert_eq!(bare(sql), sql);
        }
    }

    #[test]
    fn what_is_quoted_keeps_its_semicolons() {
        for sql in [
            "SELECT 'a;b''c;'",
            r"SELECT E'a\';b'",
            "ALTER TABLE \"a;\"\"b;\" OWNER TO c",
            "DO $$ BEGIN; END; $$",
            "DO $x$ ; $$ ; $x$",
            "SELECT 1 -- no; end",
            "SELECT /* ; */ $1",
        ] {
            assert_eq!(joined(sql), sql);
        }
    }
}

//! A template's text, cut into tokens.

use std::ops::Range;

/// A piece of a template, with where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    pub place: Range<usize>,
    /// Whether white space stands before it, which tells `.A .B` from `.A.B`.
    pub spaced: bool,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// What stands outside of braces.
    Text(String),
    /// `{{`
    Open,
    /// `}}`
    Close,
    /// `.Name`, without the dot.
    Field(String),
    /// `.`
    Dot,
    /// `$name`, with the dollar.
    Variable(String),
    /// A keyword or a function.
    Word(String),
    /// A number as it is written.
    Number(String),
    /// What stood in quotes, unescaped.
    Quoted(String),
    /// `'a'`
    Letter(char),
    /// `|`
    Bar,
    /// `,`
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// Behind the last one.
    End,
}

/// What is wrong, and at which byte.
pub(super) type Wrong = (usize, String);

/// Cuts a template into tokens; the last is [`Kind::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Token>, Wrong> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    lexer.outside()?;
    lexer.push(Kind::End, text.len(), false);
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn push(&mut self, kind: Kind, from: usize, spaced: bool) {
        self.tokens.push(Token { kind, place: from..self.at, spaced });
    }

    fn outside(&mut self) -> Result<(), Wrong> {
        // Whether the last action ended with ` -}}`.
        let mut trimmed = false;
        loop {
            let from = self.at;
            let rest = self.rest();
            let (before, opened) = match rest.find("{{") {
                Some(found) => (&rest[..found], true),
                None => (rest, false),
            };
            let length = before.len();
            let mut before = if trimmed { before.trim_start_matches(is_space) } else { before };
            let inside = rest.get(length + 2..).unwrap_or_default();
            let trims = inside.starts_with('-') && inside[1..].starts_with(is_space);
            if opened && trims {
                before = before.trim_end_matches(is_space);
            }
            let text = before.to_owned();
            self.at += length;
            if !text.is_empty() {
                self.push(Kind::Text(text), from, false);
            }
            if !opened {
                return Ok(());
            }
            let opening = self.at;
            self.at += 2 + usize::from(trims);
            trimmed = match self.comment(opening)? {
                Some(trims) => trims,
                None => self.action(opening)?,
            };
        }
    }

    /// Passes over `{{/* ... */}}`; returns whether it trims what follows, none if it is no comment.
    fn comment(&mut self, opening: usize) -> Result<Option<bool>, Wrong> {
        let inside = self.rest().trim_start_matches(is_space);
        if !inside.starts_with("/*") {
            return Ok(None);
        }
        let skipped = self.rest().len() - inside.len();
        let Some(end) = inside.find("*/") else { return Err((opening, "unclosed comment".into())) };
        let behind = &inside[end + 2..];
        let (length, trims) = if behind.starts_with("}}") {
            (2, false)
        } else if let Some(length) = trimming_close(behind) {
            (length, true)
        } else {
            return Err((opening, "comment ends before closing delimiter".into()));
        };
        self.at += skipped + end + 2 + length;
        Ok(Some(trims))
    }

    /// Reads to the end of an action; returns whether it trims what follows.
    fn action(&mut self, opening: usize) -> Result<bool, Wrong> {
        self.push(Kind::Open, opening, false);
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            let spaces = rest.len() - rest.trim_start_matches(is_space).len();
            let closing = trimming_close(rest);
            let from = self.at;
            if let Some(length) = closing {
                self.at += length;
            } else {
                self.at += spaces;
            }
            let from = if closing.is_some() { from } else { self.at };
            let rest = self.rest();
            if closing.is_some() || rest.starts_with("}}") {
                if depth > 0 {
                    return Err((from, "unclosed left paren".into()));
                }
                if closing.is_none() {
                    self.at += 2;
                }
                self.push(Kind::Close, from, spaces > 0);
                return Ok(closing.is_some());
            }
            let Some(letter) = rest.chars().next() else {
                return Err((opening, "unclosed action".into()));
            };
            let kind = match letter {
                '(' => {
                    depth += 1;
                    self.take(1, Kind::LeftParen)
                }
                ')' => {
                    depth = depth.checked_sub(1).ok_or((from, "unexpected right paren".to_owned()))?;
                    self.take(1, Kind::RightParen)
                }
                '|' => self.take(1, Kind::Bar),
                ',' => self.take(1, Kind::Comma),
                '=' => self.take(1, Kind::Assign),
                ':' if rest.starts_with(":=") => self.take(2, Kind::Declare),
                ':' => return Err((from, "expected :=".into())),
                '"' => self.quoted(from)?,
                '`' => self.raw(from)?,
                '\'' => self.letter(from)?,
                '$' => {
                    let name = word(&rest[1..]).to_owned();
                    self.take(1 + name.len(), Kind::Variable(format!("${name}")))
                }
                '.' if !rest[1..].starts_with(|next: char| next.is_ascii_digit()) => {
                    let name = word(&rest[1..]).to_owned();
                    let kind = if name.is_empty() { Kind::Dot } else { Kind::Field(name.clone()) };
                    self.take(1 + name.len(), kind)
                }
                '.' | '+' | '-' | '0'..='9' => self.number(from)?,
                _ if is_of_word(letter) => {
                    let name = word(rest).to_owned();
                    self.take(name.len(), Kind::Word(name))
                }
                _ => return Err((from, format!("unexpected {:?} in command", letter.to_string()))),
            };
            self.push(kind, from, spaces > 0);
        }
    }

    fn take(&mut self, length: usize, kind: Kind) -> Kind {
        self.at += length;
        kind
    }

    fn number(&mut self, from: usize) -> Result<Kind, Wrong> {
        let rest = self.rest();
        let mut before = '0';
        let length = rest
            .char_indices()
            .find(|&(at, letter)| {
                let sign = matches!(letter, '+' | '-') && (at == 0 || matches!(before, 'e' | 'E'));
                before = letter;
                !(sign || letter == '.' || is_of_word(letter))
            })
            .map_or(rest.len(), |(at, _)| at);
        let number = rest[..length].to_owned();
        if !number.contains(|letter: char| letter.is_ascii_digit()) {
            return Err((from, format!("bad number syntax: {number:?}")));
        }
        Ok(self.take(length, Kind::Number(number)))
    }

    fn raw(&mut self, from: usize) -> Result<Kind, Wrong> {
        let rest = &self.rest()[1..];
        let end = rest.find('`').ok_or((from, "unterminated raw quoted string".to_owned()))?;
        let text = rest[..end].to_owned();
        Ok(self.take(end + 2, Kind::Quoted(text)))
    }

    fn quoted(&mut self, from: usize) -> Result<Kind, Wrong> {
        let (text, length) =
            unquoted(&self.rest()[1..], '"').ok_or((from, "unterminated quoted string".to_owned()))?;
        Ok(self.take(length + 2, Kind::Quoted(text)))
    }

    fn letter(&mut self, from: usize) -> Result<Kind, Wrong> {
        let (text, length) =
            unquoted(&self.rest()[1..], '\'').ok_or((from, "unterminated character constant".to_owned()))?;
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => Ok(self.take(length + 2, Kind::Letter(letter))),
            _ => Err((from, format!("malformed character constant: '{text}'"))),
        }
    }
}

/// Returns what stands before the closing quote, without escapes, and how long it is with them;
/// none if the quote is not closed on its line, or an escape is none.
fn unquoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut plain = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Some((plain, at)),
            '\n' => return None,
            '\\' => {
                let (_, escaped) = letters.next()?;
                let mut code = |digits: usize| {
                    let mut value = 0;
                    for _ in 0..digits {
                        value = value * 16 + letters.next()?.1.to_digit(16)?;
                    }
                    char::from_u32(value)
                };
                plain.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'a' => '\x07',
                    'b' => '\x08',
                    'f' => '\x0c',
                    'v' => '\x0b',
                    'x' => code(2)?,
                    'u' => code(4)?,
                    'U' => code(8)?,
                    '\\' | '"' | '\'' => escaped,
                    _ => return None,
                });
            }
            _ => plain.push(letter),
        }
    }
    None
}

/// The length of ` -}}` at the beginning of a text, with all the white space; none if it is not there.
fn trimming_close(text: &str) -> Option<usize> {
    let behind = text.trim_start_matches(is_space);
    let spaces = text.len() - behind.len();
    (spaces > 0 && behind.starts_with("-}}")).then_some(spaces + 3)
}

/// The letters, digits and underscores that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|letter| !is_of_word(letter)).unwrap_or(text.len());
    &text[..end]
}

fn is_of_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

//! Tokens, put together to a tree.

use super::{
    function,
    lex::{Kind, Token, Wrong, lex},
    node::{Branches, Command, Head, Node, Operand, Pipe},
};
use serde_json::{Number, Value as Json};

/// So deep may blocks and parentheses stand in each other.
const DEEPEST: usize = 100;

/// Reads a template.
///
/// # Errors
///
/// What is wrong in Go's words, and at which byte.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, Wrong> {
    let mut parser = Parser {
        text,
        tokens: lex(text)?.into_iter().peekable(),
        variables: vec!["$".to_owned()],
        loops: 0,
        depth: 0,
        last: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        Ended::All => Ok(nodes),
        Ended::End(at) => Err((at, "unexpected {{end}}".into())),
        Ended::Else(at) => Err((at, "unexpected {{else}}".into())),
    }
}

/// What ended a list of nodes. Behind `else` its action is not read yet.
enum Ended {
    All,
    End(usize),
    Else(usize),
}

/// What a keyword opens.
#[derive(Clone, Copy)]
enum Block {
    If,
    With,
    Range,
}

struct Parser<'a> {
    text: &'a str,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    /// Those that may be used here; blocks take theirs off at their ends.
    variables: Vec<String>,
    loops: usize,
    depth: usize,
    /// Where the last token that was taken ends.
    last: usize,
}

impl Parser<'_> {
    fn take(&mut self) -> Token {
        let end = self.text.len();
        let token = self.tokens.next().unwrap_or(Token { kind: Kind::End, place: end..end, spaced: false });
        self.last = token.place.end;
        token
    }

    fn next_is(&mut self, kind: &Kind) -> bool {
        self.tokens.peek().is_some_and(|token| token.kind == *kind)
    }

    fn at(&mut self) -> usize {
        self.tokens.peek().map_or(self.text.len(), |token| token.place.start)
    }

    fn unexpected(&self, token: &Token, context: &str) -> Wrong {
        let what = match &token.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Word(word) if is_keyword(word) => format!("<{word}>"),
            _ => {
                let text = self.text.get(token.place.clone()).unwrap_or_default().trim();
                match text.char_indices().nth(10) {
                    Some((end, _)) => format!("{:?}...", &text[..end]),
                    None => format!("{text:?}"),
                }
            }
        };
        (token.place.start, format!("unexpected {what} in {context}"))
    }

    fn deeper(&mut self) -> Result<(), Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST { Err((self.at(), "max expression depth exceeded".into())) } else { Ok(()) }
    }

    fn list(&mut self) -> Result<(Vec<Node>, Ended), Wrong> {
        let mut nodes = Vec::new();
        loop {
            let token = self.take();
            match token.kind {
                Kind::End => return Ok((nodes, Ended::All)),
                Kind::Text(text) => nodes.push(Node::Text(text)),
                _ => {
                    let at = self.at();
                    let keyword = match self.tokens.peek().map(|token| &token.kind) {
                        Some(Kind::Word(word)) if is_keyword(word) => Some(word.clone()),
                        _ => None,
                    };
                    if keyword.is_some() {
                        self.take();
                    }
                    match keyword.as_deref() {
                        None => {
                            let pipe = self.pipe("command", false)?;
                            self.close("command")?;
                            nodes.push(Node::Action(pipe));
                        }
                        Some("end") => {
                            self.close("end")?;
                            return Ok((nodes, Ended::End(at)));
                        }
                        Some("else") => return Ok((nodes, Ended::Else(at))),
                        Some("if") => nodes.push(Node::If(self.block(Block::If)?)),
                        Some("with") => nodes.push(Node::With(self.block(Block::With)?)),
                        Some("range") => nodes.push(Node::Range(self.block(Block::Range)?)),
                        Some(word @ ("break" | "continue")) => {
                            if self.loops == 0 {
                                return Err((at, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                            }
                            self.close(word)?;
                            nodes.push(if word == "break" { Node::Break } else { Node::Continue });
                        }
                        Some(word) => return Err((at, format!("{{{{{word}}}}} is not supported here"))),
                    }
                }
            }
        }
    }

    fn close(&mut self, context: &str) -> Result<(), Wrong> {
        let token = self.take();
        if token.kind == Kind::Close { Ok(()) } else { Err(self.unexpected(&token, context)) }
    }

    /// Reads what stands behind `if`, `with` or `range`, and behind an `else` of one.
    fn block(&mut self, block: Block) -> Result<Branches, Wrong> {
        self.deeper()?;
        let outer = self.variables.len();
        let name = match block {
            Block::If => "if",
            Block::With => "with",
            Block::Range => "range",
        };
        let pipe = self.pipe(name, matches!(block, Block::Range))?;
        self.close(name)?;
        self.loops += usize::from(matches!(block, Block::Range));
        let (then, ended) = self.list()?;
        self.loops -= usize::from(matches!(block, Block::Range));
        let otherwise = match ended {
            Ended::All => return Err((self.text.len(), "unexpected EOF".into())),
            Ended::End(_) => Vec::new(),
            Ended::Else(at) => self.otherwise(block, at)?,
        };
        self.variables.truncate(outer);
        self.depth -= 1;
        Ok(Branches { pipe, then, otherwise })
    }

    fn otherwise(&mut self, block: Block, at: usize) -> Result<Vec<Node>, Wrong> {
        // `else if` and `else with` end together with what they stand in.
        let chained = match (block, self.tokens.peek().map(|token| &token.kind)) {
            (Block::If, Some(Kind::Word(word))) if word == "if" => Some(Block::If),
            (Block::With, Some(Kind::Word(word))) if word == "with" => Some(Block::With),
            _ => None,
        };
        if let Some(chained) = chained {
            self.take();
            let branches = self.block(chained)?;
            return Ok(vec![match chained {
                Block::With => Node::With(branches),
                Block::If | Block::Range => Node::If(branches),
            }]);
        }
        self.close("else")?;
        let (nodes, ended) = self.list()?;
        match ended {
            Ended::End(_) => Ok(nodes),
            Ended::All => Err((self.text.len(), "unexpected EOF".into())),
            Ended::Else(_) => Err((at, "expected end; found {{else}}".into())),
        }
    }

    /// Reads up to what closes it: `}}` or `)`.
    fn pipe(&mut self, context: &str, is_range: bool) -> Result<Pipe, Wrong> {
        let (variables, assigns) = self.declaration(context, is_range)?;
        let mut commands = Vec::new();
        loop {
            let at = self.at();
            let operands = self.operands()?;
            if operands.is_empty() {
                let token = self.take();
                return Err(match token.kind {
                    Kind::Close | Kind::RightParen if commands.is_empty() => {
                        (at, format!("missing value for {context}"))
                    }
                    Kind::Close | Kind::RightParen | Kind::Bar => (
                        at,
                        format!(
                            "missing value for {}",
                            if commands.is_empty() { context } else { "command" }
                        ),
                    ),
                    _ => self.unexpected(&token, context),
                });
            }
            // Only the first command may be a plain value: the others are given what came before.
            if let Some(first) = operands.first().filter(|_| !commands.is_empty())
                && matches!(first.head, Head::Dot | Head::Literal(_) | Head::Nil)
                && first.fields.is_empty()
            {
                let number = commands.len() + 1;
                return Err((first.at, format!("non executable command in pipeline stage {number}")));
            }
            let text = self.text.get(at..self.last).unwrap_or_default().to_owned();
            commands.push(Command { operands, text });
            if !self.next_is(&Kind::Bar) {
                break;
            }
            self.take();
        }
        self.variables.extend(variables.iter().filter(|_| !assigns).cloned());
        Ok(Pipe { variables, assigns, commands })
    }

    /// Reads `$a :=`, `$a =`, and for `range` `$a, $b :=`, if one of them stands here.
    fn declaration(&mut self, context: &str, is_range: bool) -> Result<(Vec<String>, bool), Wrong> {
        let mut ahead = self.tokens.clone();
        let mut names = Vec::new();
        let assigns = loop {
            let (Some(Token { kind: Kind::Variable(name), .. }), Some(after)) = (ahead.next(), ahead.next())
            else {
                return Ok((Vec::new(), false));
            };
            names.push(name);
            match after.kind {
                Kind::Declare => break false,
                Kind::Assign => break true,
                Kind::Comma if is_range && names.len() < 2 => {}
                Kind::Comma => {
                    return Err((after.place.start, format!("too many declarations in {context}")));
                }
                _ => return Ok((Vec::new(), false)),
            }
        };
        let at = self.at();
        for _ in 0..names.len() * 2 {
            self.take();
        }
        if assigns && let Some(name) = names.iter().find(|name| !self.variables.contains(name)) {
            return Err((at, format!("undefined variable {name:?}")));
        }
        Ok((names, assigns))
    }

    fn operands(&mut self) -> Result<Vec<Operand>, Wrong> {
        let mut operands: Vec<Operand> = Vec::new();
        loop {
            match self.tokens.peek().map(|token| (&token.kind, token.spaced)) {
                None | Some((Kind::Bar | Kind::Close | Kind::RightParen | Kind::End, _)) => {
                    return Ok(operands);
                }
                Some((kind, false)) if !operands.is_empty() && *kind != Kind::LeftParen => {
                    let token = self.take();
                    return Err(self.unexpected(&token, "operand"));
                }
                Some(_) => operands.push(self.operand()?),
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, Wrong> {
        let token = self.take();
        let from = token.place.start;
        let mut at = from;
        let mut fields = Vec::new();
        let head = match &token.kind {
            Kind::Dot => Head::Dot,
            Kind::Field(name) => {
                fields.push(name.clone());
                Head::Dot
            }
            Kind::Variable(name) if self.variables.contains(name) => Head::Variable(name.clone()),
            Kind::Variable(name) => return Err((at, format!("undefined variable {name:?}"))),
            Kind::Word(word) => match word.as_str() {
                "true" => Head::Literal(Json::Bool(true)),
                "false" => Head::Literal(Json::Bool(false)),
                "nil" => Head::Nil,
                word if is_keyword(word) => return Err(self.unexpected(&token, "operand")),
                word => Head::Function(
                    function::name(word).ok_or_else(|| (at, format!("function {word:?} not defined")))?,
                ),
            },
            Kind::Number(text) => {
                Head::Literal(number(text).ok_or((at, format!("bad number syntax: {text:?}")))?)
            }
            Kind::Letter(letter) => Head::Literal(u32::from(*letter).into()),
            Kind::Quoted(text) => Head::Literal(text.clone().into()),
            Kind::LeftParen => {
                self.deeper()?;
                let pipe = self.pipe("parenthesized pipeline", false)?;
                let end = self.take();
                if end.kind != Kind::RightParen {
                    return Err(self.unexpected(&end, "parenthesized pipeline"));
                }
                self.depth -= 1;
                Head::Group(Box::new(pipe))
            }
            _ => return Err(self.unexpected(&token, "operand")),
        };
        while let Some(Token { kind: Kind::Field(name), spaced: false, .. }) = self.tokens.peek() {
            let name = name.clone();
            if matches!(head, Head::Literal(_) | Head::Nil | Head::Function(_)) {
                let token = self.take();
                return Err(self.unexpected(&token, "operand"));
            }
            let next = self.take().place.start;
            if fields.len() == usize::from(matches!(token.kind, Kind::Field(_))) {
                at = next;
            }
            fields.push(name);
        }
        let text = self.text.get(from..self.last).unwrap_or_default().to_owned();
        Ok(Operand { head, fields, at, text })
    }
}

/// A number as Go writes it: `1_000`, `0x1f`, `0b11`, `0o17`, `017`, `1.5e3`.
fn number(text: &str) -> Option<Json> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix(['+', '-']) {
        Some(digits) => (plain.starts_with('-'), digits),
        None => (false, plain.as_str()),
    };
    let lower = digits.to_ascii_lowercase();
    let integer = if let Some(digits) = lower.strip_prefix("0x") {
        i64::from_str_radix(digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        i64::from_str_radix(digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        i64::from_str_radix(digits, 8)
    } else if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|digit| digit.is_ascii_digit()) {
        i64::from_str_radix(&lower, 8)
    } else {
        lower.parse()
    };
    if let Ok(integer) = integer {
        return Some((if negative { -integer } else { integer }).into());
    }
    let float: f64 = plain
        .parse()
        .ok()
        .filter(|_| lower.starts_with(|first: char| first.is_ascii_digit() || first == '.'))?;
    Number::from_f64(float).map(Json::Number)
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "else" | "end" | "range" | "with" | "break" | "continue" | "define" | "template" | "block"
    )
}

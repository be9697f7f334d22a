//! A template as a tree.

use serde_json::Value as Json;

/// One piece of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// What is written as it stands.
    Text(String),
    /// `{{pipeline}}`: written, unless it only sets a variable.
    Action(Pipe),
    /// `{{if}}`.
    If(Branches),
    /// `{{with}}`: as `if`, and the dot is what was asked about.
    With(Branches),
    /// `{{range}}`: once for each element.
    Range(Branches),
    /// `{{break}}`.
    Break,
    /// `{{continue}}`.
    Continue,
}

/// What decides, and the two ways on.
#[derive(Clone, Debug)]
pub(super) struct Branches {
    pub pipe: Pipe,
    pub then: Vec<Node>,
    pub otherwise: Vec<Node>,
}

/// `$a, $b := first | second`.
#[derive(Clone, Debug)]
pub(super) struct Pipe {
    /// The variables that are set, each with its `$`.
    pub variables: Vec<String>,
    /// Whether they are there already (`=`), or made here (`:=`).
    pub assigns: bool,
    pub commands: Vec<Command>,
}

/// A function or value with what is given to it; never empty.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub operands: Vec<Operand>,
    /// How it is written in the template.
    pub text: String,
}

/// A value, and the fields that are taken of it.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub head: Head,
    pub fields: Vec<String>,
    /// Where it stands in the template, in bytes; of several fields the second, as Go counts.
    pub at: usize,
    /// How it is written there.
    pub text: String,
}

/// What a value comes from.
#[derive(Clone, Debug)]
pub(super) enum Head {
    /// `.`
    Dot,
    /// `$name`
    Variable(String),
    /// A function's name.
    Function(&'static str),
    /// A string, number or truth.
    Literal(Json),
    /// `nil`
    Nil,
    /// `(pipeline)`
    Group(Box<Pipe>),
}

//! A tree, filled in.

use super::{
    function::{self, Call, Wrong},
    node::{Branches, Command, Head, Node, Operand, Pipe},
    render::{Missing, Outside},
    value::Value,
};
use serde_json::Value as Json;

/// `range` over a number goes no further: a mistyped one must not fill the memory.
const MOST_TURNS: i64 = 100_000;

/// What went wrong, and where.
pub(super) struct Failed {
    pub at: usize,
    pub text: String,
    pub what: String,
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Through,
    Break,
    Continue,
}

/// One filling in.
pub(super) struct Run<'d> {
    pub written: String,
    dot: Value<'d>,
    variables: Vec<(String, Value<'d>)>,
    outside: Outside,
    missing: Missing,
    headers: bool,
}

impl<'d> Run<'d> {
    pub fn new(data: Value<'d>, outside: Outside, missing: Missing) -> Self {
        let variables = vec![("$".to_owned(), data.clone())];
        Self { written: String::new(), dot: data, variables, outside, missing, headers: false }
    }

    pub fn with_headers(self) -> Self {
        Self { headers: true, ..self }
    }

    pub fn nodes(&mut self, nodes: &[Node]) -> Result<Flow, Failed> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.written.push_str(text);
                    Flow::Through
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe)?;
                    if pipe.variables.is_empty() {
                        let text = function::text(&value, self.outside);
                        self.written.push_str(&text);
                    }
                    Flow::Through
                }
                Node::If(branches) => self.choose(branches, false)?,
                Node::With(branches) => self.choose(branches, true)?,
                Node::Range(branches) => self.range(branches)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Through {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    /// Carries out nodes with another dot; variables made in them end with them.
    fn inside(&mut self, dot: Value<'d>, nodes: &[Node]) -> Result<Flow, Failed> {
        let outer = std::mem::replace(&mut self.dot, dot);
        let known = self.variables.len();
        let flow = self.nodes(nodes);
        self.variables.truncate(known);
        self.dot = outer;
        flow
    }

    fn choose(&mut self, branches: &Branches, moves: bool) -> Result<Flow, Failed> {
        let known = self.variables.len();
        let value = self.pipe(&branches.pipe)?;
        let truth = value.is_true();
        let dot = if moves && truth { value } else { self.dot.clone() };
        let flow = self.inside(dot, if truth { &branches.then } else { &branches.otherwise });
        self.variables.truncate(known);
        flow
    }

    fn range(&mut self, branches: &Branches) -> Result<Flow, Failed> {
        let known = self.variables.len();
        // The pipe's variables are set for each element, not to the whole.
        let pipe = Pipe { variables: Vec::new(), ..branches.pipe.clone() };
        let over = self.pipe(&pipe)?;
        let elements = elements(&over).ok_or_else(|| {
            failed_at(&pipe, format!("range can't iterate over {}", function::text(&over, self.outside)))
        })?;
        let mut flow = Flow::Through;
        if elements.is_empty() {
            let dot = self.dot.clone();
            flow = self.inside(dot, &branches.otherwise)?;
        }
        for (key, element) in elements {
            match branches.pipe.variables.as_slice() {
                [one] => self.set(one, element.clone(), branches.pipe.assigns),
                [one, two] => {
                    self.set(one, key, branches.pipe.assigns);
                    self.set(two, element.clone(), branches.pipe.assigns);
                }
                _ => {}
            }
            let flow = self.inside(element, &branches.then)?;
            if !branches.pipe.assigns {
                self.variables.truncate(known);
            }
            if flow == Flow::Break {
                break;
            }
        }
        self.variables.truncate(known);
        Ok(flow)
    }

    fn set(&mut self, name: &str, value: Value<'d>, assigns: bool) {
        match self.variables.iter_mut().rev().find(|(known, _)| assigns && known == name) {
            Some((_, known)) => *known = value,
            None => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipe(&mut self, pipe: &Pipe) -> Result<Value<'d>, Failed> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value)?);
        }
        let value = value.unwrap_or(Value::Missing);
        if let [name] = pipe.variables.as_slice() {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    /// Evaluates one command; `last` is what the one before it came to.
    fn command(&mut self, command: &Command, last: Option<Value<'d>>) -> Result<Value<'d>, Failed> {
        let Some((first, others)) = command.operands.split_first() else { return Ok(Value::Missing) };
        let Head::Function(name) = first.head else {
            if !others.is_empty() || last.is_some() {
                let what = match &first.fields.last() {
                    Some(field) => format!("{field} has arguments but cannot be invoked as function"),
                    None => format!("can't give argument to non-function {}", first.text),
                };
                return Err(failed(first, what));
            }
            return self.operand(first);
        };
        // These two look at no more than they need.
        if matches!(name, "and" | "or") {
            return self.first_that_decides(name == "or", first, others, last);
        }
        let mut arguments = Vec::with_capacity(others.len() + 1);
        for other in others {
            arguments.push(self.operand(other)?);
        }
        arguments.extend(last);
        let call = Call { name, outside: self.outside, headers: self.headers };
        call.with(&arguments).map_err(|wrong| Self::explained(wrong, command, &arguments))
    }

    /// Says where a call went wrong: at the function, at one of its arguments, or as a whole.
    fn explained(wrong: Wrong, command: &Command, arguments: &[Value<'_>]) -> Failed {
        let at = command.operands.first().map_or(0, |first| first.at);
        match wrong {
            Wrong::Body(what) => Failed { at, text: command.text.clone(), what },
            Wrong::Count(what) => Failed { at, text: first_word(command), what },
            Wrong::Argument(number, wanted) => {
                let got = arguments.get(number).unwrap_or(&Value::Missing);
                let wrong_type = format!("wrong type for value; expected {wanted}; got {}", got.kind());
                match command.operands.get(number + 1) {
                    Some(operand) if matches!(operand.head, Head::Literal(_)) => {
                        failed(operand, format!("expected {wanted}; found {}", operand.text))
                    }
                    Some(operand) => failed(operand, wrong_type),
                    None => Failed { at, text: first_word(command), what: wrong_type },
                }
            }
        }
    }

    fn first_that_decides(
        &mut self,
        decisive: bool,
        first: &Operand,
        others: &[Operand],
        last: Option<Value<'d>>,
    ) -> Result<Value<'d>, Failed> {
        let mut value = None;
        for other in others {
            let next = self.operand(other)?;
            if next.is_true() == decisive {
                return Ok(next);
            }
            value = Some(next);
        }
        last.or(value).ok_or_else(|| {
            failed(first, format!("wrong number of args for {}: want at least 1 got 0", first.text))
        })
    }

    fn operand(&mut self, operand: &Operand) -> Result<Value<'d>, Failed> {
        let mut value = match &operand.head {
            Head::Dot => self.dot.clone(),
            Head::Variable(name) => self
                .variables
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map_or(Value::Missing, |(_, value)| value.clone()),
            Head::Literal(json) => Value::made(json.clone()),
            Head::Nil => return Err(failed(operand, "nil is not a command".into())),
            Head::Group(pipe) => self.pipe(pipe)?,
            Head::Function(name) => {
                let command = Command { operands: vec![operand.clone()], text: operand.text.clone() };
                let call = Call { name, outside: self.outside, headers: self.headers };
                call.with(&[]).map_err(|wrong| Self::explained(wrong, &command, &[]))?
            }
        };
        for field in &operand.fields {
            value = self.field(operand, &value, field)?;
        }
        Ok(value)
    }

    fn field(&self, operand: &Operand, value: &Value<'d>, name: &str) -> Result<Value<'d>, Failed> {
        match value.field(name) {
            Some(Value::Missing) if self.missing == Missing::Error => {
                Err(failed(operand, format!("map has no entry for key {name:?}")))
            }
            Some(found) => Ok(found),
            None if matches!(value.json(), Json::Null) && self.missing == Missing::NoValue => {
                Ok(Value::Missing)
            }
            None if matches!(value.json(), Json::Null) => {
                Err(failed(operand, format!("nil pointer evaluating interface {{}}.{name}")))
            }
            None => Err(failed(operand, format!("can't evaluate field {name} in type {}", value.kind()))),
        }
    }
}

/// What `range` goes through, each with its key; none if it cannot.
fn elements<'d>(over: &Value<'d>) -> Option<Vec<(Value<'d>, Value<'d>)>> {
    match over.json() {
        Json::Null => Some(Vec::new()),
        Json::Array(list) => {
            (0..list.len()).map(|number| Some((Value::made(number), over.element(number)?))).collect()
        }
        Json::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            keys.into_iter()
                .map(|key| Some((Value::made(key.as_str()), over.element(key.as_str())?)))
                .collect()
        }
        Json::Number(count) => {
            let count = count.as_i64().filter(|count| *count <= MOST_TURNS)?;
            Some((0..count).map(|number| (Value::made(number), Value::made(number))).collect())
        }
        Json::Bool(_) | Json::String(_) => None,
    }
}

fn first_word(command: &Command) -> String {
    command.operands.first().map(|first| first.text.clone()).unwrap_or_default()
}

fn failed(operand: &Operand, what: String) -> Failed {
    Failed { at: operand.at, text: operand.text.clone(), what }
}

fn failed_at(pipe: &Pipe, what: String) -> Failed {
    match pipe.commands.last().and_then(|command| command.operands.first()) {
        Some(operand) => failed(operand, what),
        None => Failed { at: 0, text: String::new(), what },
    }
}

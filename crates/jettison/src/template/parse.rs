//! Makes a tree of a template's pieces.

use std::collections::VecDeque;

use crate::template::TemplateError;
use crate::template::data::Data;
use crate::template::functions;
use crate::template::lex::{Piece, Token};

/// A part of a template that does something.
#[derive(Debug)]
pub(super) enum Node {
    Text(String),
    Print(Pipeline),
    /// The first branch whose pipeline is true, else the last part. Whether the dot becomes the value.
    If {
        branches: Vec<(Pipeline, Vec<Node>)>,
        otherwise: Vec<Node>,
        moves_dot: bool,
    },
    Range {
        pipeline: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Break,
    Continue,
}

/// Commands, each with the result of the one before it as its last argument.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The variables that get the result.
    pub(super) variables: Vec<String>,
    /// Whether the variables are new.
    pub(super) declares: bool,
    pub(super) commands: Vec<Command>,
}

/// A value, or a function with its arguments.
#[derive(Debug)]
pub(super) struct Command {
    // Invariant: not empty.
    pub(super) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(super) enum Operand {
    Dot,
    Literal(Data),
    Variable(String),
    Function(String),
    Pipeline(Pipeline),
    /// The fields of a value, each of the one before it.
    Chain(Box<Operand>, Vec<String>),
}

/// How deep things may stand in each other.
const DEEPEST: usize = 64;

/// Words that begin something that we do not have.
const UNSUPPORTED: [&str; 3] = ["define", "template", "block"];

pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>, TemplateError> {
    let mut parser = Parser {
        pieces: pieces.into(),
        depth: 0,
    };
    let (nodes, end) = parser.nodes()?;
    match end {
        End::Template => Ok(nodes),
        End::Else(_) => Err(TemplateError::new("`else` belongs to nothing")),
        End::Marker => Err(TemplateError::new("`end` ends nothing")),
    }
}

/// What ended a list of nodes.
enum End {
    Template,
    /// `else`, and what stands behind it.
    Else(Vec<Token>),
    /// `end`.
    Marker,
}

struct Parser {
    pieces: VecDeque<Piece>,
    depth: usize,
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, End), TemplateError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(TemplateError::new("the template is nested too deep"));
        }
        let mut nodes = Vec::new();
        let end = loop {
            let tokens = match self.pieces.pop_front() {
                None => break End::Template,
                Some(Piece::Text(text)) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Some(Piece::Action(tokens)) => tokens,
            };
            let keyword = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            let rest = || tokens[1..].to_vec();
            match keyword {
                "if" | "with" => nodes.push(self.branches(keyword, rest())?),
                "range" => nodes.push(self.range(rest())?),
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                "else" => break End::Else(rest()),
                "end" => break End::Marker,
                word if UNSUPPORTED.contains(&word) => {
                    let message = format!("`{word}` is not supported in templates");
                    return Err(TemplateError::new(message));
                }
                _ => nodes.push(Node::Print(pipeline(tokens)?)),
            }
        };
        self.depth -= 1;
        Ok((nodes, end))
    }

    fn branches(&mut self, keyword: &str, condition: Vec<Token>) -> Result<Node, TemplateError> {
        let mut branches = Vec::new();
        let mut condition = Some(condition);
        let mut otherwise = Vec::new();
        loop {
            let pipeline = condition.take().map(pipeline).transpose()?;
            let (nodes, end) = self.nodes()?;
            match pipeline {
                Some(pipeline) => branches.push((pipeline, nodes)),
                None => otherwise = nodes,
            }
            match end {
                End::Marker => break,
                End::Template => return Err(unended(keyword)),
                End::Else(tokens) => match tokens.split_first() {
                    None => {}
                    Some((Token::Word(word), rest)) if word == keyword => {
                        condition = Some(rest.to_vec());
                    }
                    Some(_) => {
                        let message = format!("`else` of `{keyword}` goes on in a wrong way");
                        return Err(TemplateError::new(message));
                    }
                },
            }
        }
        Ok(Node::If {
            branches,
            otherwise,
            moves_dot: keyword == "with",
        })
    }

    fn range(&mut self, tokens: Vec<Token>) -> Result<Node, TemplateError> {
        let pipeline = pipeline(tokens)?;
        let (body, end) = self.nodes()?;
        let (otherwise, end) = match end {
            End::Else(_) => self.nodes()?,
            end => (Vec::new(), end),
        };
        match end {
            End::Marker => Ok(Node::Range {
                pipeline,
                body,
                otherwise,
            }),
            End::Template | End::Else(_) => Err(unended("range")),
        }
    }
}

fn unended(keyword: &str) -> TemplateError {
    TemplateError::new(format!("`{keyword}` has no `end`"))
}

fn pipeline(tokens: Vec<Token>) -> Result<Pipeline, TemplateError> {
    let mut tokens: VecDeque<Token> = tokens.into();
    let pipeline = pipeline_of(&mut tokens, 0)?;
    match tokens.front() {
        None => Ok(pipeline),
        Some(_) => Err(TemplateError::new("a `)` closes nothing")),
    }
}

/// Reads up to the end, or to the parenthesis that closes this.
fn pipeline_of(tokens: &mut VecDeque<Token>, depth: usize) -> Result<Pipeline, TemplateError> {
    if depth > DEEPEST {
        return Err(TemplateError::new("the template is nested too deep"));
    }
    let (variables, declares) = variables(tokens);
    let mut commands = vec![Command {
        operands: Vec::new(),
    }];
    while let Some(token) = tokens.front() {
        if *token == Token::Close {
            break;
        }
        let Some(token) = tokens.pop_front() else {
            break;
        };
        let operand = match token {
            Token::Pipe => {
                commands.push(Command {
                    operands: Vec::new(),
                });
                continue;
            }
            Token::Dot => Operand::Dot,
            Token::Field { name, is_glued } => {
                let operands = commands.last_mut().map(|command| &mut command.operands);
                let before = match operands {
                    Some(operands) if is_glued => operands.pop(),
                    _ => None,
                };
                match before {
                    Some(Operand::Chain(value, mut names)) => {
                        names.push(name);
                        Operand::Chain(value, names)
                    }
                    Some(value) => Operand::Chain(Box::new(value), vec![name]),
                    None => Operand::Chain(Box::new(Operand::Dot), vec![name]),
                }
            }
            Token::Variable(name) => Operand::Variable(name),
            Token::Text(text) => Operand::Literal(Data::Text(text)),
            Token::Number(number) => Operand::Literal(number.into()),
            Token::Word(word) => word_operand(word)?,
            Token::Open => {
                let inner = pipeline_of(tokens, depth + 1)?;
                if tokens.pop_front() != Some(Token::Close) {
                    return Err(TemplateError::new("a `(` is not closed"));
                }
                Operand::Pipeline(inner)
            }
            Token::Close | Token::Comma | Token::Declare | Token::Assign => {
                return Err(TemplateError::new(
                    "`,`, `=` and `:=` only follow variables",
                ));
            }
        };
        if let Some(command) = commands.last_mut() {
            command.operands.push(operand);
        }
    }
    if commands.iter().any(|command| command.operands.is_empty()) {
        let message = if commands.len() == 1 {
            "there is nothing between `{{` and `}}`"
        } else {
            "there is nothing beside a `|`"
        };
        return Err(TemplateError::new(message));
    }
    Ok(Pipeline {
        variables,
        declares,
        commands,
    })
}

fn word_operand(word: String) -> Result<Operand, TemplateError> {
    Ok(match word.as_str() {
        "true" => Operand::Literal(true.into()),
        "false" => Operand::Literal(false.into()),
        "nil" => Operand::Literal(Data::Null),
        _ if functions::NAMES.contains(&word.as_str()) => Operand::Function(word),
        _ => {
            let names = functions::NAMES.join(", ");
            let message = format!("there is no function `{word}`; there are {names}");
            return Err(TemplateError::new(message));
        }
    })
}

/// The variables at the beginning of a pipeline: `$x :=`, `$x =`, `$i, $x :=`.
fn variables(tokens: &mut VecDeque<Token>) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Variable(name) if index % 2 == 0 => names.push(name.clone()),
            Token::Comma if index % 2 == 1 => {}
            Token::Declare | Token::Assign if index % 2 == 1 => {
                let declares = *token == Token::Declare;
                tokens.drain(..=index);
                return (names, declares);
            }
            _ => break,
        }
    }
    (Vec::new(), false)
}

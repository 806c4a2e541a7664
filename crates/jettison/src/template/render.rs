//! Fills templates in.

use crate::template::TemplateError;
use crate::template::data::Data;
use crate::template::functions::call;
use crate::template::parse::{Command, Node, Operand, Pipeline};
use crate::template::print::shown;

/// The longest result. A range in a range over a long list could become anything.
const LONGEST: usize = 64 << 20;

pub(super) fn render(nodes: &[Node], data: &Data) -> Result<String, TemplateError> {
    let mut state = State {
        out: String::new(),
        variables: vec![("$".to_string(), data.clone())],
    };
    state.nodes(nodes, data)?;
    Ok(state.out)
}

/// What comes after some nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct State {
    out: String,
    /// The innermost last.
    variables: Vec<(String, Data)>,
}

impl State {
    fn nodes(&mut self, nodes: &[Node], dot: &Data) -> Result<Flow, TemplateError> {
        let n_variables = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(n_variables);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Data) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.put(text)?,
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.put(&shown(&value))?;
                }
            }
            Node::If {
                branches,
                otherwise,
                moves_dot,
            } => {
                let n_variables = self.variables.len();
                let mut flow = None;
                for (condition, body) in branches {
                    let value = self.pipeline(condition, dot)?;
                    if value.is_true() {
                        flow = Some(self.nodes(body, if *moves_dot { &value } else { dot })?);
                        break;
                    }
                }
                let flow = match flow {
                    Some(flow) => flow,
                    None => self.nodes(otherwise, dot)?,
                };
                self.variables.truncate(n_variables);
                return Ok(flow);
            }
            Node::Range {
                pipeline,
                body,
                otherwise,
            } => return self.range(pipeline, (body, otherwise), dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn range(
        &mut self,
        pipeline: &Pipeline,
        (body, otherwise): (&[Node], &[Node]),
        dot: &Data,
    ) -> Result<Flow, TemplateError> {
        let value = self.commands(pipeline, dot)?;
        let elements: Vec<(Data, Data)> = match value {
            Data::List(list) => {
                let indexed = (0_u64..).zip(list);
                indexed
                    .map(|(index, element)| (index.into(), element))
                    .collect()
            }
            Data::Map(map) => {
                let entries = map.into_iter();
                entries
                    .map(|(key, value)| (Data::Text(key), value))
                    .collect()
            }
            Data::Null | Data::Missing => Vec::new(),
            other => {
                let message = format!("`range` cannot go over {}", other.kind());
                return Err(TemplateError::new(message));
            }
        };
        if elements.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, element) in elements {
            let n_variables = self.variables.len();
            match pipeline.variables.as_slice() {
                [] => {}
                [one] => self.variables.push((one.clone(), element.clone())),
                [first, second, ..] => {
                    self.variables.push((first.clone(), key));
                    self.variables.push((second.clone(), element.clone()));
                }
            }
            let flow = self.nodes(body, &element)?;
            self.variables.truncate(n_variables);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn put(&mut self, text: &str) -> Result<(), TemplateError> {
        if self.out.len() + text.len() > LONGEST {
            return Err(TemplateError::new("the result is too long"));
        }
        self.out.push_str(text);
        Ok(())
    }

    /// The value of a pipeline, which its variable gets, too.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, TemplateError> {
        let value = self.commands(pipeline, dot)?;
        let Some(name) = pipeline.variables.first() else {
            return Ok(value);
        };
        if pipeline.declares {
            self.variables.push((name.clone(), value.clone()));
        } else {
            let known = self.variables.iter_mut().rev();
            let known = known.into_iter().find(|(known, _)| known == name);
            match known {
                Some((_, known)) => *known = value.clone(),
                None => return Err(no_variable(name)),
            }
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Data) -> Result<Data, TemplateError> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Data::Missing))
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Data,
        piped: Option<Data>,
    ) -> Result<Data, TemplateError> {
        let Some((first, arguments)) = command.operands.split_first() else {
            return Ok(Data::Missing);
        };
        let Operand::Function(name) = first else {
            if arguments.is_empty() && piped.is_none() {
                return self.operand(first, dot);
            }
            let message = format!(
                "`{}` takes no arguments: it is not a function",
                source(first)
            );
            return Err(TemplateError::new(message));
        };
        // They look no further than they have to, so that `and .A .A.B` is safe.
        if let "and" | "or" = name.as_str() {
            return self.choose(name == "and", arguments, dot, piped);
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.operand(argument, dot)?);
        }
        values.extend(piped);
        call(name, &values)
    }

    /// The first argument that is false (for `and`) or true (for `or`), else the last.
    fn choose(
        &mut self,
        is_and: bool,
        arguments: &[Operand],
        dot: &Data,
        piped: Option<Data>,
    ) -> Result<Data, TemplateError> {
        let mut last = None;
        for argument in arguments {
            let value = self.operand(argument, dot)?;
            if value.is_true() != is_and {
                return Ok(value);
            }
            last = Some(value);
        }
        let name = if is_and { "and" } else { "or" };
        piped
            .or(last)
            .ok_or_else(|| TemplateError::new(format!("`{name}` takes an argument")))
    }

    fn operand(&mut self, operand: &Operand, dot: &Data) -> Result<Data, TemplateError> {
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Variable(name) => {
                let mut known = self.variables.iter().rev();
                let known = known.find(|(known, _)| known == name);
                known
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| no_variable(name))
            }
            Operand::Function(name) => call(name, &[]),
            Operand::Pipeline(pipeline) => self.pipeline(pipeline, dot),
            Operand::Chain(value, names) => {
                let mut value = match **value {
                    // Without a copy of all that there is.
                    Operand::Dot => return look_up_all(dot, names),
                    ref value => self.operand(value, dot)?,
                };
                for name in names {
                    value = look_up(&value, name)?.clone();
                }
                Ok(value)
            }
        }
    }
}

fn no_variable(name: &str) -> TemplateError {
    TemplateError::new(format!("there is no variable `{name}`"))
}

/// An operand as it is written.
fn source(operand: &Operand) -> String {
    match operand {
        Operand::Dot => ".".to_string(),
        Operand::Literal(value) => shown(value),
        Operand::Variable(name) | Operand::Function(name) => name.clone(),
        Operand::Pipeline(_) => "(…)".to_string(),
        Operand::Chain(value, names) => match **value {
            Operand::Dot => format!(".{}", names.join(".")),
            ref value => format!("{}.{}", source(value), names.join(".")),
        },
    }
}

fn look_up_all(data: &Data, names: &[String]) -> Result<Data, TemplateError> {
    let found = names
        .iter()
        .try_fold(data, |data, name| look_up(data, name));
    found.cloned()
}

fn look_up<'d>(data: &'d Data, name: &str) -> Result<&'d Data, TemplateError> {
    match data {
        Data::Record(fields) => {
            let found = fields.iter().find(|field| field.name == name);
            found.map(|field| &field.value).ok_or_else(|| {
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                let names = names.join(", ");
                TemplateError::new(format!("there is no field `{name}`; there are {names}"))
            })
        }
        Data::Map(map) => Ok(map.get(name).unwrap_or(&Data::Missing)),
        other => {
            let message = format!("`{name}` cannot be looked up in {}", other.kind());
            Err(TemplateError::new(message))
        }
    }
}

//! Another reader of the same language finds the same commands: `brush-parser`.

use brush_parser::ast::{
    AndOr, AndOrList, Command, CommandPrefixOrSuffixItem, CompoundCommand, CompoundList, Pipeline,
    SimpleCommand,
};
use brush_parser::{Parser, ParserOptions};
use jettison_dockerfile::{Nesting, ShellScript, parse, shell_script};

use super::REALISTIC;

/// The words of our commands, but not of those in substitutions, into which the other one does not look.
fn our_words(script: &ShellScript) -> Vec<Vec<String>> {
    let commands = script.commands.iter().filter(|command| {
        let hidden = [Nesting::CommandSubstitution, Nesting::ProcessSubstitution];
        !command
            .nesting
            .iter()
            .any(|nesting| hidden.contains(nesting))
    });
    commands
        .map(|command| command.words.iter().map(|word| word.text.clone()).collect())
        .filter(|words: &Vec<String>| words.first().is_some_and(|first| first != "[["))
        .collect()
}

/// The words of the other's commands; an error if it cannot read the script.
fn their_words(source: &str) -> Result<Vec<Vec<String>>, String> {
    // Its heredocs want an end of line after what ends them.
    let source = format!("{source}\n");
    let mut parser = Parser::new(source.as_bytes(), &ParserOptions::default());
    let program = parser.parse_program().map_err(|error| error.to_string())?;
    let mut words = Vec::new();
    for list in &program.complete_commands {
        add_list(&mut words, list);
    }
    words.retain(|words: &Vec<String>| !words.is_empty());
    Ok(words)
}

fn add_list(words: &mut Vec<Vec<String>>, list: &CompoundList) {
    for item in &list.0 {
        let AndOrList { first, additional } = &item.0;
        add_pipeline(words, first);
        for and_or in additional {
            let (AndOr::And(pipeline) | AndOr::Or(pipeline)) = and_or;
            add_pipeline(words, pipeline);
        }
    }
}

fn add_pipeline(words: &mut Vec<Vec<String>>, pipeline: &Pipeline) {
    let is_timed = pipeline.timed.is_some();
    let first = words.len();
    for command in &pipeline.seq {
        match command {
            Command::Simple(simple) => words.push(simple_words(simple)),
            Command::Compound(compound, _) => add_compound(words, compound),
            Command::Function(function) => add_compound(words, &function.body.0),
            Command::ExtendedTest(..) => {}
        }
    }
    // `time` is a program for us unless it cannot be one.
    if let Some(command) = words.get_mut(first)
        && is_timed
    {
        command.insert(0, "time".to_owned());
    }
}

fn add_compound(words: &mut Vec<Vec<String>>, compound: &CompoundCommand) {
    match compound {
        CompoundCommand::Arithmetic(_) => {}
        CompoundCommand::ArithmeticForClause(clause) => add_list(words, &clause.body.list),
        CompoundCommand::BraceGroup(group) => add_list(words, &group.list),
        CompoundCommand::Subshell(subshell) => add_list(words, &subshell.list),
        CompoundCommand::ForClause(clause) => add_list(words, &clause.body.list),
        CompoundCommand::CaseClause(clause) => {
            for list in clause.cases.iter().filter_map(|case| case.cmd.as_ref()) {
                add_list(words, list);
            }
        }
        CompoundCommand::IfClause(clause) => {
            add_list(words, &clause.condition);
            add_list(words, &clause.then);
            for other in clause.elses.iter().flatten() {
                if let Some(condition) = &other.condition {
                    add_list(words, condition);
                }
                add_list(words, &other.body);
            }
        }
        CompoundCommand::WhileClause(clause) | CompoundCommand::UntilClause(clause) => {
            add_list(words, &clause.0);
            add_list(words, &clause.1.list);
        }
        CompoundCommand::Coprocess(_) => panic!("no script here has `coproc`"),
    }
}

fn simple_words(command: &SimpleCommand) -> Vec<String> {
    let program = command.word_or_name.iter().map(|word| word.value.clone());
    let arguments = command.suffix.iter().flat_map(|suffix| &suffix.0);
    let arguments = arguments.filter_map(|item| match item {
        CommandPrefixOrSuffixItem::Word(word)
        | CommandPrefixOrSuffixItem::AssignmentWord(_, word) => Some(word.value.clone()),
        CommandPrefixOrSuffixItem::ProcessSubstitution(kind, subshell) => {
            Some(format!("{kind}({})", subshell.list))
        }
        CommandPrefixOrSuffixItem::IoRedirect(_) => None,
    });
    program.chain(arguments).collect()
}

#[test]
fn realistic_scripts_have_the_same_commands() {
    let parse = parse(REALISTIC);
    let mut n_commands = 0;
    for instruction in parse.instructions() {
        let Some(script) = shell_script(REALISTIC, parse.escape(), instruction) else {
            continue;
        };
        if script.opaque.is_some() {
            continue;
        }
        let ours = our_words(&script);
        n_commands += ours.len();
        match their_words(&script.source) {
            Ok(theirs) => assert_eq!(ours, theirs, "{}", script.source),
            Err(error) => panic!("{error}: {}", script.source),
        }
    }
    assert!(n_commands > 100);
}

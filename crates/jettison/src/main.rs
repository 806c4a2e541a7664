//! Makes container images small and safe.

#![forbid(unsafe_code)]

mod age;
mod archives;
mod bases;
mod cli;
mod commands;
mod daemon;
mod drawing;
mod explanation;
mod failure;
mod family;
mod index_cache;
mod known_images;
mod listing;
mod network;
mod output;
mod printable;
mod progress;
mod registry;
mod remote;
mod report;
mod secrets;
mod selection;
mod settings;
mod source;
mod surroundings;
mod template;
mod text_file;

use std::process::ExitCode;

use crate::cli::Command;
use crate::failure::Failure;
use crate::output::Output;
use crate::surroundings::Surroundings;

fn main() -> ExitCode {
    // A sandbox's first process is this program, started again.
    jettison_sandbox::init_if_asked();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let mut output = Output::new();
    let surroundings = Surroundings::of_process();
    let result = match &cli.command {
        Command::Build(args) => commands::build::run(&cli.global, args, &surroundings, &mut output),
        Command::Optimize(args) => {
            commands::optimize::run(&cli.global, args, &surroundings, &mut output)
        }
        Command::Verify(args) => {
            commands::verify::run(&cli.global, args, &surroundings, &mut output)
        }
        Command::Why(args) => commands::why::run(&cli.global, args, &surroundings, &mut output),
        Command::Images(args) => {
            commands::images::run(&cli.global, args, &surroundings, &mut output)
        }
        Command::Inspect(args) => {
            commands::inspect::run(&cli.global, args, &surroundings, &mut output)
        }
        Command::History(args) => {
            commands::history::run(&cli.global, args, &surroundings, &mut output)
        }
        Command::Base(args) => commands::base::run(&cli.global, args, &surroundings, &mut output),
        Command::Tag(args) => commands::tag::run(&cli.global, args, &surroundings),
        Command::Rmi(args) => commands::rmi::run(&cli.global, args, &surroundings, &mut output),
        Command::Save(args) => commands::save::run(&cli.global, args, &surroundings),
        Command::Load(args) => commands::load::run(&cli.global, args, &surroundings, &mut output),
        Command::Run(args) => commands::run::run(&cli.global, args, &surroundings, &mut output)
            .map_err(Failure::of_run),
        Command::Debug(args) => commands::debug::run(&cli.global, args, &surroundings, &mut output)
            .map_err(Failure::of_run),
        Command::Test(args) => commands::test::run(&cli.global, args, &surroundings, &mut output),
        Command::Check(args) => commands::check::run(&cli.global, args, &surroundings, &mut output),
        Command::Explain(args) => commands::explain::run(args, &mut output),
        Command::Du(args) => commands::du::run(&cli.global, args, &surroundings, &mut output),
        Command::Prune(args) => commands::prune::run(&cli.global, args, &surroundings, &mut output),
        Command::Pull(args) => commands::pull::run(&cli.global, args, &surroundings, &mut output),
        Command::Push(args) => commands::push::run(&cli.global, args, &surroundings, &mut output),
        Command::Copy(args) => commands::copy::run(&cli.global, args, &surroundings, &mut output),
        Command::Login(args) => commands::login::run(args, &surroundings, &mut output),
        Command::Logout(args) => commands::logout::run(args, &surroundings, &mut output),
        Command::Doctor => commands::doctor::run(&cli.global, &surroundings, &mut output),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

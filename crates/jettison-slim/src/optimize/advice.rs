//! What users have to know of the new image, and what they can do to make it smaller still.

use jettison_build::{Built, DEFAULT_PATH};
use jettison_oci::RunConfig;
use jettison_sandbox::Trace;
use serde_json::Value;

use super::ladder::Attempt;
use super::trace_of;
use crate::evidence::find_program;
use crate::refactor::exec_argv;
use crate::rootfs::RootDir;

/// Tools that start the programs of a project, and that people name where they run an image.
const STARTERS: [&str; 7] = ["npm", "npx", "pipenv", "pnpm", "poetry", "uv", "yarn"];

/// All that there is to say about `attempt`, whose image has the files of `root`, beside the original.
pub(super) fn advice((built, attempt): (&Built, &Attempt), root: &RootDir) -> Vec<String> {
    let [before, small] = [built, &attempt.built].map(|built| &built.image.config().config);
    let gone = tool_is_gone(before, small, root);
    gone.into_iter()
        .chain(only_for_health(built, attempt))
        .collect()
}

/// What whoever runs the image by the tool that has started its program does now, if the new image, with `small` and `root`, has
/// not got that tool.
fn tool_is_gone(before: &RunConfig, small: &RunConfig, root: &RootDir) -> Option<String> {
    let words = before.cmd.as_deref()?;
    let plain = match words {
        [shell, option, text] if shell == "/bin/sh" && option == "-c" => {
            exec_argv(text.strip_prefix("exec ").unwrap_or(text))?
        }
        words => words.to_vec(),
    };
    let tool = plain.first()?.as_str();
    let path_env = small.env.iter().find_map(|pair| pair.strip_prefix("PATH="));
    let is_there = find_program(root, tool, "/".as_ref(), path_env.unwrap_or(DEFAULT_PATH)).is_ok();
    (STARTERS.contains(&tool) && !is_there).then(|| {
        format!(
            "{tool} is not in the new image: whoever starts the program by it, as in `docker run IMAGE {} OPTIONS`, names the program instead: `docker run IMAGE {} OPTIONS`",
            plain.join(" "),
            small.cmd.as_deref().unwrap_or_default().join(" ")
        )
    })
}

/// What to do about a program that is there for the `HEALTHCHECK` alone, and brings libraries of its own.
fn only_for_health(built: &Built, attempt: &Attempt) -> Option<String> {
    let small = &attempt.built.image.config().config;
    let name = health_tool(small.healthcheck.as_ref()?)?;
    let config = &built.image.config().config;
    let mut words = config.entrypoint.iter().chain(&config.cmd).flatten();
    let mut traces = attempt.outcomes.iter().filter_map(trace_of);
    let is_started = |trace: &Trace| {
        let mut starts = trace.starts();
        starts.any(|start| start.program.file_name().is_some_and(|file| file == name))
    };
    let is_for_health = !words.any(|word| word.contains(name)) && !traces.any(is_started);
    is_for_health.then(|| {
        format!(
            "{name} and its libraries are there for the HEALTHCHECK alone: a program that asks itself, as with a subcommand `healthcheck`, needs neither"
        )
    })
}

/// The client that a health check, as the configuration of an image has it, asks with, if it is curl or wget.
fn health_tool(healthcheck: &Value) -> Option<&'static str> {
    let text = healthcheck.get("Test")?.to_string();
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    let tools = ["curl", "wget"];
    words.find_map(|word| tools.into_iter().find(|tool| *tool == word))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_starts_the_program_by_a_tool_that_is_gone_is_told_what_to_start_instead() {
        let directory = tempfile::tempdir().unwrap();
        let bin = directory.path().join("usr/bin");
        std::fs::create_dir_all(&bin).unwrap();
        let root = RootDir::open(directory.path()).unwrap();
        let config = |words: &[&str]| RunConfig {
            cmd: Some(words.iter().map(|word| (*word).to_owned()).collect()),
            ..RunConfig::default()
        };
        let small = config(&["node", "server.js"]);
        let said = |words: &[&str]| tool_is_gone(&config(words), &small, &root);
        let npm = said(&["/bin/sh", "-c", "exec npm start"]).unwrap();
        assert!(npm.contains("IMAGE npm start OPTIONS"), "{npm}");
        assert!(npm.contains("IMAGE node server.js OPTIONS"), "{npm}");
        assert_eq!(said(&["node", "server.js"]), None);
        let program = bin.join("npm");
        std::fs::write(&program, "#!/usr/bin/env node\n").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(said(&["npm", "start"]), None);
    }

    #[test]
    fn health_checks_name_the_client_that_they_ask_with() {
        let check = |test: Value, expected: Option<&str>| {
            assert_eq!(health_tool(&json!({ "Test": test })), expected);
        };
        check(
            json!(["CMD-SHELL", "curl -f http://localhost/ || exit 1"]),
            Some("curl"),
        );
        check(
            json!(["CMD", "/usr/bin/wget", "-q", "http://localhost/"]),
            Some("wget"),
        );
        check(json!(["CMD", "python3", "-c", "import pycurl"]), None);
        check(json!(["CMD", "/app/curl-like"]), None);
        check(json!(["NONE"]), None);
    }
}

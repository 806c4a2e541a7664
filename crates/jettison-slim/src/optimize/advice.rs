//! What a user can do to make an image smaller still that the optimizer cannot.

use jettison_build::Built;
use jettison_sandbox::Trace;
use serde_json::Value;

use super::ladder::Attempt;
use super::trace_of;

/// What to do about a program that is there for the `HEALTHCHECK` alone, and brings libraries of its own.
pub(super) fn only_for_health(built: &Built, attempt: &Attempt) -> Option<String> {
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
    use serde_json::json;

    use super::*;

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

//! The options of `check` and `explain`, and of `build --call`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 nothing found, 1 something found, 2 a wrong option or a file that cannot be read.

A comment `# check=skip=RULE` above an instruction leaves its findings of that rule out; at the top of the file it \
is for all of it.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct CheckArgs {
    /// Directories whose Dockerfile is checked, or Dockerfiles; `-` reads standard input
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The Dockerfile; PATH is its build context then
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How to print what is found
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: CheckFormat,
    /// Run these rules alone: names, aliases, categories, `buildkit` or `all`
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Do not run these rules
    #[arg(long, value_name = "RULES", value_delimiter = ',')]
    pub(crate) ignore: Vec<String>,
    /// The stage that is built [default: the last]
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Set a build argument
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Apply the fixes that are proved to be safe, and show what remains
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: print the changes as a diff, and write nothing
    #[arg(long, requires = "fix")]
    pub(crate) diff: bool,
    /// List the rules
    #[arg(long)]
    pub(crate) list_rules: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Each place drawn, for people
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The rule, by its name or an alias; without it the rules are listed
    #[arg(value_name = "RULE")]
    pub(crate) rule: Option<String>,
}

/// What `build --call` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallRequest {
    pub(crate) method: CallMethod,
    pub(crate) is_json: bool,
}

/// What is printed in place of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallMethod {
    Build,
    Check,
    Outline,
    Targets,
    /// The methods that there are.
    Describe,
}

/// Reads `METHOD[,format=text|json]`, as buildx does (`ParseCallFunc`, util/buildflags/call.go).
pub(crate) fn call_request(text: &str) -> Result<CallRequest, String> {
    let mut request = CallRequest {
        method: CallMethod::Build,
        is_json: false,
    };
    for part in text.split(',') {
        match part.split_once('=') {
            None => request.method = method(part)?,
            Some(("format", "json")) => request.is_json = true,
            Some(("format", "text")) => request.is_json = false,
            Some(_) => return Err(format!("`{part}` is not `format=text` or `format=json`")),
        }
    }
    Ok(request)
}

fn method(name: &str) -> Result<CallMethod, String> {
    match name {
        "build" => Ok(CallMethod::Build),
        "check" | "lint" => Ok(CallMethod::Check),
        "outline" => Ok(CallMethod::Outline),
        "targets" => Ok(CallMethod::Targets),
        "subrequests.describe" => Ok(CallMethod::Describe),
        _ => Err("take build, check, outline, targets or subrequests.describe".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_as_buildx_reads_them() {
        let request = |method, is_json| Ok(CallRequest { method, is_json });
        assert_eq!(call_request("check"), request(CallMethod::Check, false));
        assert_eq!(
            call_request("outline,format=json"),
            request(CallMethod::Outline, true)
        );
        assert_eq!(
            call_request("format=json,targets"),
            request(CallMethod::Targets, true)
        );
        for text in ["", "chek", "check,format=xml", "check,indent=2"] {
            assert!(call_request(text).is_err(), "{text}");
        }
    }
}

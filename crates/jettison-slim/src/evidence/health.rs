//! Health checks that an interpreter of the image can do as well as `curl`.
//!
//! `curl` and its libraries are often in an image for its `HEALTHCHECK` alone, and a shell besides. If the image has Python or
//! Node.js anyway, these make the same request: no redirect is followed, a status of 400 or more fails if `--fail` says so, an answer
//! that breaks off fails. Else bash does, which every Debian has, and which is a tenth of curl with its libraries. Options that cannot
//! be said exactly keep `curl`.

mod bash;
mod check;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jettison_build::DEFAULT_PATH;
use jettison_oci::RunConfig;
use serde_json::{Value, json};

pub(crate) use self::check::HttpCheck;
use self::check::Piece;
use crate::evidence::collect::{Fact, Origin, variable};
use crate::evidence::program::find_program;
use crate::rootfs::RootDir;

/// A health check in place of the image's own.
#[derive(Clone, Debug)]
pub(crate) struct OtherHealth {
    /// The configuration with it.
    pub(crate) config: RunConfig,
    /// Its command.
    pub(crate) argv: Vec<String>,
    /// What it asks.
    pub(crate) check: HttpCheck,
    /// What to tell.
    pub(crate) fact: Fact,
}

/// Who makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interpreter {
    Python,
    Node,
    Bash,
}

/// The names under which interpreters are started.
const INTERPRETERS: [(&str, Interpreter); 3] = [
    ("python3", Interpreter::Python),
    ("python", Interpreter::Python),
    ("node", Interpreter::Node),
];

/// The health check of `config` with an interpreter among `started`, programs that run anyway, by their real paths; or with bash, if
/// curl does not run anyway.
pub(crate) fn other_health(
    root: &RootDir,
    config: &RunConfig,
    started: &[PathBuf],
) -> Option<OtherHealth> {
    let healthcheck = config.healthcheck.as_ref()?;
    let check = HttpCheck::of_curl(healthcheck)?;
    // curl heeds them, for this host as well.
    let is_proxy = |pair: &String| {
        let name = pair
            .split('=')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        name.ends_with("_proxy")
    };
    if config.env.iter().any(is_proxy) {
        return None;
    }
    let path_env = variable(&config.env, "PATH").unwrap_or(DEFAULT_PATH);
    let real = |name: &str| {
        let found = find_program(root, name, Path::new("/"), path_env).ok()?;
        Some(root.resolve(&found).ok()?.real_path)
    };
    let runs = |name: &str| real(name).is_some_and(|path| started.contains(&path));
    let there = INTERPRETERS.into_iter().find(|(name, _)| runs(name));
    let (name, interpreter) = there.or_else(|| {
        let is_fit = real("bash").is_some() && !runs("curl");
        is_fit.then_some(("bash", Interpreter::Bash))
    })?;
    let argv = match interpreter {
        // `-I`: modules of the program must not take the place of Python's.
        Interpreter::Python => vec![
            name.to_owned(),
            "-I".to_owned(),
            "-c".to_owned(),
            check.python(),
        ],
        Interpreter::Node => vec![name.to_owned(), "-e".to_owned(), check.node()],
        Interpreter::Bash => vec![name.to_owned(), "-c".to_owned(), check.bash()],
    };
    let why = match interpreter {
        Interpreter::Python | Interpreter::Node => "is there anyway",
        Interpreter::Bash => "is smaller",
    };
    let mut test = vec![json!("CMD")];
    test.extend(argv.iter().map(|word| json!(word)));
    let mut other = healthcheck.clone();
    *other.get_mut("Test")? = Value::Array(test);
    let mut config = config.clone();
    config.healthcheck = Some(other);
    Some(OtherHealth {
        config,
        argv,
        check,
        fact: Fact {
            text: format!(
                "HEALTHCHECK asks with {name}, which {why}, and not with curl: it makes the same request, without curl's User-Agent, and fails \
                 where curl does, as both have shown with the server, without it, and with answers of many kinds"
            ),
            origin: Origin::ImageConfig,
        },
    })
}

impl HttpCheck {
    /// The request as a program of Python.
    fn python(&self) -> String {
        let mut modules = vec!["http.client"];
        let mut program = String::new();
        let is_of_environment = |piece: &Piece| matches!(piece, Piece::Variable { .. });
        if self.port.iter().chain(&self.path).any(is_of_environment) {
            modules.push("os");
        }
        if self.limit.is_some() {
            modules.push("signal");
        }
        if self.is_strict {
            modules.push("sys");
        }
        let _infallible = write!(program, "import {}; ", modules.join(", "));
        if let Some(limit) = self.limit {
            let _infallible = write!(program, "signal.alarm({limit}); ");
        }
        let mut place = vec![Piece::Literal(self.host.clone())];
        place.extend(self.port.as_ref().map(|_| Piece::Literal(":".to_owned())));
        place.extend(self.port.clone());
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| format!("'{name}': '{value}'"))
            .collect();
        let headers = match headers.as_slice() {
            [] => String::new(),
            headers => format!(", headers={{{}}}", headers.join(", ")),
        };
        let _infallible = write!(
            program,
            "c = http.client.HTTPConnection({}); c.request('{}', {}{headers}); r = c.getresponse(); r.read()",
            joined(&place, &of_python),
            self.method,
            joined(&self.path, &of_python),
        );
        if self.is_strict {
            program.push_str("; sys.exit(r.status >= 400)");
        }
        program
    }

    /// The request as a program of Node.js.
    fn node(&self) -> String {
        let mut place = vec![Piece::Literal(format!("http://{}", self.host))];
        place.extend(self.port.as_ref().map(|_| Piece::Literal(":".to_owned())));
        place.extend(self.port.clone());
        place.extend(self.path.iter().cloned());
        let mut options = Vec::new();
        if self.method != "GET" {
            options.push(format!("method: '{}'", self.method));
        }
        if !self.headers.is_empty() {
            let headers: Vec<String> = self
                .headers
                .iter()
                .map(|(name, value)| format!("'{name}': '{value}'"))
                .collect();
            options.push(format!("headers: {{{}}}", headers.join(", ")));
        }
        let options = match options.as_slice() {
            [] => String::new(),
            options => format!("{{{}}}, ", options.join(", ")),
        };
        let status = if self.is_strict {
            "r.statusCode >= 400 ? 1 : 0"
        } else {
            "0"
        };
        let limit = self.limit.map_or_else(String::new, |limit| {
            format!("setTimeout(() => process.exit(1), {limit}000); ")
        });
        // It stays 1 if the answer breaks off: that is no error to those who do not listen for it.
        format!(
            "process.exitCode = 1; {limit}require('http').request({}, {options}r => r.on('end', () => process.exit({status})).resume()).end()",
            joined(&place, &of_node),
        )
    }
}

/// The pieces as an expression: texts that stand beside each other are one.
fn joined(pieces: &[Piece], shown: &dyn Fn(&str, &str) -> String) -> String {
    let mut terms: Vec<String> = Vec::new();
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Variable { name, default } => {
                if !text.is_empty() {
                    terms.push(format!("'{text}'"));
                    text.clear();
                }
                terms.push(shown(name, default));
            }
        }
    }
    if !text.is_empty() || terms.is_empty() {
        terms.push(format!("'{text}'"));
    }
    terms.join(" + ")
}

/// The value of a variable, or the default if it is empty or not set.
fn of_python(name: &str, default: &str) -> String {
    match default {
        "" => format!("os.environ.get('{name}', '')"),
        default => format!("(os.environ.get('{name}') or '{default}')"),
    }
}

fn of_node(name: &str, default: &str) -> String {
    format!("(process.env.{name} || '{default}')")
}

#[cfg(test)]
mod tests;

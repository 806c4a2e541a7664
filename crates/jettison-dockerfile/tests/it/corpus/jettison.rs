//! Our own view of a file.

use std::fmt::Write;

use jettison_dockerfile::{
    CommandForm, CopyInstruction, CopySource, Diagnostic, Healthcheck, IgnoreFile, Instruction,
    InstructionKind, KeyValue, Parse, RunScript, Severity, StageGraph, line_column, mount_fields,
    parse, stages,
};

use super::line::{escape, list, optional, quote};

/// The directives, instructions, stages and diagnostics of a Dockerfile.
pub(super) fn view(text: &str) -> String {
    let parse = parse(text);
    let graph = stages(&parse);
    let mut out = String::new();
    for directive in parse.directives() {
        writeln!(
            out,
            "directive {}={}",
            directive.name,
            quote(&directive.value)
        )
        .unwrap();
    }
    for instruction in parse.instructions() {
        let kind = kind(&instruction.kind, instruction);
        writeln!(out, "{} {}", place(&parse, instruction.range.start), kind).unwrap();
    }
    out += &stage_lines(&parse, &graph);
    let mut diagnostics: Vec<&Diagnostic> = parse.diagnostics().iter().collect();
    diagnostics.extend(&graph.diagnostics);
    for diagnostic in diagnostics {
        out += &diagnostic_line(&parse, diagnostic);
    }
    out
}

fn place(parse: &Parse, offset: usize) -> String {
    let (line, column) = line_column(parse.text(), offset);
    format!("{line}:{column}")
}

fn stage_lines(parse: &Parse, graph: &StageGraph) -> String {
    let mut out = String::new();
    for stage in &graph.stages {
        let needs = match graph.reachable(parse, stage.index) {
            Ok(needed) => format!("{needed:?}"),
            Err(error) => format!("error: {}", escape(&error.message)),
        };
        let name = optional(stage.name.as_deref());
        let count = stage.instructions.len();
        writeln!(
            out,
            "stage {} {name} instructions={count} needs={needs}",
            stage.index
        )
        .unwrap();
    }
    out
}

fn diagnostic_line(parse: &Parse, diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = place(parse, diagnostic.range.start);
    let mut out = format!("{place} {severity} {}\n", escape(&diagnostic.message));
    for hint in &diagnostic.hints {
        writeln!(out, "  hint: {}", escape(hint)).unwrap();
    }
    out
}

fn kind(kind: &InstructionKind, instruction: &Instruction) -> String {
    match kind {
        InstructionKind::From(from) => format!(
            "from {} as {} platform {}",
            quote(&from.base),
            optional(from.name.as_deref()),
            optional(from.platform.as_deref())
        ),
        InstructionKind::Run(run) => {
            let mut out = format!("run {}", script(&run.script(&instruction.heredocs)));
            for mount in &run.mounts {
                let fields = mount_fields(mount).unwrap_or_default();
                let fields = fields.iter().map(|field| {
                    let value = field.value.as_deref();
                    format!("{}={}", field.key, value.unwrap_or("(none)"))
                });
                write!(out, " mount {}", list(fields)).unwrap();
            }
            let options = [("network", &run.network), ("security", &run.security)];
            for (name, value) in options {
                if let Some(value) = value {
                    write!(out, " {name} {}", quote(value)).unwrap();
                }
            }
            for device in &run.devices {
                write!(out, " device {}", quote(device)).unwrap();
            }
            out
        }
        InstructionKind::Cmd(form) => format!("cmd {}", command(form)),
        InstructionKind::Entrypoint(form) => format!("entrypoint {}", command(form)),
        InstructionKind::Label(pairs) => format!("label{}", key_values(pairs)),
        InstructionKind::Env(pairs) => format!("env{}", key_values(pairs)),
        InstructionKind::Arg(declarations) => {
            let mut out = "arg".to_owned();
            for declaration in declarations {
                write!(out, " {}", quote(&declaration.name)).unwrap();
                if let Some(default) = &declaration.default {
                    write!(out, "={}", quote(default)).unwrap();
                }
            }
            out
        }
        InstructionKind::Copy(copy) => format!("copy {}", copied(copy)),
        InstructionKind::Add(add) => format!("add {}", copied(add)),
        InstructionKind::Expose(ports) => format!("expose {}", list(ports)),
        InstructionKind::Volume(paths) => format!("volume {}", list(paths)),
        InstructionKind::User(user) => format!("user {}", quote(user)),
        InstructionKind::Workdir(path) => format!("workdir {}", quote(path)),
        InstructionKind::Shell(argv) => format!("shell {}", list(argv)),
        InstructionKind::Stopsignal(signal) => format!("stopsignal {}", quote(signal)),
        InstructionKind::Healthcheck(Healthcheck::None) => "healthcheck none".to_owned(),
        InstructionKind::Healthcheck(Healthcheck::Command(health)) => format!(
            "healthcheck {} {:?} {:?} {:?} {:?} {:?}",
            command(&health.form),
            health.interval,
            health.timeout,
            health.start_period,
            health.start_interval,
            health.retries
        ),
        InstructionKind::Onbuild(onbuild) => {
            let trigger = self::kind(&onbuild.trigger, instruction);
            format!("onbuild {} as {trigger}", quote(&onbuild.expression))
        }
        InstructionKind::Maintainer(text) => format!("maintainer {}", quote(text)),
        InstructionKind::Unknown => "unknown".to_owned(),
        InstructionKind::Invalid => format!("invalid {}", instruction.keyword),
    }
}

fn script(script: &RunScript) -> String {
    match script {
        RunScript::Shell(line) => format!("shell {}", quote(line)),
        RunScript::Exec(argv) => format!("exec {}", list(argv)),
        RunScript::File { name, content } => format!("file {} {}", quote(name), quote(content)),
    }
}

fn command(form: &CommandForm) -> String {
    match form {
        CommandForm::Shell(line) => format!("shell {}", quote(line)),
        CommandForm::Exec(argv) => format!("exec {}", list(argv)),
    }
}

fn key_values(pairs: &[KeyValue]) -> String {
    let pair = |pair: &KeyValue| {
        let separator = if pair.is_legacy { " legacy " } else { "=" };
        format!(" {}{separator}{}", quote(&pair.key), quote(&pair.value))
    };
    pairs.iter().map(pair).collect()
}

fn copied(copy: &CopyInstruction) -> String {
    let mut out = String::new();
    for source in &copy.sources {
        let source = match source {
            CopySource::Path(path) => quote(path),
            CopySource::Heredoc(heredoc) => format!("heredoc {}", quote(&heredoc.name)),
        };
        write!(out, "{source} ").unwrap();
    }
    write!(out, "to {}", quote(&copy.destination)).unwrap();
    let texts = [
        ("from", &copy.from),
        ("chown", &copy.chown),
        ("chmod", &copy.chmod),
        ("checksum", &copy.checksum),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            write!(out, " {name} {}", quote(value)).unwrap();
        }
    }
    for pattern in &copy.exclude {
        write!(out, " exclude {}", quote(pattern)).unwrap();
    }
    let switches = [
        ("link", copy.link.then_some(true)),
        ("parents", copy.parents.then_some(true)),
        ("unpack", copy.unpack),
        ("keep-git-dir", copy.keep_git_dir),
    ];
    for (name, value) in switches {
        if let Some(value) = value {
            write!(out, " {name} {value}").unwrap();
        }
    }
    out
}

/// The mistakes of an ignore file, or the directories that a walk would look into though they are ignored.
pub(super) fn ignore_view(text: &str) -> String {
    let file = match IgnoreFile::parse(text) {
        Ok(file) => file,
        Err(error) => return format!("error {}\n", escape(&error.to_string())),
    };
    let directories = [
        "a",
        "docs",
        "docs/a",
        "docs/x",
        "node_modules",
        "src",
        "src/x",
        "target",
    ];
    let mut out = String::new();
    for directory in directories {
        let walk = match (
            file.is_ignored(directory),
            file.may_reinclude_below(directory),
        ) {
            (false, _) => "kept",
            (true, true) => "ignored, but looked into",
            (true, false) => "skipped",
        };
        writeln!(out, "{directory} {walk}").unwrap();
    }
    out
}

//! What BuildKit would say, from our parser.

use std::fmt::Write;

use std::time::Duration;

use jettison_dockerfile::{
    CommandForm, CopyInstruction, CopySource, Diagnostic, Evaluation, Given, HealthCommand,
    Healthcheck, IgnoreError, IgnoreFile, Instruction, InstructionKind, KnownImage, Parse,
    RunInstruction, Severity, StageGraph, WorkingDirectory, evaluate, expand_with_matches,
    line_column, parse, platform_args, stages,
};

use super::line::{escape, list, optional, quote};

/// How far BuildKit and we agree.
pub(super) enum Agreement {
    /// On everything.
    Whole,
    /// On the tree; a build would refuse it, and we do not know.
    UpToTheBuild,
}

/// What stands for a command that we refuse already.
const REFUSED: &str = "  (refused)";

/// Compares what was recorded of BuildKit with what we find; the error says how they differ.
pub(super) fn compare(text: &str, recorded: &str) -> Result<Agreement, String> {
    let parse = parse(text);
    let graph = stages(&parse);
    let evaluation = evaluation(&parse, &graph);
    let found_error = first_error(&parse, &graph, &evaluation);
    let (tree, error) = split(recorded);
    if tree.is_empty() {
        let found = found_error.map_or_else(String::new, |found| shown(&found, &parse, error));
        return if found == error {
            Ok(Agreement::Whole)
        } else {
            differ(&found, error)
        };
    }
    let mut found = buildable(&parse, &graph);
    if error.is_empty() {
        found += &end(&evaluation);
    }
    if !is_same(&found, tree) {
        return differ(&found, tree);
    }
    match (found_error, error) {
        (None, "") => Ok(Agreement::Whole),
        (None, _) => Ok(Agreement::UpToTheBuild),
        (Some(found), error) => {
            let found = shown(&found, &parse, error);
            if found == error {
                Ok(Agreement::Whole)
            } else {
                differ(&found, error)
            }
        }
    }
}

/// Shows the lines in which two texts differ.
fn differ(found: &str, recorded: &str) -> Result<Agreement, String> {
    let only_in = |one: &str, other: &str, sign: char| {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        lines.fold(String::new(), |shown, line| {
            format!("{shown}{sign} {line}\n")
        })
    };
    Err(only_in(recorded, found, '-') + &only_in(found, recorded, '+'))
}

/// Splits a section into the tree, which is empty if there was none, and the error with its hint.
fn split(recorded: &str) -> (&str, &str) {
    let is_error = |line: &str| {
        ["parse_error", "instr_error", "convert_error"]
            .iter()
            .any(|label| line.starts_with(label))
    };
    let mut offset = 0;
    for line in recorded.split_inclusive('\n') {
        if is_error(line) {
            break;
        }
        offset += line.len();
    }
    recorded.split_at(offset)
}

fn is_same(found: &str, recorded: &str) -> bool {
    let is_same_line = |(found, recorded): (&str, &str)| {
        found == recorded || (found == REFUSED && recorded.starts_with("  "))
    };
    found.lines().count() == recorded.lines().count()
        && found.lines().zip(recorded.lines()).all(is_same_line)
}

fn first_error(parse: &Parse, graph: &StageGraph, evaluation: &Evaluation) -> Option<Diagnostic> {
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    let all = parse.diagnostics().iter().chain(&graph.diagnostics);
    let first = all
        .filter(is_error)
        .min_by_key(|diagnostic| diagnostic.range.start);
    first
        .or_else(|| evaluation.diagnostics.iter().find(is_error))
        .cloned()
}

/// Writes an error as the recorder does. The label, and whether there is a place, are not ours to know.
fn shown(error: &Diagnostic, parse: &Parse, recorded: &str) -> String {
    let label = recorded.split([' ', ':']).next().unwrap_or("error");
    let has_place = recorded.starts_with(&format!("{label} line"));
    let inside = |instruction: &&Instruction| {
        instruction.range.start <= error.range.start && error.range.start < instruction.range.end
    };
    let line = parse.instructions().iter().find(inside).map_or_else(
        || line_column(parse.text(), error.range.start).0,
        |found| found.line,
    );
    let place = if has_place {
        format!(" line {line}")
    } else {
        String::new()
    };
    let mut shown = format!("{label}{place}: {}\n", escape(&error.message));
    // We have more suggestions than BuildKit, and always in the words' own case.
    if let Some((_, suggested)) = recorded.split_once("\ndid you mean ") {
        let hint = error.hints.iter().find(|hint| {
            let hint = hint.replace('`', "").to_lowercase();
            hint == format!("did you mean {}", suggested.trim_end().to_lowercase())
        });
        shown += &hint.map_or_else(String::new, |_| format!("did you mean {suggested}"));
    }
    shown
}

/// Writes what can be parsed.
fn buildable(parse: &Parse, graph: &StageGraph) -> String {
    let mut out = format!("escape {}\n", quote(&parse.escape().to_string()));
    for (instruction, dump) in parse.instructions().iter().zip(parse.dump().lines()) {
        let dump = dump.trim_start_matches('(');
        let dump = dump.strip_suffix(')').unwrap_or(dump);
        writeln!(out, "{}-{} {dump}", instruction.line, instruction.last_line).unwrap();
        for heredoc in &instruction.heredocs {
            writeln!(
                out,
                "  heredoc name={} fd={} expand={} chomp={} content={}",
                quote(&heredoc.name),
                heredoc.file_descriptor,
                heredoc.expand,
                heredoc.strip_tabs,
                quote(&heredoc.content)
            )
            .unwrap();
        }
    }
    let instructions = parse.instructions();
    for &index in &graph.global_args {
        if let InstructionKind::Arg(declarations) = &instructions[index].kind {
            for declaration in declarations {
                let default = declaration.default.as_deref();
                let default = default.map_or_else(String::new, |text| format!("={}", quote(text)));
                writeln!(out, "global arg {}{default}", quote(&declaration.name)).unwrap();
            }
        }
    }
    for stage in &graph.stages {
        out += &stage_line(stage.index, &instructions[stage.from]);
        for instruction in &instructions[stage.instructions.clone()] {
            out += &typed(instruction);
            out.push('\n');
        }
    }
    for diagnostic in parse.diagnostics() {
        if diagnostic
            .message
            .starts_with("Empty continuation line found in: ")
        {
            writeln!(out, "warning {}", quote(&diagnostic.message)).unwrap();
        }
    }
    out + &expansions(parse)
}

fn stage_line(index: usize, instruction: &Instruction) -> String {
    let InstructionKind::From(from) = &instruction.kind else {
        return REFUSED.to_owned();
    };
    // BuildKit: `getDocComment`, instructions/parse.go.
    let start = format!("{} ", from.name.as_deref().unwrap_or("\n"));
    let mut comments = instruction.comments.iter();
    let doc = comments.find_map(|comment| comment.strip_prefix(&start));
    format!(
        "stage {index} name={} base={} platform={} doc={}\n",
        optional(from.name.as_deref()),
        quote(&from.base),
        optional(from.platform.as_deref()),
        optional(doc)
    )
}

fn typed(instruction: &Instruction) -> String {
    let details = match &instruction.kind {
        InstructionKind::Run(run) => run_details(run, instruction),
        InstructionKind::Cmd(form) | InstructionKind::Entrypoint(form) => command(form),
        InstructionKind::Copy(copy) => format!(
            "{} from={} {} link={} parents={} exclude={}",
            paths(copy),
            optional(copy.from.as_deref()),
            owner(copy),
            copy.link,
            copy.parents,
            list(&copy.exclude)
        ),
        InstructionKind::Add(add) => format!(
            "{} {} link={} checksum={} keep-git-dir={} unpack={} exclude={}",
            paths(add),
            owner(add),
            add.link,
            optional(add.checksum.as_deref()),
            maybe(add.keep_git_dir),
            maybe(add.unpack),
            list(&add.exclude)
        ),
        InstructionKind::Healthcheck(health) => health_details(health),
        InstructionKind::Onbuild(onbuild) => quote(&onbuild.expression),
        InstructionKind::Expose(words) | InstructionKind::Volume(words) => list(words),
        InstructionKind::Shell(words) => list(words),
        InstructionKind::Unknown | InstructionKind::Invalid => return REFUSED.to_owned(),
        InstructionKind::From(_)
        | InstructionKind::Label(_)
        | InstructionKind::Env(_)
        | InstructionKind::Arg(_)
        | InstructionKind::User(_)
        | InstructionKind::Workdir(_)
        | InstructionKind::Stopsignal(_)
        | InstructionKind::Maintainer(_) => String::new(),
    };
    let name = instruction.keyword.as_str().to_lowercase();
    format!("  {name} {details}").trim_end().to_owned()
}

fn run_details(run: &RunInstruction, instruction: &Instruction) -> String {
    let mut details = command(&run.form);
    if matches!(run.form, CommandForm::Shell(_)) {
        for heredoc in &instruction.heredocs {
            let (name, content) = (quote(&heredoc.name), quote(&heredoc.content));
            write!(
                details,
                " file {name} chomp={} {content}",
                heredoc.strip_tabs
            )
            .unwrap();
        }
    }
    format!(
        "{details} network={} security={} mounts={} devices={}",
        run.network.as_deref().unwrap_or("default"),
        run.security.as_deref().unwrap_or("sandbox"),
        run.mounts.len(),
        run.devices.len()
    )
}

fn command(form: &CommandForm) -> String {
    match form {
        CommandForm::Exec(argv) => format!("exec {}", list(argv)),
        CommandForm::Shell(line) if line.is_empty() => "shell []".to_owned(),
        CommandForm::Shell(line) => format!("shell {}", list([line])),
    }
}

fn paths(copy: &CopyInstruction) -> String {
    let path = |source: &CopySource| match source {
        CopySource::Path(path) => Some(path.clone()),
        CopySource::Heredoc(_) => None,
    };
    let mut out = list(copy.sources.iter().filter_map(path));
    for source in &copy.sources {
        if let CopySource::Heredoc(heredoc) = source {
            let (name, content) = (quote(&heredoc.name), quote(&heredoc.text()));
            write!(out, " content {name} expand={} {content}", heredoc.expand).unwrap();
        }
    }
    format!("{out} to {}", quote(&copy.destination))
}

fn owner(copy: &CopyInstruction) -> String {
    let (chown, chmod) = (copy.chown.as_deref(), copy.chmod.as_deref());
    format!("chown={} chmod={}", optional(chown), optional(chmod))
}

fn maybe(flag: Option<bool>) -> String {
    flag.map_or_else(|| "unset".to_owned(), |flag| flag.to_string())
}

fn health_details(health: &Healthcheck) -> String {
    let none = HealthCommand {
        form: CommandForm::Exec(Vec::new()),
        interval: None,
        timeout: None,
        start_period: None,
        start_interval: None,
        retries: None,
    };
    let (test, command) = match health {
        Healthcheck::None => (vec!["NONE".to_owned()], &none),
        Healthcheck::Command(command) => {
            let (kind, argv) = match &command.form {
                CommandForm::Exec(argv) => ("CMD", argv.clone()),
                CommandForm::Shell(line) => ("CMD-SHELL", vec![line.to_string()]),
            };
            (
                std::iter::once(kind.to_owned()).chain(argv).collect(),
                command.as_ref(),
            )
        }
    };
    let nanoseconds = |time: Option<Duration>| time.unwrap_or_default().as_nanos();
    format!(
        "{} interval={} timeout={} start-period={} start-interval={} retries={}",
        list(test),
        nanoseconds(command.interval),
        nanoseconds(command.timeout),
        nanoseconds(command.start_period),
        nanoseconds(command.start_interval),
        command.retries.unwrap_or(0)
    )
}

/// What the values of `ENV` are expanded with.
fn known(name: &str) -> Option<String> {
    let value = match name {
        "ONE" => "1",
        "EMPTY" => "",
        "FILE" => "archive.tar.gz",
        "DIR" => "/usr/local/lib",
        "STARS" => "a*b?c",
        "TWO" => "a b",
        "LINES" => "one\ntwo",
        "BACK" => r"C:\a\b",
        "größe" => "8",
        _ => return None,
    };
    Some(value.to_owned())
}

fn expansions(parse: &Parse) -> String {
    let mut out = String::new();
    for instruction in parse.instructions() {
        let InstructionKind::Env(pairs) = &instruction.kind else {
            continue;
        };
        for pair in pairs {
            let word = quote(&pair.value);
            let answer = match expand_with_matches(&pair.value, parse.escape(), &known) {
                Err(error) => format!("fails: {error}"),
                Ok(found) => format!(
                    "{} words={} set={} unset={}",
                    quote(&found.text),
                    list(&found.words),
                    list(&found.matched),
                    list(&found.unmatched)
                ),
            };
            writeln!(out, "expand {word} {answer}").unwrap();
        }
    }
    out
}

/// Follows the file as if every image set nothing but a search path.
fn evaluation(parse: &Parse, graph: &StageGraph) -> Evaluation {
    let image = KnownImage {
        env: vec![("PATH".to_owned(), "/bin".to_owned())],
        working_dir: "/".to_owned(),
        user: None,
        shell: None,
        entrypoint: None,
        platform: None,
    };
    let given = Given {
        args: &platform_args("linux", "amd64"),
        images: &|_| Some(image.clone()),
    };
    evaluate(parse, graph, &given)
}

/// What the last stage leaves.
fn end(evaluation: &Evaluation) -> String {
    let Some(stage) = evaluation.stages.last() else {
        return String::new();
    };
    let env = stage
        .end
        .env()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    let dir = match &stage.end.working_dir {
        WorkingDirectory::Absolute(path) | WorkingDirectory::BelowBase(path) => path,
    };
    format!(
        "end env={} dir={} user={} shell={}\n",
        list(env),
        quote(dir),
        optional(stage.end.user.as_deref()),
        list(stage.end.shell.iter().flatten())
    )
}

/// What becomes of the paths that were recorded.
pub(super) fn ignored(text: &str, recorded: &str) -> String {
    let file = match IgnoreFile::parse(text) {
        Ok(file) => file,
        Err(IgnoreError::LongLine { .. }) => {
            return "read_error: bufio.Scanner: token too long\n".to_owned();
        }
        Err(IgnoreError::BadPattern { .. }) => {
            return "pattern_error: syntax error in pattern\n".to_owned();
        }
        Err(IgnoreError::LoneExclamationMark { .. }) => {
            return "pattern_error: illegal exclusion pattern: \"!\"\n".to_owned();
        }
    };
    let mut out = String::new();
    for pattern in file.patterns() {
        writeln!(out, "pattern {}", quote(pattern)).unwrap();
    }
    writeln!(out, "exceptions {}", file.has_exceptions()).unwrap();
    let judgement = |is_ignored| if is_ignored { "ignored" } else { "kept" };
    for line in recorded.lines() {
        if let Some((path, _)) = line.split_once(" walked=") {
            let walked = judgement(file.is_ignored(path));
            let alone = judgement(file.is_ignored_by_itself(path));
            writeln!(out, "{path} walked={walked} alone={alone}").unwrap();
        }
    }
    out
}

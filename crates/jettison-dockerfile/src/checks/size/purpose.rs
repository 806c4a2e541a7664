//! What an image is for: a program, or somebody's or some CI's workbench.

use crate::checks::input::StageView;
use crate::checks::packages::base_name;
use crate::instruction::{CommandForm, InstructionKind};

/// What starts when a container does, as far as the text tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A program, by its words. Those of a shell form are cut at blanks.
    Program(Vec<String>),
    /// A shell, or something that only waits: people or other programs work in it.
    Workbench,
    /// Nothing is said, so that the base image decides.
    OfBase,
}

/// The purpose of the image that a stage is the last of.
pub(super) fn purpose(stage: &StageView<'_>) -> Purpose {
    let mut entrypoint = None;
    let mut command = None;
    for stage in stage.chain() {
        for view in stage.instructions().rev() {
            match &view.instruction.kind {
                InstructionKind::Entrypoint(form) if entrypoint.is_none() => {
                    entrypoint = Some(words(form));
                }
                InstructionKind::Cmd(form) if command.is_none() => command = Some(words(form)),
                InstructionKind::Entrypoint(_)
                | InstructionKind::Cmd(_)
                | InstructionKind::From(_)
                | InstructionKind::Run(_)
                | InstructionKind::Label(_)
                | InstructionKind::Env(_)
                | InstructionKind::Arg(_)
                | InstructionKind::Copy(_)
                | InstructionKind::Add(_)
                | InstructionKind::Expose(_)
                | InstructionKind::Volume(_)
                | InstructionKind::User(_)
                | InstructionKind::Workdir(_)
                | InstructionKind::Shell(_)
                | InstructionKind::Stopsignal(_)
                | InstructionKind::Healthcheck(_)
                | InstructionKind::Onbuild(_)
                | InstructionKind::Maintainer(_)
                | InstructionKind::Unknown
                | InstructionKind::Invalid => {}
            }
        }
    }
    if entrypoint.is_none() && command.is_none() {
        return Purpose::OfBase;
    }
    let parts = [entrypoint, command].map(Option::unwrap_or_default);
    // An entry point that prepares something and then runs what it is given.
    let last_is_idle = parts
        .iter()
        .rfind(|words| !words.is_empty())
        .is_none_or(|words| is_idle(words));
    if last_is_idle {
        return Purpose::Workbench;
    }
    Purpose::Program(parts.concat())
}

fn words(form: &CommandForm) -> Vec<String> {
    let words: Vec<&str> = match form {
        CommandForm::Exec(words) => words.iter().map(String::as_str).collect(),
        CommandForm::Shell(line) => line.split_whitespace().collect(),
    };
    let mut words = words.as_slice();
    // `/bin/sh -c "…"`, `exec …`
    if let [shell, flag, line] = words
        && is_shell(shell)
        && flag.starts_with('-')
        && flag.ends_with('c')
    {
        return line.split_whitespace().map(str::to_owned).collect();
    }
    if let [first, rest @ ..] = words
        && matches!(
            base_name(first),
            "exec" | "tini" | "dumb-init" | "catatonit"
        )
    {
        let flags = rest.iter().take_while(|word| word.starts_with('-')).count();
        words = &rest[flags..];
    }
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn is_shell(word: &str) -> bool {
    matches!(
        base_name(word),
        "sh" | "bash" | "zsh" | "fish" | "ash" | "dash"
    )
}

/// Says whether a program is a script of a shell, by its name.
pub(super) fn is_script(program: &str) -> bool {
    let extension = program.rsplit_once('.').map(|(_, extension)| extension);
    matches!(extension, Some("sh" | "bash"))
}

fn is_idle(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let is_login = |flag: &&str| matches!(*flag, "-l" | "-i" | "-li" | "-il" | "--login");
    match words.as_slice() {
        [shell, flags @ ..] if is_shell(shell) => flags.iter().all(is_login),
        [] | ["sleep", "infinity" | "inf"] | ["tail", "-f", "/dev/null"] => true,
        [_, ..] => false,
    }
}

/// Says whether an image starts a server when nothing else is said.
pub(super) fn starts_a_server(image: &str) -> bool {
    const SERVERS: [&str; 22] = [
        "nginx",
        "nginx-unprivileged",
        "httpd",
        "caddy",
        "traefik",
        "haproxy",
        "postgres",
        "mysql",
        "mariadb",
        "redis",
        "mongo",
        "rabbitmq",
        "tomcat",
        "jetty",
        "wordpress",
        "nextcloud",
        "drupal",
        "solr",
        "elasticsearch",
        "kibana",
        "jenkins",
        "postgis",
    ];
    let (name, tag) = name_and_tag(image);
    SERVERS.contains(&name) || name == "php" && (tag.contains("apache") || tag.contains("fpm"))
}

/// The last part of an image's name, and its tag; both may be empty.
pub(super) fn name_and_tag(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or_default();
    let last = base_name(image);
    last.split_once(':').unwrap_or((last, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::input::CheckInput;
    use crate::evaluate::Given;
    use crate::parser::parse;
    use crate::stage::stages;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(instructions: &str, expected: Purpose) {
        let parse = parse(&format!("FROM a\n{instructions}\n"));
        let graph = stages(&parse);
        let args = BTreeMap::new();
        let given = Given {
            args: &args,
            images: &|_| None,
        };
        let input = CheckInput::new(&parse, &graph, &given);
        let stage = input.stages().next().unwrap();
        assert_eq!(purpose(&stage), expected, "{instructions}");
    }

    fn program(words: &[&str]) -> Purpose {
        Purpose::Program(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_program_is_what_starts_behind_shells_and_inits() {
        check(r#"CMD ["/app", "-v"]"#, program(&["/app", "-v"]));
        check("CMD exec /app -v", program(&["/app", "-v"]));
        check(r#"CMD ["sh", "-c", "/app -v"]"#, program(&["/app", "-v"]));
        check(
            "ENTRYPOINT [\"/usr/bin/tini\", \"-g\", \"--\"]\nCMD [\"/app\"]",
            program(&["/app"]),
        );
        check("ENTRYPOINT [\"/e\"]\nCMD [\"a\"]", program(&["/e", "a"]));
    }

    #[test]
    fn shells_and_waiting_make_a_workbench() {
        check("CMD bash", Purpose::Workbench);
        check(r#"CMD ["/bin/bash", "-l"]"#, Purpose::Workbench);
        check("ENTRYPOINT [\"/e.sh\"]\nCMD [\"bash\"]", Purpose::Workbench);
        check(r#"CMD ["sleep", "infinity"]"#, Purpose::Workbench);
        check(r#"ENTRYPOINT ["tini", "--"]"#, Purpose::Workbench);
        check("RUN x", Purpose::OfBase);
    }
}

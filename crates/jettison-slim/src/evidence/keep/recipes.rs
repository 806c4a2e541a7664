//! What `make` has a shell do.

use std::path::Path;

/// Whether `make` reads the file at `path`, by its name.
pub(super) fn is_makefile(path: &Path) -> bool {
    let is_named = ["GNUmakefile", "Makefile", "makefile"]
        .iter()
        .any(|name| path.ends_with(name));
    is_named || path.extension().is_some_and(|end| end == "mk")
}

/// What of a file for `make` are commands of a shell, or begins with the name of a program: the lines of recipes, what
/// `$(shell ...)` runs, and the values of variables, since `$(JQ) -c` starts what `JQ` stands for.
pub(super) fn recipes(text: &str) -> String {
    let text = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(recipe) = line.strip_prefix('\t') {
            found.push(recipe.trim_start_matches([' ', '\t', '@', '-', '+']));
        } else if !line.trim_start().starts_with('#') {
            let value = line.split_once('=').map(|(_, value)| value);
            // `all: ; command`
            let after = line.split_once(';').map(|(_, command)| command);
            found.extend([value, after].into_iter().flatten());
        }
        found.extend(line.split("$(shell ").skip(1));
    }
    found.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::keep::commands::script_commands;

    #[test]
    fn files_for_make_are_known_by_their_names() {
        for (path, expected) in [
            ("/app/Makefile", true),
            ("/app/GNUmakefile", true),
            ("/app/makefile", true),
            ("/app/rules.mk", true),
            ("/app/Makefile.txt", false),
            ("/app/mk", false),
        ] {
            assert_eq!(is_makefile(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn lines_of_recipes_are_commands() {
        for (text, expected) in [
            ("all: x\n\tjq . x | sort\n", &["jq", "sort"][..]),
            ("all:\n\t@-+ jq . x\n\t-@bc\n", &["jq", "bc"]),
            ("all:\n\tjq \\\n\t  bc\n", &["jq"]),
            ("all: ; jq .\n", &["jq"]),
            ("X := $(shell jq . x)\n", &["jq"]),
            ("JQ ?= jq\nall:\n\t$(JQ) .\n", &["jq", "JQ"]),
            ("SHELL = /bin/bash\n", &["/bin/bash"]),
            ("# jq\nsort: bc\n\t# date\n", &[]),
        ] {
            let lines = recipes(text);
            let mut found = script_commands(&lines);
            found.retain(|name| *name != "shell");
            found.dedup();
            assert_eq!(found, expected, "{text}");
        }
    }
}

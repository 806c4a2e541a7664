//! What the files of an image say about what they need.

mod closure;
mod collect;
mod compiled_run;
mod elf;
mod entrypoint;
mod go;
mod health;
mod installed;
mod installs;
mod java;
mod keep;
mod npm;
mod owner;
mod packages;
mod plain_start;
mod program;
mod python_run;
mod script;
mod traced;

use jettison_oci::RunConfig;

use crate::rootfs::{RootDir, RootError};

pub use closure::{ClosureError, ClosureFile, ElfClosure, Why, elf_closure};
pub use elf::{Elf, ElfError};
pub(crate) use elf::{imports, weak_imports};
pub use go::GoBuildInfo;
pub(crate) use go::{EXPORTED, has_optional_c, is_plainly_linked_to_c, needed_c};
pub use program::{ProgramError, ProgramKind, find_program, program_kind};
pub use script::{ScriptInterpreter, script_interpreter};

pub use crate::evidence::collect::{
    Evidence, Fact, KeptFact, KeptWhat, NotApplicable, Origin, collect,
};
pub(crate) use crate::evidence::collect::{Step, exec_commands, steps, variable};
pub(crate) use crate::evidence::compiled_run::{CompiledRun, compiled_run, wants_cargo};
pub(crate) use crate::evidence::health::{OtherHealth, other_health};
pub(crate) use crate::evidence::java::{java_release, linked_files};
pub(crate) use crate::evidence::keep::{
    GCONV_FILES, UseKind, converts, has_other_character_sets, left_out_rule, needed_by_idle_alone,
    tells_times,
};
pub(crate) use crate::evidence::npm::{in_home, is_log_of_npm, scripts_of_operators};
pub(crate) use crate::evidence::owner::{Owner, Owners};
pub(crate) use crate::evidence::packages::Packages;
pub(crate) use crate::evidence::plain_start::PlainStart;
pub(crate) use crate::evidence::traced::{Traced, Used, used_in_all};

/// The command that a tool such as npm or uv only starts, without it; `None` if none does, or the tool does more.
pub(crate) fn plain_start(root: &RootDir, config: &RunConfig) -> Option<PlainStart> {
    npm::plain_start(root, config).or_else(|| python_run::plain_run(root, config))
}

/// Why the program has to be started by the tool, if it has; `used` is what its runs have used.
pub(crate) fn wants_tool(
    root: &RootDir,
    start: &PlainStart,
    used: &[Used],
) -> Result<Option<String>, RootError> {
    if start.is_script_of_node() {
        let wants = npm::wants_npm(root, start, used)?;
        return Ok(wants.map(|wants| wants.to_string()));
    }
    python_run::wants_environment(root, start, used)
}

//! What the files of an image say about what they need.

mod closure;
mod collect;
mod elf;
mod entrypoint;
mod go;
mod health;
mod installed;
mod java;
mod keep;
mod npm;
mod owner;
mod packages;
mod program;
mod script;
mod traced;

pub use closure::{ClosureError, ClosureFile, ElfClosure, Why, elf_closure};
pub use elf::{Elf, ElfError};
pub use go::GoBuildInfo;
pub(crate) use go::has_optional_c;
pub use program::{ProgramError, ProgramKind, find_program, program_kind};
pub use script::{ScriptInterpreter, script_interpreter};

pub use crate::evidence::collect::{
    Evidence, Fact, KeptFact, KeptWhat, NotApplicable, Origin, collect,
};
pub(crate) use crate::evidence::collect::{Step, exec_commands, steps, variable};
pub(crate) use crate::evidence::health::{OtherHealth, other_health};
pub(crate) use crate::evidence::java::{java_release, linked_files};
pub(crate) use crate::evidence::keep::{
    GCONV_FILES, UseKind, converts, has_other_character_sets, left_out_rule,
};
pub(crate) use crate::evidence::npm::{PlainStart, plain_start, wants_npm};
pub(crate) use crate::evidence::owner::{Owner, Owners};
pub(crate) use crate::evidence::packages::Packages;
pub(crate) use crate::evidence::traced::{Traced, Used, used_in_all};

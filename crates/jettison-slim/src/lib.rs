//! Evidence, refactoring rules, base images, verification, audit and report data.

#![forbid(unsafe_code)]

mod audit;
mod base;
mod evidence;
mod java;
mod optimize;
mod refactor;
mod report;
mod rootfs;
mod sbom;
mod structure_test;
mod verify;

pub use crate::audit::{Audit, AuditError, audit};
pub use jettison_build::timestamp;

pub use crate::base::{
    AssembleError, AssembleRequest, Assembled, ByteCodeRequest, DebianBase, DebianBaseError,
    DebianVariant, DistrolessBase, DistrolessError, DistrolessImage, DistrolessNameError,
    DistrolessRequest, DistrolessVariant, Downloads, FileFact, Generator, Levels, LinkError,
    LinkRequest, LocalPackage, Making, ModuleReason, NamedClass, NeededModules, PackageFacts,
    Recipe, RecipeContent, RecipeError, RecipeFile, RecipeGroup, RecipeLink, RecipePart,
    RecipeUser, Recipes, SecurityFixes, Slice, SliceFacts, ToolError, Workshop, assemble,
    assemble_distroless, base_reference, base_request, choose_base, choose_packages, codename,
    debian_architecture, distroless_reference, host_tools, is_module_name, needed_modules,
    security_fixes,
};
pub use crate::evidence::{
    ClosureError, ClosureFile, Elf, ElfClosure, ElfError, Evidence, Fact, GoBuildInfo, KeptFact,
    KeptWhat, NotApplicable, Origin, ProgramError, ProgramKind, ScriptInterpreter, Why, collect,
    elf_closure, find_program, program_kind, script_interpreter,
};
pub use crate::optimize::{
    Observer, OptimizeError, OptimizeRequest, Optimized, UserChoice, optimize,
};
pub use crate::refactor::{
    BaseStage, Candidate, EmitError, KeptPath, Rung, RungParseError, RuntimeStage, ShellStep,
    exec_argv, multi_stage,
};
pub use crate::report::{
    Facts, FileOwner, FileReason, ImageFacts, Maker, OwnerFacts, OwnerKind, Report, Row,
    Verification, VerifiedImage, WhyAnswer, base_facts, explanation, facts_json, lower_bound,
    overview, read_facts, rows, size_text, table, to_json, verification_json, why,
};
pub use crate::rootfs::{Resolved, RootDir, RootError};
pub use crate::sbom::{
    Sbom, SbomDistribution, SbomFile, SbomFiles, SbomPackage, copyright_licences, cyclonedx_json,
    package_url, spdx_json,
};
pub use crate::structure_test::{
    CommandOutput, CommandRun, CommandTest, ContainerRunOptions, EnvVar, ExecutableBy, Expected,
    ExpectedPair, FileContentTest, FileExistenceTest, LicenseTest, MetadataTest, ObservedImage,
    Pattern, PatternError, StructureTestError, StructureTests, TestResult, TestSummary,
    evaluate as evaluate_structure_tests, parse_structure_tests, test_results_json,
    test_results_junit, wanted_files,
};
pub use crate::verify::{
    Action, Ailment, AilmentKind, Answer, AskError, Aspect, Comparison, Difference, Ending,
    EntryDifference, EntryKind, ExitKind, FurtherProbes, HttpMessage, HttpRequest, HttpResponse,
    Ignore, IgnoreParseError, IgnoreRule, ListingDifference, Miss, MissKind, MissReport,
    MissVerdict, Need, Observation, Oracle, OwnedMiss, Probe, ProbeError, ProbeFile, ProbeInput,
    ProbeObserver, ProbeOrigin, ProbeOutcome, Ready, Served, Server, Setting, Talk, TcpStep, Trail,
    Unmet, Verdict, WrittenFile, all_misses, compare, compare_with, default_probes, find_misses,
    observe, overall_ailment, suggestion, verdict,
};

//! Container structure tests: what an image is to hold, to say of itself and to do, written down in YAML or JSON.
//!
//! The files are those of container-structure-test (its schemas 1.0.0 and 2.0.0), and mean what they mean there
//! (container-structure-test: `pkg/types/v2`, `pkg/drivers/docker_driver.go`). This module reads them and judges; what is
//! seen of the image comes through [`ObservedImage`].

mod evaluate;
mod expand;
mod metadata;
mod mode;
mod pattern;
mod report;
mod schema;

pub use crate::structure_test::evaluate::{
    CommandOutput, CommandRun, ObservedImage, TestResult, evaluate, wanted_files,
};
pub use crate::structure_test::pattern::{Pattern, PatternError};
pub use crate::structure_test::report::{TestSummary, test_results_json, test_results_junit};
pub use crate::structure_test::schema::{
    CommandTest, ContainerRunOptions, EnvVar, ExecutableBy, Expected, ExpectedPair,
    FileContentTest, FileExistenceTest, LicenseTest, MetadataTest, StructureTestError,
    StructureTests, parse_structure_tests,
};

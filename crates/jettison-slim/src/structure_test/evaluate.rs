//! Judging an image.

use std::time::Duration;

use jettison_oci::{Entry, ImageConfig};

use crate::structure_test::expand::Variables;
use crate::structure_test::metadata::metadata_errors;
use crate::structure_test::mode::{go_mode, ls_mode, permission_bits};
use crate::structure_test::pattern::Pattern;
use crate::structure_test::schema::{
    CommandTest, EnvVar, ExecutableBy, FileContentTest, FileExistenceTest, LicenseTest,
    StructureTests,
};

/// Where Debian's packages have their copyright files: `PACKAGE/copyright`.
const DOCUMENTS: &str = "/usr/share/doc";
/// Licences that no file may mention (container-structure-test: `blacklist`, pkg/types/v2/licenses.go).
const REFUSED_LICENCES: [&str; 2] = ["AGPL", "WTFPL"];
/// Packages whose file mentions one and is fine (there: `whitelist`).
const TRUSTED_PACKAGES: [&str; 1] = ["libgnutls30"];
/// How much of a text is shown when it does not match.
const SHOWN: usize = 4096;

/// What can be seen of an image.
pub trait ObservedImage {
    /// Its configuration.
    fn config(&self) -> &ImageConfig;

    /// What is at `path`: a symbolic link at its end is seen itself. `None` if nothing is there.
    fn entry(&self, path: &str) -> Option<Entry>;

    /// The content of the regular file that `path` leads to, or why there is none.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The names of the directories in a directory, sorted; `None` if there is none at `path`.
    fn directories(&self, path: &str) -> Option<Vec<String>>;

    /// Runs commands in a container of their own, one after the other; or says why the last one could not be started.
    fn run(&self, run: &CommandRun) -> Result<CommandOutput, String>;
}

/// Commands to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRun {
    /// Commands that prepare the container. Only what they write counts.
    pub setup: Vec<Vec<String>>,
    /// The command whose output counts.
    pub argv: Vec<String>,
    /// Variables on top of the image's.
    pub env: Vec<(String, String)>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Its exit status, as a shell has it.
    pub exit_code: i32,
    /// How long it ran.
    pub elapsed: Duration,
    /// What is to be known of the commands before it, if it is not as expected.
    pub notes: Vec<String>,
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResult {
    /// Its kind and its name.
    pub name: String,
    /// What is not as expected; nothing if the test has passed.
    pub errors: Vec<String>,
    /// What its command wrote.
    pub stdout: String,
    /// What its command wrote to its standard error.
    pub stderr: String,
    /// How long its command ran.
    pub elapsed: Duration,
}

impl TestResult {
    /// Says whether all is as expected.
    pub fn has_passed(&self) -> bool {
        self.errors.is_empty()
    }

    fn of(name: String, errors: Vec<String>) -> TestResult {
        TestResult {
            name,
            errors,
            stdout: String::new(),
            stderr: String::new(),
            elapsed: Duration::ZERO,
        }
    }
}

/// The files whose content `tests` ask for, apart from those of `licenseTests` for Debian.
pub fn wanted_files(tests: &StructureTests, config: &ImageConfig) -> Vec<String> {
    let variables = variables(tests, config).0;
    let contents = tests.file_content_tests.iter().map(|test| &test.path);
    let licenses = tests.license_tests.iter().flat_map(|test| &test.files);
    contents
        .map(|path| variables.expand(path))
        .chain(licenses.cloned())
        .collect()
}

/// Runs all tests of a file: commands, files, contents, licences, then the configuration.
pub fn evaluate(
    tests: &StructureTests,
    image: &dyn ObservedImage,
    done: &mut dyn FnMut(TestResult),
) {
    let (known, global) = variables(tests, image.config());
    for test in &tests.command_tests {
        done(command(test, &known, &global, image));
    }
    for test in &tests.file_existence_tests {
        let name = format!("File Existence Test: {}", test.name);
        done(TestResult::of(name, existence_errors(test, &known, image)));
    }
    for test in &tests.file_content_tests {
        let name = format!("File Content Test: {}", test.name);
        done(TestResult::of(name, content_errors(test, &known, image)));
    }
    for (number, test) in tests.license_tests.iter().enumerate() {
        let name = format!("License Test #{number}");
        done(TestResult::of(name, license_errors(test, image)));
    }
    if let Some(test) = &tests.metadata_test {
        let errors = metadata_errors(test, image.config());
        done(TestResult::of("Metadata Test".to_owned(), errors));
    }
}

/// The variables that texts of a file can refer to, and those among them that the file sets.
fn variables(tests: &StructureTests, config: &ImageConfig) -> (Variables, Vec<(String, String)>) {
    let of_image = Variables::of(&config.config.env);
    let global = expanded(&tests.global_env_vars, &of_image);
    (of_image.with(&global), global)
}

fn expanded(pairs: &[EnvVar], known: &Variables) -> Vec<(String, String)> {
    let pair = |pair: &EnvVar| (pair.key.clone(), known.expand(&pair.value));
    pairs.iter().map(pair).collect()
}

fn command(
    test: &CommandTest,
    known: &Variables,
    global: &[(String, String)],
    image: &dyn ObservedImage,
) -> TestResult {
    let own = expanded(&test.env_vars, known);
    let run = CommandRun {
        setup: test.setup.iter().map(|words| words.0.clone()).collect(),
        argv: test.argv(&known.with(&own)),
        env: global.iter().chain(&own).cloned().collect(),
    };
    let name = format!("Command Test: {}", test.name);
    let output = match image.run(&run) {
        Ok(output) => output,
        Err(reason) => return TestResult::of(name, vec![reason]),
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut errors = Vec::new();
    match_all(
        &test.expected_error,
        &test.excluded_error,
        ("standard error", &stderr),
        &mut errors,
    );
    match_all(
        &test.expected_output,
        &test.excluded_output,
        ("standard output", &stdout),
        &mut errors,
    );
    if output.exit_code != test.exit_code {
        errors.push(format!(
            "the exit status is {}, and not {}",
            output.exit_code, test.exit_code
        ));
    }
    if !errors.is_empty() {
        errors.extend(output.notes);
    }
    TestResult {
        name,
        errors,
        stdout,
        stderr,
        elapsed: output.elapsed,
    }
}

/// Adds what does not match and should, and what matches and should not.
fn match_all(
    expected: &[Pattern],
    excluded: &[Pattern],
    (what, text): (&str, &str),
    errors: &mut Vec<String>,
) {
    for pattern in expected.iter().filter(|pattern| !pattern.is_match(text)) {
        let pattern = pattern.as_str();
        errors.push(format!(
            "`{pattern}` does not match the {what}: {}",
            shown(text)
        ));
    }
    for pattern in excluded.iter().filter(|pattern| pattern.is_match(text)) {
        let pattern = pattern.as_str();
        errors.push(format!(
            "`{pattern}` matches the {what}, and should not: {}",
            shown(text)
        ));
    }
}

/// A text, or its beginning if it is long.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "it is empty".to_owned();
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?} … ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}

fn existence_errors(
    test: &FileExistenceTest,
    known: &Variables,
    image: &dyn ObservedImage,
) -> Vec<String> {
    let path = known.expand(&test.path);
    let entry = match (image.entry(&path), test.should_exist) {
        (Some(entry), true) => entry,
        (None, false) => return Vec::new(),
        (None, true) => return vec![format!("{path} is not there")],
        (Some(entry), false) => {
            return vec![format!(
                "{path} is there, and should not: {}",
                ls_mode(&entry)
            )];
        }
    };
    let mut errors = Vec::new();
    let wanted = &test.permissions;
    if !wanted.is_empty() && *wanted != go_mode(&entry) && *wanted != ls_mode(&entry) {
        errors.push(format!(
            "{path} has the permissions {}, and not {wanted}",
            go_mode(&entry)
        ));
    }
    if let Some(by) = test.is_executable_by {
        let (bits, who) = match by {
            ExecutableBy::Any => (0o111, "anybody"),
            ExecutableBy::Owner => (0o100, "its owner"),
            ExecutableBy::Group => (0o010, "its group"),
            ExecutableBy::Other => (0o001, "others"),
        };
        if permission_bits(&entry) & bits == 0 {
            let mode = go_mode(&entry);
            errors.push(format!(
                "{path} cannot be executed by {who}: its permissions are {mode}"
            ));
        }
    }
    for (what, wanted, actual) in [
        ("owner", test.uid, entry.uid),
        ("group", test.gid, entry.gid),
    ] {
        if wanted != -1 && wanted != i64::from(actual) {
            errors.push(format!(
                "the {what} of {path} is {actual}, and not {wanted}"
            ));
        }
    }
    errors
}

fn content_errors(
    test: &FileContentTest,
    known: &Variables,
    image: &dyn ObservedImage,
) -> Vec<String> {
    let path = known.expand(&test.path);
    let bytes = match image.read(&path) {
        Ok(bytes) => bytes,
        Err(reason) => return vec![reason],
    };
    let content = String::from_utf8_lossy(&bytes);
    let mut errors = Vec::new();
    let what = format!("content of {path}");
    match_all(
        &test.expected_contents,
        &test.excluded_contents,
        (&what, &content),
        &mut errors,
    );
    errors
}

fn license_errors(test: &LicenseTest, image: &dyn ObservedImage) -> Vec<String> {
    let mut errors = Vec::new();
    if test.debian {
        match image.directories(DOCUMENTS) {
            None => errors.push(format!("{DOCUMENTS} is not there")),
            Some(packages) => {
                let packages = packages
                    .iter()
                    .filter(|package| !TRUSTED_PACKAGES.contains(&package.as_str()));
                for package in packages {
                    let file = format!("{DOCUMENTS}/{package}/copyright");
                    errors.extend(refused_licence(&file, image));
                }
            }
        }
    }
    let files = test.files.iter();
    errors.extend(files.filter_map(|file| refused_licence(file, image)));
    errors
}

fn refused_licence(file: &str, image: &dyn ObservedImage) -> Option<String> {
    let bytes = match image.read(file) {
        Ok(bytes) => bytes,
        Err(reason) => return Some(reason),
    };
    let text = String::from_utf8_lossy(&bytes).to_uppercase();
    let found = REFUSED_LICENCES.iter().find(|name| text.contains(**name))?;
    Some(format!("{file} names the licence {found}"))
}

#[cfg(test)]
mod tests;

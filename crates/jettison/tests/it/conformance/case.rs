//! A case: a text file that says what to build, and what BuildKit made of it.
//!
//! ```text
//! One or more lines that say what is asked.
//! -- build --                 arguments as `docker build` takes them, one option a line
//! --target final
//! -- files --                 what lies in the context (see `files.rs`)
//! 0644 a.txt "hello\n"
//! -- files extra --           a directory beside the context
//! -- files http --            what the server on the loopback interface has
//! -- archive a.tar.gz --      an archive in the context, by its suffix
//! -- image base2 --           a further base image: its configuration and its own files
//! -- git --                   a repository: its files, one commit
//! -- Dockerfile --
//! FROM busybox
//! -- answer --                what BuildKit made of it: recorded, never written by hand
//! -- ours --                  the text of our error where it differs on purpose
//! ```

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{FileLine, parse_files};

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// `<subject>/<name>`.
    pub(crate) name: String,
    /// The arguments of `docker build`, an option and its value one after the other.
    pub(crate) arguments: Vec<(String, Option<String>)>,
    /// The text of the Dockerfile.
    pub(crate) dockerfile: String,
    /// What else there is.
    pub(crate) sections: Vec<Section>,
    /// What BuildKit made of it.
    pub(crate) answer: Option<String>,
    /// Our error, where it is another one on purpose.
    pub(crate) ours: Option<String>,
    path: PathBuf,
}

/// Files that a case asks for.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) kind: Kind,
    /// What comes after the kind in the section's head.
    pub(crate) name: String,
    /// The first line of an image's section: its configuration.
    pub(crate) settings: String,
    pub(crate) files: Vec<FileLine>,
}

/// What a section's files are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The context, or a directory beside it.
    Files,
    /// An archive, `<path>` or `<directory>:<path>`.
    Archive,
    /// A base image.
    Image,
    /// A git repository with one commit.
    Git,
}

impl Case {
    /// Reads `<directory>/<name>.case`.
    pub(crate) fn read(directory: &Path, name: &str) -> Case {
        let path = directory.join(format!("{name}.case"));
        let text = fs::read_to_string(&path).unwrap();
        let mut case = Case {
            name: name.to_owned(),
            arguments: Vec::new(),
            dockerfile: String::new(),
            sections: Vec::new(),
            answer: None,
            ours: None,
            path,
        };
        for (head, body) in split(&text) {
            case.take(&head, &body);
        }
        case
    }

    fn take(&mut self, head: &str, body: &str) {
        let (word, name) = head.split_once(' ').unwrap_or((head, ""));
        let kind = match word {
            "" => return,
            "build" => {
                self.arguments = body.lines().map(argument).collect();
                return;
            }
            "Dockerfile" => {
                body.clone_into(&mut self.dockerfile);
                return;
            }
            "answer" => {
                self.answer = Some(body.to_owned());
                return;
            }
            "ours" => {
                self.ours = Some(body.to_owned());
                return;
            }
            "files" => Kind::Files,
            "archive" => Kind::Archive,
            "image" => Kind::Image,
            "git" => Kind::Git,
            other => panic!("{}: what is a section `{other}`?", self.name),
        };
        let (settings, files) = match kind {
            Kind::Image => body.split_once('\n').unwrap_or((body, "")),
            Kind::Files | Kind::Archive | Kind::Git => ("", body),
        };
        self.sections.push(Section {
            kind,
            name: name.to_owned(),
            settings: settings.to_owned(),
            files: parse_files(files).unwrap_or_else(|error| panic!("{}: {error}", self.name)),
        });
    }

    /// The sections of `kind`.
    pub(crate) fn of(&self, kind: Kind) -> impl Iterator<Item = &Section> {
        self.sections
            .iter()
            .filter(move |section| section.kind == kind)
    }

    /// Whether the case may need the base image `name`.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        let in_images = self
            .of(Kind::Image)
            .any(|image| image.settings.contains(name));
        let in_files = self
            .of(Kind::Files)
            .flat_map(|section| &section.files)
            .any(|file| file.path.ends_with("ockerfile"));
        // A Dockerfile may put the name together from arguments.
        let start = &name[..name.len().min(4)];
        let in_arguments = self
            .arguments
            .iter()
            .any(|(_, value)| value.as_ref().is_some_and(|value| value.contains(name)));
        self.dockerfile.contains(start) || in_images || in_files || in_arguments
    }

    /// Writes `answer` into the case's file.
    pub(crate) fn record(&self, answer: &str) {
        let text = fs::read_to_string(&self.path).unwrap();
        let mut kept = String::new();
        for (head, body) in split(&text) {
            if head != "answer" {
                if !head.is_empty() {
                    writeln!(kept, "-- {head} --").unwrap();
                }
                kept.push_str(&body);
            }
        }
        fs::write(&self.path, format!("{kept}-- answer --\n{answer}")).unwrap();
    }
}

/// The names of the cases below `directory`, in order.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for subject in fs::read_dir(directory).unwrap() {
        let subject = subject.unwrap().path();
        if !subject.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&subject).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "case")
            {
                let name = path.strip_prefix(directory).unwrap().with_extension("");
                names.push(name.display().to_string());
            }
        }
    }
    names.sort();
    names
}

/// The sections of a case's file: head and body. The first has no head.
fn split(text: &str) -> Vec<(String, String)> {
    let mut sections = vec![(String::new(), String::new())];
    for line in text.split_inclusive('\n') {
        let head = line
            .trim_end()
            .strip_prefix("-- ")
            .and_then(|rest| rest.strip_suffix(" --"));
        if let Some(head) = head {
            sections.push((head.to_owned(), String::new()));
        } else if let Some((_, body)) = sections.last_mut() {
            body.push_str(line);
        }
    }
    sections
}

/// `--name value`, or `--name` alone.
fn argument(line: &str) -> (String, Option<String>) {
    match line.split_once(' ') {
        Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
        None => (line.to_owned(), None),
    }
}

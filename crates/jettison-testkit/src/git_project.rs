//! Git repositories that are made on the spot, and given out over HTTP.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::web_server::{WebAnswer, WebRequest};

/// A repository with its files, and without the host's configuration.
#[derive(Debug)]
pub struct GitProject {
    dir: PathBuf,
}

impl GitProject {
    /// An empty repository at `dir`, whose branch is `main`.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    pub fn new(dir: &Path) -> GitProject {
        fs::create_dir_all(dir).expect("the directory is ours");
        let project = GitProject {
            dir: dir.to_path_buf(),
        };
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        // A server that gives any commit that it is asked for, as the large ones do.
        project.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        project
    }

    /// The repository that is at `dir` already.
    pub fn at(dir: &Path) -> GitProject {
        GitProject {
            dir: dir.to_path_buf(),
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        let parent = path.parent().expect("a file is in a directory");
        fs::create_dir_all(parent).expect("the directory is ours");
        fs::write(path, text).expect("the directory is ours");
    }

    /// Commits all files, at a time in Unix seconds. Returns the commit.
    pub fn commit(&self, time: u32) -> String {
        self.git(&["add", "--all"]);
        let date = format!("--date={time} +0000");
        let mut command = self.command(&["commit", "--quiet", "--allow-empty", "-m", "m", &date]);
        run(command.env("GIT_COMMITTER_DATE", format!("{time} +0000")));
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs `git` and returns what it writes.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn git(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = git();
        command.current_dir(&self.dir).args(arguments);
        command
    }
}

fn git() -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "test");
        command.env(format!("GIT_{who}_EMAIL"), "test@example.com");
        command.env(format!("GIT_{who}_DATE"), "1000000000 +0000");
    }
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("git is installed");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// What `git http-backend` answers for the repositories below `projects`.
///
/// # Panics
///
/// If it cannot be started.
pub fn git_answer(projects: &Path, request: &WebRequest) -> WebAnswer {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let mut child = git()
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", projects)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", request.header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
        .env("GIT_PROTOCOL", request.header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git is installed");
    let mut stdin = child.stdin.take().expect("it was asked for");
    // What it does not read, it does not need.
    stdin.write_all(&request.body).unwrap_or_default();
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    let end = output
        .stdout
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(output.stdout.len(), |at| at + 4);
    let (head, body) = output.stdout.split_at(end);
    let head = String::from_utf8_lossy(head);
    let headers: Vec<(&str, &str)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let status = headers
        .iter()
        .find(|(name, _)| *name == "Status")
        .and_then(|(_, value)| value.split(' ').next()?.parse().ok());
    let mut answer = match status {
        Some(status) => WebAnswer::status(status),
        None => WebAnswer::file(body),
    };
    for (name, value) in headers {
        if name != "Status" {
            answer = answer.header(name, value);
        }
    }
    answer
}

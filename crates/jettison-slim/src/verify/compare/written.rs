//! The files that were written, by the runs of the original and by the candidate.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::evidence::{in_home, is_log_of_npm};
use crate::verify::ignore::{Ignore, Subject};
use crate::verify::observation::{Observation, WrittenFile};

/// What comes of comparing files.
#[derive(Default)]
pub(super) struct Files {
    /// What only the original wrote.
    pub(super) original: Vec<WrittenFile>,
    /// What only the candidate wrote.
    pub(super) candidate: Vec<WrittenFile>,
    pub(super) volatile: Vec<String>,
    /// There is a file that is the same in each run of the original.
    pub(super) says_something: bool,
}

type ByPath<'o> = BTreeMap<&'o Path, &'o WrittenFile>;

/// Compares a candidate's files with those of several runs of the original.
///
/// A file whose content is different in each run has to be there, with its mode and its owner. In a directory where files
/// have other names in each run there have to be some; where directories have, those have to have the files that they have in
/// each run.
pub(super) fn compare(
    originals: &[&Observation],
    candidate: &Observation,
    ignore: &Ignore,
) -> Files {
    let files = |run: &'_ Observation| -> BTreeMap<_, _> {
        run.written
            .iter()
            .filter(|file| !is_cache(&file.path))
            .filter(|file| !ignore.leaves_out(Subject::Path, file.path.as_os_str().as_bytes()))
            .map(|file| (file.path.clone(), file.clone()))
            .collect()
    };
    let runs: Vec<BTreeMap<_, _>> = originals.iter().map(|run| files(run)).collect();
    let theirs = files(candidate);
    let borrowed: Vec<ByPath<'_>> = runs
        .iter()
        .map(|run| {
            run.iter()
                .map(|(path, file)| (path.as_path(), file))
                .collect()
        })
        .collect();
    let theirs: ByPath<'_> = theirs
        .iter()
        .map(|(path, file)| (path.as_path(), file))
        .collect();
    weigh(&borrowed, &theirs)
}

/// Whether programs keep there what they can find out again. When they write it depends on what was there.
fn is_cache(path: &Path) -> bool {
    const OF_USERS: [&str; 3] = [".cache", ".config/go/telemetry", ".java/fonts"];
    let of_user = in_home(path);
    let temporary = path.strip_prefix("/tmp").ok();
    let temporary = temporary.and_then(|path| path.iter().next()?.to_str());
    let is_of_cargo = path.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name == ".global-cache" || name.starts_with(".package-cache")
    });
    is_of_cargo
        || is_log_of_npm(path)
        || path.iter().any(|part| part == "__pycache__")
        || path.starts_with("/var/cache/fontconfig")
        || of_user.is_some_and(|path| OF_USERS.iter().any(|cache| path.starts_with(cache)))
        || temporary.is_some_and(is_temporary)
}

/// Whether something in `/tmp` is what yarn makes for each script that it runs, or the byte code of its own program, what Go compiles,
/// or uv's lock of a project.
fn is_temporary(name: &str) -> bool {
    const STARTS: [&str; 3] = ["go-build", "yarn--", "v8-compile-cache-"];
    let is_lock = name
        .strip_prefix("uv-")
        .and_then(|rest| rest.strip_suffix(".lock"))
        .is_some_and(|key| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_lock || STARTS.iter().any(|start| name.starts_with(start))
}

fn weigh(runs: &[ByPath<'_>], theirs: &ByPath<'_>) -> Files {
    let mut result = Files::default();
    let paths: BTreeSet<&Path> = runs.iter().flat_map(|run| run.keys().copied()).collect();
    let mut restless = BTreeSet::new();
    for path in &paths {
        let found: Vec<&WrittenFile> = runs
            .iter()
            .filter_map(|run| run.get(path).copied())
            .collect();
        if found.len() < runs.len() {
            restless.insert(restless_place(runs, path));
            continue;
        }
        let Some((first, others)) = found.split_first() else {
            continue;
        };
        let is_steady = others.iter().all(|other| other == first);
        if is_steady {
            result.says_something = true;
        } else {
            result
                .volatile
                .push(format!("the content of {}", path.display()));
        }
        let their = theirs.get(path).copied();
        let is_same = their.is_some_and(|their| {
            let is_alike = |of: &WrittenFile| (of.mode, of.owner) == (their.mode, their.owner);
            their == *first || (!is_steady && found.iter().any(|file| is_alike(file)))
        });
        if !is_same {
            result.original.push((*first).clone());
            result.candidate.extend(their.cloned());
        }
    }
    for directory in &restless {
        result
            .volatile
            .push(format!("names of files in {}", directory.display()));
        let found: Vec<News<'_>> = runs.iter().map(|run| news(runs, directory, run)).collect();
        let theirs = news(runs, directory, theirs);
        result.original.extend(missing(&found, &theirs).cloned());
    }
    let known: BTreeMap<&Path, BTreeSet<&Path>> = restless
        .iter()
        .map(|place| {
            let found = runs.iter().flat_map(|run| news(runs, place, run));
            (*place, found.map(|(tail, _)| tail).collect())
        })
        .collect();
    let is_free = |path: &Path| {
        let mut places = known.iter();
        places.any(|(place, tails)| {
            tail_of_new(runs, place, path).is_some_and(|tail| tails.contains(tail))
        })
    };
    let further = theirs
        .iter()
        .filter(|(path, _)| !paths.contains(*path) && !is_free(path));
    result
        .candidate
        .extend(further.map(|(_, file)| (*file).clone()));
    result
}

/// The directory in which names are other ones in each run, if that of `path` is: its parent; if that itself has another name in
/// each run, with a file such as this one, the first one above that each run has.
fn restless_place<'p>(runs: &[ByPath<'p>], path: &'p Path) -> &'p Path {
    let parent = path.parent().unwrap_or(path);
    let in_all = path
        .ancestors()
        .skip(1)
        .find(|above| is_in_all(runs, above));
    let place = in_all.filter(|place| {
        let tail = tail_of_new(runs, place, path);
        tail.is_some()
            && runs.iter().all(|run| {
                run.keys()
                    .any(|other| tail_of_new(runs, place, other) == tail)
            })
    });
    place.unwrap_or(parent)
}

/// Files in a directory of which the names are other ones in each run, by what follows behind those.
type News<'o> = BTreeMap<&'o Path, Vec<&'o WrittenFile>>;

/// Those of `run` in `directory`.
fn news<'o>(runs: &[ByPath<'_>], directory: &Path, run: &ByPath<'o>) -> News<'o> {
    let mut found = News::new();
    for (path, file) in run {
        if let Some(tail) = tail_of_new(runs, directory, path) {
            found.entry(tail).or_default().push(file);
        }
    }
    found
}

/// A file of the original of which the candidate has no like, although each run of the original has. In a directory with a new
/// name it has to be the same, if it is the same in each run.
fn missing<'o>(runs: &[News<'o>], theirs: &News<'_>) -> Option<&'o WrittenFile> {
    let (first, others) = runs.split_first()?;
    let is_like = |left: &WrittenFile, right: &WrittenFile| {
        (left.mode, left.owner, &left.content) == (right.mode, right.owner, &right.content)
    };
    let always = first
        .iter()
        .filter(|(tail, _)| others.iter().all(|other| other.contains_key(*tail)));
    always
        .filter(|(tail, files)| {
            let Some(their) = theirs.get(*tail) else {
                return true;
            };
            let same_as = |files: &[&WrittenFile], file: &WrittenFile| {
                files.iter().any(|other| is_like(other, file))
            };
            let is_steady = !tail.as_os_str().is_empty()
                && others.iter().all(|other| {
                    let other = other.get(*tail).map(Vec::as_slice);
                    files
                        .iter()
                        .all(|file| same_as(other.unwrap_or_default(), file))
                });
            is_steady && !files.iter().all(|file| same_as(their, file))
        })
        .find_map(|(_, files)| files.first().copied())
}

/// What follows in `path` behind the name of something in `directory` that not every run of the original has; nothing, if that is
/// the file itself.
fn tail_of_new<'p>(runs: &[ByPath<'_>], directory: &Path, path: &'p Path) -> Option<&'p Path> {
    let mut inside = path.strip_prefix(directory).ok()?.components();
    let name = inside.next()?;
    let is_new = !is_in_all(runs, &directory.join(name));
    is_new.then_some(inside.as_path())
}

/// Whether each run of the original wrote something at or below `path`.
fn is_in_all(runs: &[ByPath<'_>], path: &Path) -> bool {
    let is_in = |run: &ByPath<'_>| {
        let mut from = run.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
        from.next()
            .is_some_and(|(found, _)| found.starts_with(path))
    };
    runs.iter().all(is_in)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::observation::ExitKind;

    fn wrote(files: &[(&str, u32, &str)]) -> Observation {
        let files = files.iter().map(|(path, mode, content)| WrittenFile {
            path: path.into(),
            mode: *mode,
            owner: (0, 0),
            content: (*content).to_owned(),
        });
        Observation {
            written: files.collect(),
            ..Observation::ended(ExitKind::Code(0))
        }
    }

    type Written<'f> = &'f [(&'f str, u32, &'f str)];

    #[track_caller]
    fn check(originals: [Written<'_>; 2], candidate: Written<'_>, expected: [&[&str]; 3]) {
        let [first, second] = originals.map(wrote);
        let files = compare(&[&first, &second], &wrote(candidate), &Ignore::default());
        let paths = |files: &[WrittenFile]| -> Vec<String> {
            files
                .iter()
                .map(|file| file.path.display().to_string())
                .collect()
        };
        assert_eq!(paths(&files.original), expected[0]);
        assert_eq!(paths(&files.candidate), expected[1]);
        assert_eq!(files.volatile, expected[2]);
    }

    #[test]
    fn caches_are_told_from_what_a_program_writes() {
        for (path, expected) in [
            ("/app/__pycache__/a.cpython-311.pyc", true),
            ("/root/.cache/pip/x", true),
            ("/var/cache/fontconfig/x", true),
            ("/home/node/.npm/_logs/x.log", true),
            ("/home/node/.npm", false),
            ("/home/node/app/.cache/x", false),
            ("/tmp/yarn--1795704016444-0.35/node", true),
            ("/tmp/v8-compile-cache-1000/x.BLOB", true),
            ("/tmp/x/yarn--1", false),
            ("/tmp/uv-1c83b73deef05048.lock", true),
            ("/tmp/go-build1554602142/b001/exe/hello", true),
            ("/root/.config/go/telemetry/local/go.count", true),
            ("/usr/local/cargo/.package-cache-mutate", true),
            ("/root/.config/go/env", false),
            ("/tmp/uv-x.lock", false),
            ("/app/a.pyc", false),
            ("/var/cache/app/x", false),
            ("/root/.cached", false),
        ] {
            assert_eq!(is_cache(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn modes_and_contents_are_compared() {
        let file: Written<'_> = &[("/a", 0o644, "1")];
        check([file, file], file, [&[], &[], &[]]);
        check([file, file], &[("/a", 0o600, "1")], [&["/a"], &["/a"], &[]]);
        check([file, file], &[("/a", 0o644, "2")], [&["/a"], &["/a"], &[]]);
        check([file, file], &[], [&["/a"], &[], &[]]);
        check([&[], &[]], file, [&[], &["/a"], &[]]);
    }

    #[test]
    fn a_file_that_is_new_in_each_run_keeps_its_mode() {
        let runs: [Written<'_>; 2] = [&[("/pid", 0o644, "1")], &[("/pid", 0o644, "2")]];
        let volatile: &[&str] = &["the content of /pid"];
        check(runs, &[("/pid", 0o644, "3")], [&[], &[], volatile]);
        check(
            runs,
            &[("/pid", 0o666, "3")],
            [&["/pid"], &["/pid"], volatile],
        );
        check(runs, &[], [&["/pid"], &[], volatile]);
    }

    #[test]
    fn names_may_be_new_in_each_run() {
        let runs: [Written<'_>; 2] = [
            &[("/t/a1", 0o600, "x"), ("/t/b", 0o600, "x")],
            &[("/t/a2", 0o600, "x"), ("/t/b", 0o600, "x")],
        ];
        let volatile: &[&str] = &["names of files in /t"];
        check(
            runs,
            &[("/t/a3", 0o600, "x"), ("/t/b", 0o600, "x")],
            [&[], &[], volatile],
        );
        check(runs, &[("/t/b", 0o600, "x")], [&["/t/a1"], &[], volatile]);
        check(
            runs,
            &[
                ("/t/a3", 0o600, "x"),
                ("/t/b", 0o600, "x"),
                ("/u/c", 0o600, "x"),
            ],
            [&[], &["/u/c"], volatile],
        );
    }

    #[test]
    fn directories_may_have_new_names_in_each_run_and_then_have_the_same_files() {
        let runs: [Written<'_>; 2] = [
            &[
                ("/tmp/x_1/css/a.css", 0o644, "x"),
                ("/tmp/x_1/index.html", 0o644, "x"),
                ("/var/log", 0o644, "x"),
            ],
            &[
                ("/tmp/x_2/css/a.css", 0o644, "x"),
                ("/tmp/x_2/index.html", 0o644, "x"),
                ("/var/log", 0o644, "x"),
            ],
        ];
        let volatile: &[&str] = &["names of files in /tmp"];
        let like: Written<'_> = &[
            ("/tmp/x_3/css/a.css", 0o644, "x"),
            ("/tmp/x_3/index.html", 0o644, "x"),
            ("/var/log", 0o644, "x"),
        ];
        check(runs, like, [&[], &[], volatile]);
        check(
            runs,
            &[
                ("/tmp/x_3/index.html", 0o644, "x"),
                ("/var/log", 0o644, "x"),
            ],
            [&["/tmp/x_1/css/a.css"], &[], volatile],
        );
        check(
            runs,
            &[like[0], ("/tmp/x_3/index.html", 0o644, "y"), like[2]],
            [&["/tmp/x_1/index.html"], &[], volatile],
        );
        check(
            runs,
            &[
                like[0],
                like[1],
                like[2],
                ("/tmp/x_3/other", 0o644, "x"),
                ("/var/y", 0o644, "x"),
            ],
            [&[], &["/tmp/x_3/other", "/var/y"], volatile],
        );
    }

    #[test]
    fn what_one_run_alone_wrote_frees_its_own_directory() {
        let runs: [Written<'_>; 2] = [
            &[("/app/a/b", 0o644, "x"), ("/app/c", 0o644, "x")],
            &[("/app/c", 0o644, "x")],
        ];
        let volatile: &[&str] = &["names of files in /app/a"];
        check(
            runs,
            &[
                ("/app/a/z", 0o644, "x"),
                ("/app/c", 0o644, "x"),
                ("/app/d/b", 0o644, "x"),
            ],
            [&[], &["/app/d/b"], volatile],
        );
    }
}

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "UPDATE_EXPECT=1 writes them"
)]

use std::os::unix::fs::{MetadataExt, symlink};

use expect_test::{Expect, expect};
use jettison_build::{Checkout, GitCommit, RemoteFile};
use jettison_oci::Digest;
use tempfile::TempDir;

use super::*;

/// A network with one file and one repository in `dir`.
struct Network<'a> {
    dir: &'a Path,
}

impl Remotes for Network<'_> {
    fn file(&self, request: &FileRequest) -> Result<RemoteFile, RemoteError> {
        let (_, name) = request.url.rsplit_once('/').unwrap();
        let path = self.dir.join(name);
        if !path.exists() {
            return Err("invalid response status 404".into());
        }
        Ok(RemoteFile {
            digest: Digest::of(&fs::read(&path)?),
            size: 0,
            last_modified: Some(1_000_000_000),
            path,
        })
    }

    fn commit(&self, _request: &GitRequest) -> Result<GitCommit, RemoteError> {
        Err("not asked for".into())
    }

    fn git(&self, request: &GitRequest) -> Result<Checkout, RemoteError> {
        let git = if request.keep_git_dir {
            "kept"
        } else {
            "repository"
        };
        let subdir = request.subdir.as_deref().unwrap_or_default();
        Ok(Checkout {
            dir: self.dir.join(git).join(subdir),
            commit: "c".repeat(40),
            commit_time: 1_100_000_000,
        })
    }
}

/// The host's files and the network's.
///
/// ```text
/// dir/Dockerfile, a, .dockerignore        other/dockerfile       empty/
/// file.txt       Other.Dockerfile         archive.tar
/// network/       archive.tar, Dockerfile.x, repository/, kept/
/// ```
fn world() -> TempDir {
    let world = tempfile::tempdir().unwrap();
    let path = world.path();
    let write = |name: &str, text: &str| {
        let path = path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("dir/Dockerfile", "FROM dir");
    write("dir/a", "a");
    write("dir/.dockerignore", "a");
    write("other/dockerfile", "FROM other");
    fs::create_dir(path.join("empty")).unwrap();
    write("file.txt", "text");
    write("Other.Dockerfile", "FROM file");
    write("network/Dockerfile.x", "FROM network");
    for repository in ["repository", "kept"] {
        write(&format!("network/{repository}/Dockerfile"), "FROM git");
        write(&format!("network/{repository}/sub/dockerfile"), "FROM sub");
        write(&format!("network/{repository}/a"), "a");
    }
    symlink("/../Dockerfile", path.join("network/repository/link")).unwrap();
    symlink(
        "../../../Other.Dockerfile",
        path.join("network/repository/out"),
    )
    .unwrap();
    let tar = tar(&[
        ("./Dockerfile", "FROM tar"),
        ("x/b", "b"),
        (".dockerignore", "x"),
    ]);
    fs::write(path.join("archive.tar"), &tar).unwrap();
    fs::write(path.join("network/archive.tar"), tar).unwrap();
    world
}

/// A tar of files that belong to nobody.
fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, text) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000640");
        for at in [108, 116] {
            header[at..at + 7].copy_from_slice(b"0177776");
        }
        let size = format!("{:011o}", text.len());
        header[124..135].copy_from_slice(size.as_bytes());
        header[136..147].copy_from_slice(b"07346545000");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(header);
        tar.extend(text.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

fn request<'a>(context: &'a str, file: Option<&'a str>) -> ContextRequest<'a> {
    ContextRequest {
        context,
        file,
        keep_git_dir: false,
        owners: Owners::Squash,
    }
}

fn open_in(
    world: &TempDir,
    request: &ContextRequest<'_>,
    stdin: &[u8],
) -> Result<OpenedContext, Failure> {
    let network = Network {
        dir: &world.path().join("network"),
    };
    let mut stdin = stdin;
    let mut sources = ContextSources {
        remotes: &network,
        stdin: &mut stdin,
        root: &world.path().join("root"),
    };
    open(request, &mut sources)
}

/// What is opened for a context, `-f` and a standard input. `DIR` is where the host's files are.
#[track_caller]
fn check(context: &str, file: Option<&str>, stdin: &[u8], expected: Expect) {
    let world = world();
    let dir = world.path().display().to_string();
    let (context, file) = (
        context.replace("DIR", &dir),
        file.map(|file| file.replace("DIR", &dir)),
    );
    let request = request(&context, file.as_deref());
    let text = match open_in(&world, &request, stdin) {
        Ok(opened) => {
            let mut names: Vec<_> = fs::read_dir(&opened.root)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            let built = opened.build_context().unwrap();
            assert!(built.root().is_dir());
            format!(
                "{:?} of {}: [{}]\n{}: {}{}",
                opened.kind,
                opened.time.unwrap_or_default(),
                names.join(" "),
                opened.source.path,
                opened.source.text,
                opened.dockerfile.map_or("", |_| " (host)")
            )
        }
        Err(failure) => {
            let lines = failure.lines();
            let lines: Vec<_> = lines
                .iter()
                .map(|(label, text)| format!("{label}: {text}"))
                .collect();
            lines.join("\n")
        }
    };
    expected.assert_eq(&text.replace(&dir, "DIR"));
    let left = fs::read_dir(world.path().join("root/contexts")).map_or(0, Iterator::count);
    assert!(left <= 1, "only the lock stays");
}

#[test]
fn a_directory_is_a_context() {
    check(
        "DIR/dir",
        None,
        b"",
        expect![[r#"
        Directory of 0: [.dockerignore Dockerfile a]
        DIR/dir/Dockerfile: FROM dir (host)"#]],
    );
    check(
        "DIR/other",
        None,
        b"",
        expect![[r#"
        Directory of 0: [dockerfile]
        DIR/other/dockerfile: FROM other (host)"#]],
    );
    check(
        "DIR/dir",
        Some("DIR/Other.Dockerfile"),
        b"",
        expect![[r#"
        Directory of 0: [.dockerignore Dockerfile a]
        DIR/Other.Dockerfile: FROM file (host)"#]],
    );
    check(
        "DIR/dir",
        Some("DIR/other/Dockerfile"),
        b"",
        expect![[r#"
        Directory of 0: [.dockerignore Dockerfile a]
        DIR/other/dockerfile: FROM other (host)"#]],
    );
    check(
        "DIR/dir",
        Some("-"),
        b"FROM stdin",
        expect![[r#"
        Directory of 0: [.dockerignore Dockerfile a]
        -: FROM stdin"#]],
    );
    check(
        "DIR/dir",
        Some("https://h/Dockerfile.x"),
        b"",
        expect![[r#"
            Directory of 0: [.dockerignore Dockerfile a]
            https://h/Dockerfile.x: FROM network"#]],
    );
    check(
        "DIR/empty",
        None,
        b"",
        expect![[r#"
        error: cannot read DIR/empty/Dockerfile
          cause: No such file or directory (os error 2)"#]],
    );
}

#[test]
fn standard_input_is_a_dockerfile_or_an_archive() {
    let tar = fs::read(world().path().join("archive.tar")).unwrap();
    check(
        "-",
        None,
        b"FROM stdin",
        expect![[r#"
        Nothing of 0: []
        -: FROM stdin"#]],
    );
    check(
        "-",
        None,
        &tar,
        expect![[r#"
        Archive of 0: [.dockerignore Dockerfile x]
        Dockerfile: FROM tar"#]],
    );
    check(
        "-",
        Some("x/../Dockerfile"),
        &tar,
        expect![[r#"
        Archive of 0: [.dockerignore Dockerfile x]
        Dockerfile: FROM tar"#]],
    );
    check(
        "-",
        Some("x/b"),
        &tar,
        expect![[r#"
        Archive of 0: [.dockerignore Dockerfile x]
        x/b: b"#]],
    );
    check(
        "-",
        Some("nowhere"),
        &tar,
        expect!["error: failed to read dockerfile: the build context - has no file nowhere"],
    );
    check(
        "-",
        Some("http://h/Dockerfile.x"),
        &tar,
        expect![[r#"
        Archive of 0: [.dockerignore Dockerfile x]
        http://h/Dockerfile.x: FROM network"#]],
    );
    check(
        "-",
        Some("x"),
        b"FROM stdin",
        expect![
            "error: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles"
        ],
    );
    check(
        "-",
        Some("-"),
        b"FROM stdin",
        expect!["error: invalid argument: can't use stdin for both build context and dockerfile"],
    );
    check(
        "-",
        None,
        b"",
        expect![[r#"
        error: standard input is empty
        hint: give a Dockerfile on it, or an archive with one in it"#]],
    );
}

#[test]
fn a_file_is_a_context_if_it_is_an_archive() {
    check(
        "DIR/archive.tar",
        None,
        b"",
        expect![[r#"
        Archive of 0: [.dockerignore Dockerfile x]
        Dockerfile: FROM tar"#]],
    );
    check(
        "DIR/file.txt",
        None,
        b"",
        expect![[r#"
        error: the build context DIR/file.txt is neither a directory nor an archive
        hint: to build a Dockerfile of another name: -f DIR/file.txt DIRECTORY"#]],
    );
    check(
        "DIR/nowhere",
        None,
        b"",
        expect![[r#"error: unable to prepare context: path "DIR/nowhere" not found"#]],
    );
}

#[test]
fn a_url_is_an_archive_or_a_dockerfile() {
    check(
        "http://h/archive.tar",
        None,
        b"",
        expect![[r#"
        Archive of 1000000000: [.dockerignore Dockerfile x]
        Dockerfile: FROM tar"#]],
    );
    check(
        "http://me:pw@h/Dockerfile.x",
        None,
        b"",
        expect![[r#"
        File of 1000000000: [context]
        context: FROM network"#]],
    );
    check(
        "http://h/Dockerfile.x",
        Some("other"),
        b"",
        expect![[r#"
        File of 1000000000: [context]
        context: FROM network"#]],
    );
    check(
        "http://h/nowhere",
        None,
        b"",
        expect![[r#"
        error: cannot get the build context
          cause: invalid response status 404"#]],
    );
}

#[test]
fn a_repository_is_a_context() {
    check(
        "https://h/a.git",
        None,
        b"",
        expect![[r#"
        Repository of 1100000000: [Dockerfile a link out sub]
        Dockerfile: FROM git"#]],
    );
    check(
        "git@h:a#:sub",
        None,
        b"",
        expect![[r#"
        Repository of 1100000000: [dockerfile]
        dockerfile: FROM sub"#]],
    );
    check(
        "github.com/a/b",
        Some("a"),
        b"",
        expect![[r#"
        Repository of 1100000000: [Dockerfile a link out sub]
        a: a"#]],
    );
    check(
        "https://h/a.git",
        Some("-"),
        b"FROM stdin",
        expect![[r#"
        Repository of 1100000000: [Dockerfile a link out sub]
        -: FROM stdin"#]],
    );
    check(
        "https://h/a.git",
        Some("DIR/Other.Dockerfile"),
        b"",
        expect![[r#"
            Repository of 1100000000: [Dockerfile a link out sub]
            DIR/Other.Dockerfile: FROM file (host)"#]],
    );
    check(
        "https://h/a.git?x=1",
        None,
        b"",
        expect![[
            r#"error: cannot use the build context https://h/a.git?x=1: unexpected query "x""#
        ]],
    );
}

#[test]
fn links_of_a_repository_stay_in_it() {
    check(
        "https://h/a.git",
        Some("link"),
        b"",
        expect![[r#"
        Repository of 1100000000: [Dockerfile a link out sub]
        Dockerfile: FROM git"#]],
    );
    check(
        "https://h/a.git",
        Some("out"),
        b"",
        expect![
            "error: failed to read dockerfile: the build context https://h/a.git has no file out"
        ],
    );
    check(
        "https://h/a.git",
        Some("../../Other.Dockerfile"),
        b"",
        expect![
            "error: failed to read dockerfile: the build context https://h/a.git has no file ../../Other.Dockerfile"
        ],
    );
}

#[test]
fn the_git_directory_of_a_repository_can_be_kept() {
    let world = world();
    let request = ContextRequest {
        keep_git_dir: true,
        ..request("https://h/a.git", None)
    };
    let opened = open_in(&world, &request, b"").unwrap();
    assert!(opened.root.ends_with("kept"));
}

#[test]
fn a_downloaded_file_has_the_mode_and_time_that_buildkit_gives_it() {
    let world = world();
    let opened = open_in(&world, &request("http://h/Dockerfile.x", None), b"").unwrap();
    let metadata = fs::metadata(opened.root.join("context")).unwrap();
    assert_eq!(metadata.mode() & 0o7777, 0o600);
    assert_eq!(metadata.mtime(), 1_000_000_000);
}

#[test]
fn archives_stay_in_their_directory_and_are_removed() {
    let world = world();
    let hostile = tar(&[("../../x", "x"), ("/Dockerfile", "FROM hostile")]);
    let opened = open_in(&world, &request("-", None), &hostile);
    if let Ok(opened) = &opened {
        assert_eq!(opened.source.text, "FROM hostile");
    }
    assert!(!world.path().join("root/x").exists());
    assert!(!world.path().join("root/contexts/x").exists());
    drop(opened);
    let left: Vec<_> = fs::read_dir(world.path().join("root/contexts"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_archive_that_ends_in_the_middle_is_refused() {
    let world = world();
    let tar = fs::read(world.path().join("archive.tar")).unwrap();
    let failure = open_in(&world, &request("-", None), &tar[..700]).unwrap_err();
    assert_eq!(failure.lines()[0].1, "cannot unpack standard input");
}

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use expect_test::{Expect, expect};
use jettison_build::NoSecrets;
use jettison_testkit::{WebAnswer, WebRequest, WebServer};
use tempfile::TempDir;

use super::*;

const QUICK: Patience = Patience {
    attempts: 3,
    pause: Duration::from_millis(1),
    silence: Duration::from_millis(300),
};

/// Secrets by name.
struct Known(BTreeMap<&'static str, &'static str>);

impl Secrets for Known {
    fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.get(id).map(|secret| secret.as_bytes().to_vec()))
    }

    fn ssh_agent(&self, _id: &str) -> Result<Option<PathBuf>, Box<dyn Error + Send + Sync>> {
        Ok(None)
    }
}

/// An error with all that caused it.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

/// One build that asks for `url`, in a world that lasts from build to build.
fn fetch(root: &TempDir, url: &str, checksum: Option<Digest>) -> Result<RemoteFile, DownloadError> {
    let reach = Reach::default();
    let downloads = Downloads::open(root.path(), &reach, QUICK, &NoSecrets)?;
    downloads.file(&FileRequest {
        url: url.to_owned(),
        checksum,
    })
}

/// What a build finds at a URL, or why not, and the requests that it took.
fn told(server: &WebServer, result: Result<RemoteFile, DownloadError>) -> String {
    let result = match result {
        Ok(file) => {
            let bytes = fs::read(&file.path).unwrap();
            assert_eq!(Digest::of(&bytes), file.digest);
            assert_eq!(bytes.len() as u64, file.size);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let time = file.last_modified.map(|time| format!(" of {time}"));
            format!("{text}{}", time.unwrap_or_default())
        }
        Err(error) => {
            let text = chain(&error).replace(&server.authority(), "HOST");
            // How much is free is the machine's affair.
            text.split(", and ").next().unwrap_or_default().to_owned()
        }
    };
    format!("{result}; {} requests", server.requests().len())
}

#[track_caller]
fn check(
    answer: impl Fn(&WebRequest, usize) -> WebAnswer + Send + Sync + 'static,
    expected: Expect,
) {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(answer);
    let result = fetch(&root, &server.url("/file"), None);
    expected.assert_eq(&told(&server, result));
    let left = fs::read_dir(root.path().join("downloads/partial")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_file_is_downloaded_with_its_time() {
    check(
        |_, _| WebAnswer::file("abc").header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        expect!["abc of 784111777; 1 requests"],
    );
}

#[test]
fn passing_troubles_are_waited_for() {
    check(
        |_, number| match number {
            0 => WebAnswer::status(500),
            1 => WebAnswer::status(429).header("Retry-After", "0"),
            _ => WebAnswer::file("abc"),
        },
        expect!["abc; 3 requests"],
    );
    check(
        |_, _| WebAnswer::status(503),
        expect![
            "cannot download http://HOST/file: gave up after 3 attempts: invalid response status 503; 3 requests"
        ],
    );
    check(
        |_, _| WebAnswer::file("abcd").cut_after(0),
        expect![
            "cannot download http://HOST/file: gave up after 3 attempts: Peer disconnected; 3 requests"
        ],
    );
}

#[test]
fn a_server_that_says_nothing_is_left() {
    check(
        |_, number| match number {
            0 => WebAnswer::file("abcdefgh").pause(Duration::from_secs(2)),
            _ => WebAnswer::file("abcdefgh"),
        },
        expect!["abcdefgh; 2 requests"],
    );
}

#[test]
fn what_will_not_change_is_not_asked_again() {
    check(
        |_, _| WebAnswer::status(404),
        expect!["cannot download http://HOST/file: invalid response status 404; 1 requests"],
    );
    check(
        |_, _| WebAnswer::status(403),
        expect!["cannot download http://HOST/file: invalid response status 403; 1 requests"],
    );
    check(
        |_, _| WebAnswer::status(302).header("Location", "/file"),
        expect![
            "cannot download http://HOST/file: gave up after 1 attempt: too many redirects; 11 requests"
        ],
    );
}

#[test]
fn a_cut_is_mended_with_the_rest_alone() {
    check(
        |request, number| {
            let answer = WebAnswer::tagged(request, b"0123456789", "\"v1\"");
            match number {
                0 => answer.cut_after(4),
                1 => answer.cut_after(3),
                _ => {
                    assert_eq!(request.header("range"), "bytes=7-");
                    answer
                }
            }
        },
        expect!["0123456789; 3 requests"],
    );
}

#[test]
fn a_file_that_changes_during_a_cut_is_taken_whole() {
    check(
        |request, number| match number {
            0 => WebAnswer::tagged(request, b"0123456789", "\"v1\"").cut_after(4),
            _ => WebAnswer::tagged(request, b"abcdefghij", "\"v2\""),
        },
        expect!["abcdefghij; 2 requests"],
    );
}

#[test]
fn without_a_strong_tag_the_rest_is_not_asked_for() {
    check(
        |request, number| {
            assert_eq!(request.header("range"), "");
            let answer = WebAnswer::file("0123456789").header("ETag", "W/\"v1\"");
            if number == 0 {
                answer.cut_after(4)
            } else {
                answer
            }
        },
        expect!["0123456789; 2 requests"],
    );
}

#[test]
fn a_length_that_is_wrong_is_noticed() {
    check(
        |_, _| {
            WebAnswer::file("abc")
                .header("Content-Length", "5")
                .cut_after(3)
        },
        expect![
            "cannot download http://HOST/file: gave up after 3 attempts: Peer disconnected; 3 requests"
        ],
    );
    check(
        |_, _| WebAnswer::file("abc").header("Content-Length", "99999999999999999"),
        expect![
            "cannot download http://HOST/file: there is no room for it: it has 99999999999999999 bytes; 1 requests"
        ],
    );
}

#[test]
fn redirects_are_followed() {
    check(
        |request, _| match request.path.as_str() {
            "/file" => WebAnswer::status(301).header("Location", "/a/b"),
            "/a/b" => WebAnswer::status(307).header("Location", "../c?d"),
            _ => WebAnswer::file(request.path.clone()),
        },
        expect!["/c?d; 3 requests"],
    );
}

#[test]
fn an_unchanged_file_costs_one_request_and_no_bytes() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|request, _| WebAnswer::tagged(request, b"abc", "\"v1\""));
    for _ in 0..2 {
        fetch(&root, &server.url("/"), None).unwrap();
    }
    let tags: Vec<_> = server
        .requests()
        .iter()
        .map(|request| format!("{} {:?}", request.method, request.header("if-none-match")))
        .collect();
    assert_eq!(tags, ["GET \"\"", "GET \"\\\"v1\\\"\""]);
}

#[test]
fn a_server_that_does_not_understand_its_own_tags_costs_no_bytes_either() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|_, number| {
        let etag = if number == 0 { "\"v1\"" } else { "W/\"v1\"" };
        let body = if number == 0 { "abc" } else { "not read" };
        WebAnswer::file(body).header("ETag", etag)
    });
    fetch(&root, &server.url("/"), None).unwrap();
    let file = fetch(&root, &server.url("/"), None).unwrap();
    assert_eq!(file.digest, Digest::of(b"abc"));
}

#[test]
fn times_tell_versions_apart_only_if_they_are_old() {
    for (date, expected) in [
        (
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ),
        ("Sun, 06 Nov 1994 08:49:38 GMT", ""),
    ] {
        let root = tempfile::tempdir().unwrap();
        let server = WebServer::start(move |_, _| {
            WebAnswer::file("abc")
                .header("Date", date)
                .header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        });
        for _ in 0..2 {
            fetch(&root, &server.url("/"), None).unwrap();
        }
        assert_eq!(server.requests()[1].header("if-modified-since"), expected);
    }
}

#[test]
fn a_file_that_has_changed_is_downloaded_again() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|request, number| {
        let version = if number == 0 { "\"v1\"" } else { "\"v2\"" };
        WebAnswer::tagged(request, version.as_bytes(), version)
    });
    let digests: Vec<_> = (0..3)
        .map(|_| fetch(&root, &server.url("/"), None).unwrap().digest)
        .collect();
    let [old, new] = [Digest::of(b"\"v1\""), Digest::of(b"\"v2\"")];
    assert_eq!(digests, [old, new, new]);
}

#[test]
fn one_build_sees_one_version() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|_, number| WebAnswer::file(number.to_string()));
    let reach = Reach::default();
    let downloads = Downloads::open(root.path(), &reach, QUICK, &NoSecrets).unwrap();
    let request = FileRequest {
        url: server.url("/"),
        checksum: None,
    };
    let files: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| downloads.file(&request).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(files.iter().all(|file| *file == files[0]));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_file_of_a_known_digest_is_not_asked_for_again() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|_, _| WebAnswer::file("abc"));
    for _ in 0..3 {
        fetch(&root, &server.url("/"), Some(Digest::of(b"abc"))).unwrap();
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn another_file_than_the_one_that_was_meant_is_refused_and_not_kept() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|_, _| WebAnswer::file("abd"));
    let result = fetch(&root, &server.url("/file"), Some(Digest::of(b"abc")));
    expect!["digest mismatch for http://HOST/file: sha256:a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9 (expected: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad); 1 requests"].assert_eq(&told(&server, result));
    let kept = fs::read_dir(root.path().join("downloads/sha256")).unwrap();
    assert_eq!(kept.count(), 0);
}

#[test]
fn a_file_that_was_damaged_here_is_downloaded_again() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|request, _| WebAnswer::tagged(request, b"abc", "\"v1\""));
    let file = fetch(&root, &server.url("/"), None).unwrap();
    fs::write(&file.path, "abd").unwrap();
    let file = fetch(&root, &server.url("/"), None).unwrap();
    assert_eq!(fs::read(file.path).unwrap(), b"abc");
}

#[test]
fn a_file_that_was_removed_is_forgotten_and_fetched_again() {
    let root = tempfile::tempdir().unwrap();
    let server = WebServer::start(|request, _| WebAnswer::tagged(request, b"abc", "\"v1\""));
    let file = fetch(&root, &server.url("/"), None).unwrap();
    fs::remove_file(&file.path).unwrap();
    fetch(&root, "http://127.0.0.1:1/", None).unwrap_err();
    let records = || {
        let entries = fs::read_dir(root.path().join("downloads/urls")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_none()).count()
    };
    assert_eq!(records(), 0);
    assert_eq!(fetch(&root, &server.url("/"), None).unwrap(), file);
    assert_eq!(records(), 1);
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let partial = root.path().join("downloads/partial");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join("abc"), "half").unwrap();
    let reach = Reach::default();
    Downloads::open(root.path(), &reach, QUICK, &NoSecrets).unwrap();
    assert!(!partial.join("abc").exists());
}

#[test]
fn secrets_are_sent_to_their_host_and_are_in_no_error() {
    let sent = |secrets: &[(&'static str, &'static str)], prefix: &str| {
        let root = tempfile::tempdir().unwrap();
        let server = WebServer::start(|_, _| WebAnswer::status(401));
        let (reach, secrets) = (Reach::default(), Known(secrets.iter().copied().collect()));
        let downloads = Downloads::open(root.path(), &reach, QUICK, &secrets).unwrap();
        let url = server.url("/").replace("//", &format!("//{prefix}"));
        let request = FileRequest {
            url,
            checksum: None,
        };
        let error = chain(&downloads.file(&request).unwrap_err());
        assert!(!error.contains("tell-nobody"), "{error}");
        server
            .requests()
            .first()
            .map_or(error, |request| request.header("authorization").to_owned())
    };
    let header = ("HTTP_AUTH_HEADER_127.0.0.1", "Basic tell-nobody\n");
    let token = ("HTTP_AUTH_TOKEN_127.0.0.1", "tell-nobody");
    assert_eq!(sent(&[], ""), "");
    assert_eq!(sent(&[header], ""), "Basic tell-nobody");
    assert_eq!(sent(&[header, token], ""), "Bearer tell-nobody");
    assert_eq!(sent(&[("HTTP_AUTH_TOKEN_other", "x")], ""), "");
    assert_eq!(sent(&[], "a:tell-nobody@"), "Basic YTp0ZWxsLW5vYm9keQ==");
    assert!(
        sent(&[("HTTP_AUTH_TOKEN_127.0.0.1", "tell-nobody\nX: y")], "")
            .contains("one line of text")
    );
}

#[test]
fn secrets_do_not_follow_to_another_host() {
    let root = tempfile::tempdir().unwrap();
    let other = WebServer::start(|_, _| WebAnswer::file("abc"));
    // The same machine, by another name.
    let location = other.url("/").replace("127.0.0.1", "localhost");
    let server = WebServer::start(move |_, _| WebAnswer::status(302).header("Location", &location));
    let reach = Reach::default();
    let secrets = Known([("HTTP_AUTH_TOKEN_127.0.0.1", "x")].into());
    let downloads = Downloads::open(root.path(), &reach, QUICK, &secrets).unwrap();
    let request = FileRequest {
        url: server.url("/"),
        checksum: None,
    };
    downloads.file(&request).unwrap();
    assert_eq!(server.requests()[0].header("authorization"), "Bearer x");
    assert_eq!(other.requests()[0].header("authorization"), "");
}

#[test]
fn what_is_no_url_is_no_question() {
    let root = tempfile::tempdir().unwrap();
    for url in ["http://", "http:///x", "http://me:pw@/x"] {
        let error = chain(&fetch(&root, url, None).unwrap_err());
        assert!(
            error.contains("is not a URL") && !error.contains("pw"),
            "{error}"
        );
    }
}

#[test]
fn a_host_that_is_not_there_is_said() {
    let root = tempfile::tempdir().unwrap();
    let error = chain(&fetch(&root, "http://127.0.0.1:1/x", None).unwrap_err());
    assert!(
        error.contains("after 3 attempts") && error.contains("refused"),
        "{error}"
    );
}

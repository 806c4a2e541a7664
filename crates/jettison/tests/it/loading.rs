//! Images that are loaded into a daemon.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use expect_test::expect;
use jettison_testkit::Scratch;

use crate::PROGRAM;
use crate::shared::namespaces_work;

fn app() -> Option<Scratch> {
    if !namespaces_work() {
        return None;
    }
    let scratch = Scratch::new(PROGRAM);
    scratch.write(
        "app/Dockerfile",
        "FROM scratch\nCOPY data /data\nCMD [\"/data\"]\n",
    );
    scratch.write("app/data", "some bytes\n");
    Some(scratch)
}

/// The head and the body of a request with a chunked body, as far as they come.
fn request(stream: &UnixStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            break;
        }
    }
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).unwrap();
        if length == 0 {
            return (head, body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

/// A daemon that takes one image and gives this answer. Gives what it was asked, and what it was sent.
fn daemon(socket: &Path, answer: &'static str) -> thread::JoinHandle<(String, Vec<u8>)> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        // Whoever looks whether somebody listens says nothing.
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut first = [0];
            let peeked = rustix::net::recv(&stream, &mut first[..], rustix::net::RecvFlags::PEEK);
            if peeked.unwrap().1 == 0 {
                continue;
            }
            let asked = request(&stream);
            stream.write_all(answer.as_bytes()).unwrap();
            return asked;
        }
    })
}

#[test]
fn an_image_is_loaded_into_a_daemon() {
    let Some(scratch) = app() else { return };
    let socket = scratch.dir().join("docker.sock");
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
        {\"stream\":\"Loaded image: app:latest\\n\"}\r\n";
    let daemon = daemon(&socket, answer);
    let mut command = scratch.command(&["build", "app", "-t", "app", "--load"]);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let outcome = scratch.outcome(&mut command).succeeded();
    assert!(
        outcome.stderr.contains("Loaded image: app:latest"),
        "{outcome}"
    );
    let (head, archive) = daemon.join().unwrap();
    assert!(
        head.starts_with("POST /images/load?quiet=1 HTTP/1.1\r\n"),
        "{head}"
    );
    let mut names: Vec<String> = Vec::new();
    let mut archive = tar::Archive::new(archive.as_slice());
    for entry in archive.entries().unwrap() {
        names.push(entry.unwrap().path().unwrap().display().to_string());
    }
    assert!(names.contains(&"manifest.json".to_owned()), "{names:?}");
}

#[test]
fn a_daemon_says_why_it_does_not_take_an_image() {
    let Some(scratch) = app() else { return };
    let socket = scratch.dir().join("docker.sock");
    let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 33\r\nConnection: close\r\n\r\n\
        {\"message\":\"no space left there\"}";
    let daemon = daemon(&socket, answer);
    let mut command = scratch.command(&["build", "-q", "app", "-o", "type=docker"]);
    command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let outcome = scratch.outcome(&mut command);
    daemon.join().unwrap();
    expect![[r#"
        exit: 3
        --- stderr ---
        error: the image cannot be loaded into unix://[DIR]/docker.sock
          cause: no space left there
        hint: the image is in jettison's store; `-o type=docker,dest=FILE` writes what `docker load -i FILE` takes
    "#]]
    .assert_eq(&outcome.to_string());
}

#[test]
fn a_daemon_that_is_not_there_is_missed_before_anything_is_built() {
    let Some(scratch) = app() else { return };
    let mut command = scratch.command(&["build", "app", "--load"]);
    command.env("DOCKER_HOST", "nowhere");
    let outcome = scratch.outcome(&mut command);
    expect![[r#"
        exit: 2
        --- stderr ---
        error: DOCKER_HOST=nowhere is not the address of a daemon
        hint: write unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST
        hint: `-o type=docker,dest=FILE` writes what `docker load -i FILE` takes
    "#]]
    .assert_eq(&outcome.to_string());
}

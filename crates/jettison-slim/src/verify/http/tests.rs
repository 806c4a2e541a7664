use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// Gives one byte after the other, then what comes at the end.
struct Slow<'b> {
    bytes: &'b [u8],
    end: Option<ErrorKind>,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match (self.bytes.split_first(), self.end) {
            (Some((first, rest)), _) => {
                buffer[0] = *first;
                self.bytes = rest;
                Ok(1)
            }
            (None, None) => Ok(0),
            (None, Some(kind)) => Err(kind.into()),
        }
    }
}

fn get(method: &str) -> HttpMessage {
    HttpMessage::Request {
        method: method.to_owned(),
        path: "/".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Response(response) => format!(
            "{} {:?} {:?}{}",
            response.status,
            response.headers,
            String::from_utf8_lossy(&response.body),
            response
                .cut
                .map(|cut| format!(" ({cut})"))
                .unwrap_or_default()
        ),
        Answer::Bytes(bytes) => format!("bytes {:?}", String::from_utf8_lossy(bytes)),
        Answer::Nothing(why) => format!("nothing: {why}"),
    }
}

/// At once and byte by byte, the answer is the same.
#[track_caller]
fn check_of(method: &str, text: &str, end: Option<ErrorKind>, expected: Expect) {
    let bytes = text.as_bytes();
    let slow = read_answer(&mut Slow { bytes, end }, &get(method));
    expected.assert_eq(&shown(&slow));
    if end.is_none() {
        let mut fast = bytes;
        assert_eq!(read_answer(&mut fast, &get(method)), slow);
    }
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    check_of("GET", text, None, expected);
}

#[test]
fn a_body_has_the_length_that_was_said() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef",
        expect![[r#"200 [("content-length", "3")] "abc""#]],
    );
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        expect![[r#"200 [("content-length", "9")] "abc" (the connection was closed)"#]],
    );
    check(
        "HTTP/1.0 200 OK\r\n\r\nto the end",
        expect![[r#"200 [] "to the end""#]],
    );
}

#[test]
fn chunks_are_put_together() {
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
        expect![[r#"200 [("transfer-encoding", "gzip, chunked")] "abc0123456789""#]],
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        expect![[r#"200 [("transfer-encoding", "chunked")] "abc""#]],
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        expect![[r#"200 [("transfer-encoding", "chunked")] "ab" (the connection was closed)"#]],
    );
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
        expect![[r#"200 [("transfer-encoding", "chunked")] "" (its end cannot be told)"#]],
    );
}

#[test]
fn some_responses_have_no_body() {
    check_of(
        "HEAD",
        "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n",
        None,
        expect![[r#"200 [("content-length", "30")] """#]],
    );
    check(
        "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        expect![[r#"304 [("etag", "x")] """#]],
    );
}

#[test]
fn interim_responses_are_passed_over() {
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
        expect![[r#"201 [("content-length", "1")] "x""#]],
    );
}

#[test]
fn what_never_ends_is_cut() {
    check_of(
        "GET",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n",
        Some(ErrorKind::WouldBlock),
        expect![[
            r#"200 [("content-type", "text/event-stream")] "data: 1\n\n" (there was no answer in time)"#
        ]],
    );
}

#[test]
fn what_is_no_response_is_kept() {
    check("SSH-2.0-x\r\n", expect![[r#"bytes "SSH-2.0-x\r\n""#]]);
    check("HTTP/1.1 20", expect![[r#"bytes "HTTP/1.1 20""#]]);
    check("", expect!["nothing: the connection was closed"]);
    check_of(
        "GET",
        "",
        Some(ErrorKind::ConnectionReset),
        expect!["nothing: the connection was reset"],
    );
}

#[test]
fn given_headers_replace_the_usual_ones() {
    let message = HttpMessage::Request {
        method: "POST".to_owned(),
        path: "/items".to_owned(),
        headers: vec![("host".to_owned(), "example".to_owned())],
        body: b"{}".to_vec(),
    };
    let text = String::from_utf8(request_bytes(&message, 80)).unwrap();
    expect![[r"
        POST /items HTTP/1.1
        User-Agent: jettison
        Accept: */*
        Connection: close
        Content-Length: 2
        host: example

        {}"]]
    .assert_eq(&text.replace("\r\n", "\n"));
    assert_eq!(request_bytes(&HttpMessage::Raw(b"x".to_vec()), 80), b"x");
}

proptest! {
    #[test]
    fn no_answer_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200), start in 0_usize..3) {
        let heads: [&[u8]; 3] = [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"];
        let text = [heads[start], &bytes].concat();
        let slow = read_answer(&mut Slow { bytes: &text, end: None }, &get("GET"));
        prop_assert_eq!(read_answer(&mut text.as_slice(), &get("GET")), slow);
    }
}

#[test]
fn what_did_not_come_in_time_or_not_to_its_end_is_late() {
    let answer = |text: &str, end| {
        let mut stream = Slow {
            bytes: text.as_bytes(),
            end,
        };
        read_answer(&mut stream, &get("GET"))
    };
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal";
    assert!(answer("", Some(ErrorKind::WouldBlock)).is_late());
    assert!(answer(begun, Some(ErrorKind::TimedOut)).is_late());
    assert!(!answer(begun, Some(ErrorKind::ConnectionReset)).is_late());
    assert!(!answer(begun, None).is_late());
    assert!(!answer("", Some(ErrorKind::ConnectionRefused)).is_late());
    assert!(!Answer::Bytes(Vec::new()).is_late());
}

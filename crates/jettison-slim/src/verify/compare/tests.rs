use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::verify::http::HttpResponse;

fn ran(exit: ExitKind, stdout: &[u8], stderr: &[u8]) -> Observation {
    Observation {
        stdout: stdout.to_vec(),
        stderr: stderr.to_vec(),
        ..Observation::ended(exit)
    }
}

fn check_stdout(original: &[u8], candidate: &[u8], expected: Expect) {
    let differences = compare(
        &ran(ExitKind::Code(0), original, b""),
        &ran(ExitKind::Code(0), candidate, b""),
    );
    let [difference] = differences.as_slice() else {
        panic!("{differences:?}")
    };
    expected.assert_eq(&difference.describe());
}

/// Lines from 1 to `count`, each behind `prefix`.
fn numbered(prefix: &str, count: usize) -> String {
    let lines: Vec<String> = (1..=count).map(|line| format!("{prefix}{line}")).collect();
    lines.join("\n") + "\n"
}

fn check_exits(original: ExitKind, candidate: ExitKind, expected: &[&str]) {
    let differences = compare(&ran(original, b"x", b""), &ran(candidate, b"x", b""));
    let described: Vec<String> = differences.iter().map(Difference::describe).collect();
    assert_eq!(described, expected);
}

#[test]
fn ends_are_compared_by_kind_and_number() {
    use ExitKind::{Code, Signal, TimedOut};
    check_exits(Code(3), Code(3), &[]);
    check_exits(Signal(9), Signal(9), &[]);
    check_exits(
        Code(0),
        Code(1),
        &["exit differs: original exit code 0, candidate exit code 1"],
    );
    check_exits(
        Code(9),
        Signal(9),
        &["exit differs: original exit code 9, candidate signal 9"],
    );
    check_exits(
        Code(0),
        TimedOut,
        &["exit differs: original exit code 0, candidate timed out"],
    );
    check_exits(
        TimedOut,
        TimedOut,
        &["both timed out: neither shows what it would have done"],
    );
}

#[test]
fn each_stream_has_its_own_difference() {
    let differences = compare(
        &ran(ExitKind::Code(0), b"a", b"b"),
        &ran(ExitKind::Signal(6), b"b", b"a"),
    );
    assert!(matches!(
        differences.as_slice(),
        [
            Difference::Exit { .. },
            Difference::Text { .. },
            Difference::Text { .. }
        ]
    ));
}

#[test]
fn text_is_shown_as_a_diff() {
    check_stdout(
        b"one\ntwo\nthree\n",
        b"one\n2\nthree\n",
        expect![[r#"
        stdout differs (14 and 12 bytes):
        --- original
        +++ candidate
        @@ -1,3 +1,3 @@
         one
        -two
        +2
         three"#]],
    );
}

#[test]
fn a_missing_last_newline_is_shown() {
    check_stdout(
        b"one\n",
        b"one",
        expect![[r#"
        stdout differs (4 and 3 bytes):
        --- original
        +++ candidate
        @@ -1,1 +1,1 @@
        -one
        +one (no newline at the end)"#]],
    );
}

#[test]
fn output_against_silence_is_shown() {
    check_stdout(
        b"",
        b"one\n",
        expect![[r#"
        stdout differs (0 and 4 bytes):
        --- original
        +++ candidate
        @@ -0,0 +1,1 @@
        +one"#]],
    );
}

#[test]
fn line_numbers_are_those_of_the_whole_output() {
    let original: String = numbered("", 2000);
    let candidate = original.replace("1000\n", "thousand\n");
    check_stdout(
        original.as_bytes(),
        candidate.as_bytes(),
        expect![[r#"
            stdout differs (8893 and 8897 bytes):
            --- original
            +++ candidate
            @@ -997,7 +997,7 @@
             997
             998
             999
            -1000
            +thousand
             1001
             1002
             1003"#]],
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    check_stdout(
        b"\x1b[2Jdone\n",
        b"done\r\n",
        expect![[r#"
        stdout differs (9 and 6 bytes):
        --- original
        +++ candidate
        @@ -1,1 +1,1 @@
        -\u{1b}[2Jdone
        +done\r"#]],
    );
}

#[test]
fn binary_data_is_shown_around_the_first_difference() {
    let mut original: Vec<u8> = (0..=255).collect();
    let candidate = original.clone();
    original[100] = b'!';
    check_stdout(
        &original,
        &candidate,
        expect![[r#"
        stdout differs (256 and 256 bytes):
        first difference at byte 100
        original:
          00000050  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\]^_|
          00000060  60 61 62 63 21 65 66 67 68 69 6a 6b 6c 6d 6e 6f  |`abc!efghijklmno|
          00000070  70 71 72 73 74 75 76 77 78 79 7a 7b 7c 7d 7e 7f  |pqrstuvwxyz{|}~.|
          00000080  80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f  |................|
        candidate:
          00000050  50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\]^_|
          00000060  60 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f  |`abcdefghijklmno|
          00000070  70 71 72 73 74 75 76 77 78 79 7a 7b 7c 7d 7e 7f  |pqrstuvwxyz{|}~.|
          00000080  80 81 82 83 84 85 86 87 88 89 8a 8b 8c 8d 8e 8f  |................|"#]],
    );
}

#[test]
fn binary_data_that_ends_early_is_shown_with_its_end() {
    check_stdout(
        b"\0abc",
        b"\0a",
        expect![[r#"
            stdout differs (4 and 2 bytes):
            first difference at byte 2
            original:
              00000000  00 61 62 63                                      |.abc|
              00000004  (end)
            candidate:
              00000000  00 61                                            |.a|
              00000002  (end)"#]],
    );
    check_stdout(
        b"\0",
        b"",
        expect![[r#"
            stdout differs (1 and 0 bytes):
            first difference at byte 0
            original:
              00000000  00                                               |.|
              00000001  (end)
            candidate:
              00000000  (end)"#]],
    );
}

#[test]
fn long_lines_are_shown_where_they_differ() {
    let original = "x".repeat(5000);
    let candidate = format!("{}y", &original[1..]);
    check_stdout(
        original.as_bytes(),
        candidate.as_bytes(),
        expect![[r#"
            stdout differs (5000 and 5000 bytes):
            first difference at byte 4999
            original:
              00001370  78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
              00001380  78 78 78 78 78 78 78 78                          |xxxxxxxx|
              00001388  (end)
            candidate:
              00001370  78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
              00001380  78 78 78 78 78 78 78 79                          |xxxxxxxy|
              00001388  (end)"#]],
    );
}

#[test]
fn a_description_is_never_long() {
    let original: String = numbered("a", 5000);
    let candidate: String = numbered("b", 5000);
    let text = describe_output("stdout", original.as_bytes(), candidate.as_bytes());
    assert_eq!(text.lines().count(), LINE_LIMIT + 4);
    assert!(text.ends_with("\n(more not shown)"));
}

fn outputs() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "([ab]\n?){0,60}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..80),
    ]
}

proptest! {
    #[test]
    fn outputs_differ_exactly_if_their_bytes_do(left in outputs(), right in outputs()) {
        let exit = ExitKind::Code(0);
        let differences = compare(&ran(exit, &left, b""), &ran(exit, &right, b""));
        prop_assert_eq!(differences.is_empty(), left == right);
        for difference in differences {
            let text = difference.describe();
            prop_assert!(text.lines().count() > 1);
            prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }
    }

    #[test]
    fn a_run_equals_itself_unless_it_was_stopped(stdout in outputs(), stderr in outputs()) {
        let run = ran(ExitKind::Code(1), &stdout, &stderr);
        prop_assert_eq!(compare(&run, &run), vec![]);
        let stopped = ran(ExitKind::TimedOut, &stdout, &stderr);
        prop_assert_eq!(compare(&stopped, &stopped), vec![Difference::BothTimedOut]);
    }
}

/// A server that ended with `code`, before it listened or after it was asked.
fn server(code: i32, trouble: Option<&str>, answer: Option<Answer>) -> Observation {
    let mut run = ran(ExitKind::Code(code), b"", b"");
    run.served = Some(Served {
        trouble: trouble.map(str::to_owned),
        answers: answer
            .map(|answer| ("GET /".to_owned(), answer))
            .into_iter()
            .collect(),
        ..Served::default()
    });
    run
}

#[test]
fn whether_a_failing_server_is_asked_before_it_ends_is_a_race() {
    let reset = || Some(Answer::Nothing("the connection was reset".to_owned()));
    let early = server(1, Some("it ended before it listened"), None);
    for (late, is_same) in [
        (server(1, None, reset()), true),
        (server(2, None, reset()), false),
        (server(0, None, reset()), false),
        (
            server(1, None, Some(Answer::Bytes(b"hello".to_vec()))),
            false,
        ),
    ] {
        assert_eq!(compare(&early, &late).is_empty(), is_same, "{late:?}");
        assert_eq!(compare(&late, &early).is_empty(), is_same, "{late:?}");
    }
}

#[test]
fn a_server_that_did_not_listen_is_the_same_however_much_time_it_had() {
    let waited = |what: &str, seconds: u32| {
        let trouble = format!("{what}{WITHIN}{seconds} s");
        server(0, Some(&trouble), None)
    };
    let short = waited("it did not listen on port 79", 5);
    let long = waited("it did not listen on port 79", 20);
    assert_eq!(compare(&long, &short), vec![]);
    assert_ne!(
        compare(&long, &waited("it did not listen on port 80", 20)),
        vec![]
    );
}

#[test]
fn lines_that_are_others_in_each_run_are_not_shown_as_a_difference() {
    let run = |text: &str| ran(ExitKind::Code(0), text.as_bytes(), b"");
    let runs = [
        run("10:01:02 start\n10:01:03 ready\n"),
        run("11:31:42 start\n11:31:44 ready\n"),
    ];
    let originals: Vec<&Observation> = runs.iter().collect();
    let candidate = run("12:41:12 start\n12:41:13 no settings\n12:41:13 ready\n");
    let found = compare_with(&originals, &candidate, &Ignore::default());
    let shown: Vec<String> = found.differences.iter().map(Difference::describe).collect();
    expect![[r#"
        stdout differs (30 and 51 bytes):
        --- original
        +++ candidate
        @@ -1,2 +1,3 @@
         10:01:02 start
        +12:41:13 no settings
         10:01:03 ready"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn ports_that_the_system_gave_are_others_in_each_run() {
    let on = |ports: &[u16]| {
        let mut run = server(0, None, None);
        let served = run.served.as_mut().unwrap();
        served.listening = ports
            .iter()
            .map(|port| ([0, 0, 0, 0], *port).into())
            .collect();
        run
    };
    let runs = [on(&[80, 40_000]), on(&[80, 41_000])];
    let check = |originals: &[Observation], ports: &[u16], expected: bool| {
        let originals: Vec<&Observation> = originals.iter().collect();
        let found = compare_with(&originals, &on(ports), &Ignore::default());
        assert_eq!(found.differences.is_empty(), expected, "{ports:?}");
    };
    check(&runs, &[80, 42_000], true);
    check(&runs, &[80], false);
    check(&runs, &[81, 42_000], false);
    check(&runs, &[80, 42_000, 43_000], false);
    // One that is the same in each run was asked for.
    check(&[on(&[50_051]), on(&[50_051])], &[50_052], false);
    check(&runs[..1], &[80, 42_000], false);
}

#[test]
fn sets_of_names_in_headers_have_no_order() {
    for (name, value, expected) in [
        ("allow", "GET, OPTIONS,HEAD", "GET, HEAD, OPTIONS"),
        ("Vary", "Cookie, Accept", "Accept, Cookie"),
        ("content-type", "b, a", "b, a"),
    ] {
        assert_eq!(sorted_set(name, value), expected, "{name}");
    }
}

#[test]
fn the_length_of_a_body_that_is_another_one_in_each_run_is_free() {
    let answered = |body: &str| {
        let response = HttpResponse {
            status: 200,
            headers: vec![("content-length".to_owned(), body.len().to_string())],
            body: body.as_bytes().to_vec(),
            cut: None,
        };
        server(0, None, Some(Answer::Response(response)))
    };
    let check = |originals: [&str; 2], candidate: &str, expected: bool| {
        let runs = originals.map(answered);
        let originals: Vec<&Observation> = runs.iter().collect();
        let found = compare_with(&originals, &answered(candidate), &Ignore::default());
        assert_eq!(found.differences.is_empty(), expected, "{candidate}");
    };
    // They have the same length by chance.
    check(["id 4711 of b", "id 0815 of b"], "id 99 of b", true);
    check(["id 4711 of b", "id 4711 of b"], "id 99 of b", false);
}

#[test]
fn headers_that_follow_from_what_is_ignored_of_a_body_are_ignored_with_it() {
    let answered = |body: &str| {
        let headers = [
            ("content-length", body.len().to_string()),
            ("etag", format!("\"{body}\"")),
            ("x-etag", "1".to_owned()),
        ];
        let response = HttpResponse {
            status: 200,
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            body: body.as_bytes().to_vec(),
            cut: None,
        };
        server(0, None, Some(Answer::Response(response)))
    };
    let ignore = Ignore {
        rules: vec!["body:created: [0-9]+".parse().unwrap()],
    };
    for (body, expected) in [
        ("name: a, created: 11", true),
        ("name: b, created: 11", false),
    ] {
        let original = answered("name: a, created: 9");
        let found = compare_with(&[&original, &original], &answered(body), &ignore);
        assert_eq!(found.differences.is_empty(), expected, "{body}");
    }
}

#[test]
fn a_line_that_both_have_is_shown_as_it_is() {
    let run = |text: &str| ran(ExitKind::Code(0), text.as_bytes(), b"");
    let runs = [
        run("<pre>GET</pre>\n<pre>x1</pre>\n"),
        run("<pre>GET</pre>\n<pre>x2</pre>\n"),
    ];
    let originals: Vec<&Observation> = runs.iter().collect();
    let candidate = run("<pre>GET</pre>\n<pre>x3</pre>\nmore\n");
    let found = compare_with(&originals, &candidate, &Ignore::default());
    let shown: Vec<String> = found.differences.iter().map(Difference::describe).collect();
    let shown = shown.join("\n");
    assert!(shown.contains(" <pre>GET</pre>\n"), "{shown}");
    assert!(shown.contains("\n+more"), "{shown}");
}

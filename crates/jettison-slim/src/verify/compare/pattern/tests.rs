use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(originals: &[&str], fitting: &[&str], others: &[&str]) {
    let texts: Vec<&[u8]> = originals.iter().map(|text| text.as_bytes()).collect();
    let pattern = Pattern::of(texts[0], &texts[1..]);
    for text in originals.iter().chain(fitting) {
        assert!(pattern.matches(text.as_bytes()), "{text:?} {pattern:?}");
    }
    for text in others {
        assert!(!pattern.matches(text.as_bytes()), "{text:?} {pattern:?}");
    }
}

#[test]
fn what_is_always_the_same_is_compared() {
    check(&["a\nb\n", "a\nb\n"], &[], &["a\n", "a\nb", "a\nc\n", ""]);
}

#[test]
fn of_large_texts_the_lines_that_are_always_there_are_compared() {
    let large = |first: &str| format!("{first}\n{}", "a line of text\nand more\n".repeat(60_000));
    let other = large("3").replace("and more", "and less");
    check(
        &[&large("1"), &large("2")],
        &[&large("3")],
        &[&other, "3\n", ""],
    );
}

#[test]
fn words_that_change_are_free_but_the_others_are_not() {
    check(
        &["start\n12:01 ready pid=7\n", "start\n12:02 ready pid=12\n"],
        &["start\n12:59 ready pid=345\n"],
        &[
            "start\n12:59 failed pid=345\n",
            "start\n",
            "start\n12:59 ready pid=x\n",
            "12:01 ready pid=7\n",
            "start\n12:01 ready pid=7\nmore\n",
        ],
    );
}

#[test]
fn a_word_that_changes_may_have_underscores_in_some_runs_alone() {
    check(
        &["at /tmp/tmpab12/x of 3\n", "at /tmp/tmpcd34/x of 3\n"],
        &["at /tmp/tmpk_f_zz/x of 3\n"],
        &[
            "at /tmp/tmp_zz/y of 3\n",
            "at /tmp/tmp_zz/x of 4\n",
            "at /tmp/tmp-zz/x of 3\n",
            "at /tmp/_/x of 3\n_",
        ],
    );
}

#[test]
fn how_long_something_took_is_free_where_times_are() {
    check(
        &["12:01 ready in 1 ms\n", "12:02 ready in 1 ms\n"],
        &["12:03 ready in 25 ms\n"],
        &["12:03 ready in x ms\n", "12:03 failed in 1 ms\n"],
    );
    check(
        &[
            "12:01 up (6.51 seconds, 3 workers)\n",
            "12:02 up (6.12 seconds, 3 workers)\n",
        ],
        &["12:03 up (15.0 seconds, 3 workers)\n"],
        &["12:03 up (6.51 seconds, 4 workers)\n"],
    );
    check(
        &[
            "12:01 [nio-exec-1] took 0ms\n",
            "12:02 [nio-exec-1] took 0ms\n",
        ],
        &["12:03 [nio-exec-2] took 17ms\n"],
        &["12:03 [nio-main-1] took 0ms\n"],
    );
    check(&["ready in 1 ms\n"], &[], &["ready in 2 ms\n"]);
    check(
        &["404 GET / 9.09ms\n", "404 GET / 9.43ms\n"],
        &["404 GET / 0.5ms\n", "404 GET / 12.3ms\n"],
        &["404 GET / 0.5mm\n", "405 GET / 9.09ms\n"],
    );
    // The second line took as long both times.
    check(
        &["a 0.31ms\nb 0.43ms\n", "a 0.35ms\nb 0.43ms\n"],
        &["a 0.31ms\nb 0.92ms\n"],
        &["a 0.31ms\nc 0.43ms\n"],
    );
}

#[test]
fn what_is_called_a_duration_is_one() {
    check(
        &[
            "{\"time\":17957,\"status\":422,\"responseTime\":2.948371,\"n\":3}\n",
            "{\"time\":17961,\"status\":422,\"responseTime\":2.113442,\"n\":3}\n",
        ],
        &["{\"time\":17983,\"status\":422,\"responseTime\":13.66,\"n\":3}\n"],
        &[
            "{\"time\":17983,\"status\":200,\"responseTime\":2.66,\"n\":3}\n",
            "{\"time\":17983,\"status\":422,\"responseTime\":2.66,\"n\":4}\n",
        ],
    );
    check(
        &[
            "at=1 request_time=3 items=2 durationMs=1\n",
            "at=2 request_time=3 items=2 durationMs=1\n",
        ],
        &["at=3 request_time=12 items=2 durationMs=4\n"],
        &["at=3 request_time=3 items=5 durationMs=1\n"],
    );
}

#[test]
fn what_took_no_time_may_take_some_in_a_slower_run() {
    let pattern = |text| Pattern::of(text, &[text]).of_slower_run();
    let log = b"up\ncheck: 0ms, 3 left\ndone in 1 ms\nwaits for 500 ms\n";
    let fits = |text: &[u8]| pattern(log).matches(text);
    assert!(fits(
        b"up\ncheck: 12ms, 3 left\ndone in 104 ms\nwaits for 500 ms\n"
    ));
    assert!(!fits(
        b"up\ncheck: 12s, 3 left\ndone in 1 ms\nwaits for 500 ms\n"
    ));
    assert!(!fits(
        b"up\ncheck: 0ms, 4 left\ndone in 1 ms\nwaits for 500 ms\n"
    ));
    assert!(!fits(
        b"up\ncheck: 0ms, 3 left\ndone in 1 ms\nwaits for 700 ms\n"
    ));
    assert!(!fits(
        b"up\ncheck: 1000ms, 3 left\ndone in 1 ms\nwaits for 500 ms\n"
    ));
}

#[test]
fn lines_of_several_processes_may_come_in_another_order() {
    let check = |originals: [&str; 2], text: &str, expected| {
        let pattern = Pattern::of(originals[0].as_bytes(), &[originals[1].as_bytes()]);
        let found = pattern.matches_in_another_order(text.as_bytes());
        assert_eq!(found, expected, "{text}");
    };
    let same = ["exiting\nexiting\nexit\nexit\n"; 2];
    check(same, "exiting\nexit\nexiting\nexit\n", true);
    check(same, "exiting\nexit\nexit\nexit\n", false);
    check(same, "exiting\nexiting\nexit\n", false);
    let timed = ["12:01 exiting\n12:01 exit\n", "12:02 exiting\n12:02 exit\n"];
    check(timed, "12:03 exit\n12:03 exiting\n", true);
    check(timed, "12:03 exit\n12:03 failed\n", false);
    check(timed, "12:03 exit\n12:03 exit\n", false);
}

#[test]
fn minutes_and_seconds_are_free_where_one_of_them_changes_and_hours_are_not() {
    // The minute of one is the second of the other.
    check(
        &["12:08:24 up\n", "12:10:08 up\n"],
        &["12:11:59 up\n"],
        &["07:11:59 up\n", "12:11:59 down\n"],
    );
    // Both are in the same second of their minutes, or in the same minute.
    check(&["12:08:24 up\n", "12:10:24 up\n"], &["12:11:59 up\n"], &[]);
    check(
        &["12:08:24.123 up\n", "12:08:24.456 up\n"],
        &["12:09:01.004 up\n"],
        &["13:08:24.123 up\n"],
    );
    check(
        &[
            "127.0.0.1 [26/Nov/2026:12:08:24 -0500] port 1:8080\n",
            "127.0.0.1 [26/Nov/2026:12:10:24 -0500] port 1:8080\n",
        ],
        &["127.0.0.1 [26/Nov/2026:12:11:09 -0500] port 1:8080\n"],
        &[
            "127.0.0.1 [26/Nov/2026:12:11:09 +0000] port 1:8080\n",
            "127.0.0.1 [26/Nov/2026:12:11:09 -0500] port 1:9090\n",
        ],
    );
}

#[test]
fn a_document_of_one_line_is_compared_by_its_words() {
    check(
        &[
            r#"{"id":"0a1b","user":"ada","at":1700000001}"#,
            r#"{"id":"ff99","user":"ada","at":1700000002}"#,
        ],
        &[r#"{"id":"1234","user":"ada","at":1700000009}"#],
        &[
            r#"{"id":"1234","user":"eve","at":1700000009}"#,
            r#"{"error":"no such user"}"#,
        ],
    );
}

#[test]
fn lines_that_are_not_always_there_may_be_missing() {
    check(
        &["a\nwaiting\nz\n", "a\nz\n"],
        &["a\nanything\nz\n"],
        &["a\n", "z\n"],
    );
    check(&["a\nz\n", "a\n1\n2\nz\n"], &["a\n1\nz\n"], &["a\n1\n2\n"]);
}

#[test]
fn each_further_run_makes_the_pattern_wider() {
    check(
        &["10:00:01 up\n", "10:00:02 up\n", "10:01:03 up\n"],
        &["10:59:59 up\n"],
        &["11:59:59 up\n", "10:59:59 down\n"],
    );
}

#[test]
fn it_is_known_whether_anything_is_left() {
    let says =
        |left: &str, right: &str| Pattern::of(left.as_bytes(), &[right.as_bytes()]).has_words();
    assert!(!says("17\n", "18\n"));
    assert!(!says("a-b\n", "c-d\n"));
    assert!(says("a 1\n", "a 2\n"));
    assert!(says("a\n", "a\n"));
    assert!(!says("", ""));
}

proptest! {
    #[test]
    fn every_original_fits(texts in proptest::collection::vec("([ab1 ]{0,3}\n?){0,12}", 1..5)) {
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let pattern = Pattern::of(texts[0], &texts[1..]);
        for text in &texts {
            prop_assert!(pattern.matches(text), "{:?} {:?}", pattern, texts);
        }
    }
}

//! Plans of small Dockerfiles.

use expect_test::{Expect, expect};

use crate::lower::LowerRequest;
use crate::lower::dump::{Images, dumped, request};

#[track_caller]
fn check(text: &str, request: &LowerRequest, expected: Expect) {
    expected.assert_eq(&dumped(text, request, &Images(&[])));
}

#[test]
fn a_small_plan() {
    check(
        "FROM a\nRUN x\n",
        &request(),
        expect![[r#"
        base 0: a linux/amd64
        0: base 0 + RUN ["/bin/sh", "-c", "x"] env [] in / network Default Sandbox
           line 2: [2/2] RUN x
        image linux/amd64 of step 0
        {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
        + RUN /bin/sh -c x # buildkit
    "#]],
    );
}

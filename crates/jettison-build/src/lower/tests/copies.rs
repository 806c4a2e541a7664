//! Plans of `COPY` and `ADD`.

use expect_test::expect;
use serde_json::json;

use crate::lower::dump::request;
use crate::lower::tests::{check, check_on};

#[test]
fn copies_have_flags() {
    check(
        r"FROM scratch
WORKDIR /w
ARG O=1:2 M=u+x
COPY --chown=$O --chmod=$M a ../b/ .
COPY --chmod=0755 --link a /x
COPY --link --chown=$O --exclude=*.$O --exclude=z a /x/.
COPY --parents ./a/./b/c d /e/ /x/
COPY --from=scratch / /
ADD a /
ADD --unpack=false a b /d/
",
        &request(),
        expect![[r#"
            0: scratch + WORKDIR /w
               line 2: [stage-0 1/8] WORKDIR /w
            1: step 0 + COPY from context: /a, /b to /w/ chown 1:2 chmod Symbolic("u+x") archives Kept
               line 4: [stage-0 2/8] COPY --chown=$O --chmod=$M a ../b/ .
            2: step 1 + COPY from context: /a to /x chmod Octal(493) archives Kept
               line 5: [stage-0 3/8] COPY --chmod=0755 --link a /x
            3: step 2 + COPY from context: /a to /x/ chown 1:2 without ["*.$O", "z"] link archives Kept
               line 6: [stage-0 4/8] COPY --link --chown=$O --exclude=*.$O --exclude=z a /x/.
            4: step 3 + COPY from context: /a/./b/c, /d, /e to /x/ parents archives Kept
               line 7: [stage-0 5/8] COPY --parents ./a/./b/c d /e/ /x/
            5: step 4 + COPY from scratch: / to / archives Kept
               line 8: [stage-0 6/8] COPY --from=scratch / /
            6: step 5 + COPY from context: /a to / archives LocalUnpacked
               line 9: [stage-0 7/8] ADD a /
            7: step 6 + COPY from context: /a, /b to /d/ archives Kept
               line 10: [stage-0 8/8] ADD --unpack=false a b /d/
            image linux/amd64 of step 7
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/w"}
            + WORKDIR /w
            - ARG O=1:2 M=u+x
            + COPY --chown=1:2 --chmod=u+x a ../b/ . # buildkit
            + COPY --chmod=0755 a /x # buildkit
            + COPY --chown=1:2 a /x/. # buildkit
            + COPY --parents ./a/./b/c d /e/ /x/ # buildkit
            + COPY / / # buildkit
            + ADD a / # buildkit
            + ADD a b /d/ # buildkit
        "#]],
    );
}

#[test]
fn files_may_be_in_the_dockerfile() {
    check(
        "FROM scratch\nARG A=a\nCOPY <<ONE b <<-'TWO' /d/\n$A \"q\" \\$A\nONE\n\t$A\n\tTWO\nADD <<E f\nE\n",
        &request(),
        expect![[r#"
            0: scratch + COPY from context: /b, <<ONE "a \"q\" $A\n", <<TWO "$A\n" to /d/ archives Kept
               line 3: [1/2] COPY <<ONE b <<-'TWO' /d/
            1: step 0 + COPY from context: <<E "" to /f archives LocalUnpacked
               line 8: [2/2] ADD <<E f
            image linux/amd64 of step 1
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
            - ARG A=a
            + COPY b <<ONE <<TWO /d/ # buildkit
            + ADD <<E f # buildkit
        "#]],
    );
}

#[test]
fn files_may_be_elsewhere() {
    let digest = "1".repeat(64);
    check(
        &format!(
            r"FROM scratch
ADD --checksum=sha256:{digest} https://a/b.tgz /
ADD --unpack http://a/b c /d/
ADD https://a/b.git#v1:sub /e
ADD --keep-git-dir --checksum=ff git@a:b.git?submodules=0 /e
ADD github.com/a/b /e
"
        ),
        &request(),
        expect![[r#"
            0: scratch + COPY from context: FileRequest { url: "https://a/b.tgz", checksum: Some(sha256:1111111111111111111111111111111111111111111111111111111111111111) } to / archives LocalUnpacked
               line 2: [1/5] ADD --checksum=sha256:1111111111111111111111111111111111111111111111111111111111111111 https://a/b.tgz /
            1: step 0 + COPY from context: FileRequest { url: "http://a/b", checksum: None }, /c to /d/ archives Unpacked
               line 3: [2/5] ADD --unpack http://a/b c /d/
            2: step 1 + COPY from context: GitRequest { remote: "https://a/b.git", reference: Some("v1"), checksum: None, fetch_by_commit: false, subdir: Some("sub"), keep_git_dir: false, submodules: CheckOut, mtime: Commit } to /e archives LocalUnpacked
               line 4: [3/5] ADD https://a/b.git#v1:sub /e
            3: step 2 + COPY from context: GitRequest { remote: "git@a:b.git", reference: None, checksum: Some("ff"), fetch_by_commit: false, subdir: None, keep_git_dir: true, submodules: Skip, mtime: Commit } to /e archives LocalUnpacked
               line 5: [4/5] ADD --keep-git-dir --checksum=ff git@a:b.git?submodules=0 /e
            4: step 3 + COPY from context: /github.com/a/b to /e archives LocalUnpacked
               line 6: [5/5] ADD github.com/a/b /e
            image linux/amd64 of step 4
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
            + ADD https://a/b.tgz / # buildkit
            + ADD http://a/b c /d/ # buildkit
            + ADD https://a/b.git#v1:sub /e # buildkit
            + ADD git@a:b.git?submodules=0 /e # buildkit
            + ADD github.com/a/b /e # buildkit
        "#]],
    );
}

#[test]
fn copies_may_be_wrong() {
    for (line, expected) in [
        (
            "COPY https://a/b /",
            expect![[r"
            error: line 2: source can't be a URL for COPY
        "]],
        ),
        (
            "COPY https://a/b.git /",
            expect![[r"
            error: line 2: source can't be a git ref for COPY
        "]],
        ),
        (
            "COPY --link --chown=me a /",
            expect![[r"
            error: line 2: --chown=me: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead
        "]],
        ),
        (
            "COPY --chmod=9 a /",
            expect![[r"
            error: line 2: invalid chmod parameter: '9'. it should be octal string and between 0 and 07777
        "]],
        ),
        (
            "ADD --checksum=sha256:1 https://a/b /",
            expect![[r"
            error: line 2: invalid checksum digest length
        "]],
        ),
        (
            "ADD --checksum=sha256:1 a /",
            expect![[r"
            error: line 2: checksum requires HTTP(S) or Git sources
        "]],
        ),
        (
            "ADD --keep-git-dir https://a/b.git?keep-git-dir=0 /",
            expect![[r"
            error: line 2: inconsistent keep-git-dir configuration
        "]],
        ),
        (
            "COPY --from=0 a b",
            expect![[r"
            error: line 2: circular dependency detected on stage: stage-0
        "]],
        ),
        (
            "COPY --from=1 a b",
            expect![[r"
            error: line 2: invalid stage index 1
              hint: the stages are 0 to 0
        "]],
        ),
        (
            "COPY --from=UPPER a b",
            expect![[r#"
            error: line 2: failed to parse stage name "UPPER": invalid reference format: repository name (library/UPPER) must be lowercase
        "#]],
        ),
    ] {
        check(&format!("FROM scratch\n{line}\n"), &request(), expected);
    }
}

#[test]
fn what_an_image_decides_may_be_wrong_as_well() {
    for (line, expected) in [
        (
            "COPY $X/a.git /",
            expect![[r"
            error: line 2: source can't be a git ref for COPY
        "]],
        ),
        (
            "COPY --chmod=9$X a /",
            expect![[r"
            error: line 2: invalid chmod parameter: '9https://a'. it should be octal string and between 0 and 07777
        "]],
        ),
        (
            "COPY --link --chown=$X a /",
            expect![[r"
            error: line 2: --chown=https://a: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead
        "]],
        ),
        (
            "ADD --checksum=$X:1 https://a/b /",
            expect![[r"
            error: line 2: invalid checksum digest format
        "]],
        ),
        (
            "EXPOSE 1-$X",
            expect![[r#"
            error: line 2: invalid port: "1-https://a": no port specified
        "#]],
        ),
        (
            "VOLUME $Y",
            expect![[r"
            error: line 2: VOLUME specified can not be an empty string
        "]],
        ),
        (
            "STOPSIGNAL $X",
            expect![[r"
            error: line 2: invalid signal: https://a
        "]],
        ),
        (
            "COPY ${Y:?is not set} /",
            expect![[r#"
            error: line 2: failed to process "${Y:?is": syntax error: missing '}'
        "#]],
        ),
    ] {
        let text = format!("FROM base\n{line}\n");
        check_on(json!({ "Env": ["X=https://a", "Y="] }), &text, expected);
    }
}

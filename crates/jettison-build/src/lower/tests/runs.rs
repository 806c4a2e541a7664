//! Plans of `RUN`.

use std::collections::BTreeSet;

use expect_test::expect;

use crate::lower::dump::{request, with_args};
use crate::lower::tests::check;
use crate::lower::{Entitlement, LowerRequest};
use crate::plan::RunNetwork;

#[test]
fn commands_have_forms() {
    check(
        "FROM scratch\nRUN  a  $A \\\n  b\nRUN [\"x\", \"y z\"]\nSHELL [\"s\"]\nRUN c\n",
        &request(),
        expect![[r#"
            0: scratch + RUN ["/bin/sh", "-c", "a  $A   b"] env [] in / network Default Sandbox
               line 2: [1/3] RUN a $A b
            1: step 0 + RUN ["x", "y z"] env [] in / network Default Sandbox
               line 4: [2/3] RUN ["x", "y z"]
            2: step 1 + RUN ["s", "c"] env [] in / network Default Sandbox
               line 6: [3/3] RUN c
            image linux/amd64 of step 2
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/","Shell":["s"]}
            + RUN /bin/sh -c a  $A   b # buildkit
            + RUN x y z # buildkit
            - SHELL [s]
            + RUN s c # buildkit
        "#]],
    );
}

#[test]
fn heredocs_are_scripts() {
    check(
        "FROM scratch\nRUN <<E\n$A\n\tb\nE\nRUN <<-E\n\t#!/bin/x\n\ty\n\tE\nRUN cat <<E > f\nq\nE\n",
        &request(),
        expect![[r##"
            0: scratch + RUN ["/bin/sh", "-c", "$A\n\tb\n"] env [] in / network Default Sandbox
               line 2: [1/3] RUN <<E
            1: step 0 + RUN ["/bin/sh", "-c", "/dev/pipes/E"] env [] in / network Default Sandbox script E "#!/bin/x\ny\n"
               line 6: [2/3] RUN <<-E
            2: step 1 + RUN ["/bin/sh", "-c", "cat <<E > f\nq\nE"] env [] in / network Default Sandbox
               line 10: [3/3] RUN cat <<E > f
            image linux/amd64 of step 2
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
            + RUN /bin/sh -c $A
            	b
             # buildkit
            + RUN /bin/sh -c /dev/pipes/E # buildkit
            + RUN /bin/sh -c cat <<E > f
            q
            E # buildkit
        "##]],
    );
}

#[test]
fn mounts_have_kinds() {
    check(
        r"FROM a AS one
FROM b
WORKDIR /w
ARG N=n
RUN --mount=target=c --mount=from=one,source=s/../t,target=/o,rw x
RUN --mount=type=cache,target=/c/ --mount=type=cache,id=$N,target=d,sharing=locked,uid=1,mode=1777 x
RUN --mount=type=cache,from=one,source=/s,target=/c,uid=1,ro x
RUN --mount=type=tmpfs,target=/t --mount=type=tmpfs,target=/t,size=1k x
RUN --mount=type=secret,id=a/$N --mount=type=secret,target=s/t,mode=0440,required --mount=type=secret,id=z,env=Z x
RUN --mount=type=ssh --mount=type=ssh,id=k,target=/k,required,gid=3 x
",
        &with_args(&[("BUILDKIT_CACHE_MOUNT_NS", "ns")]),
        expect![[r#"
            base 0: a linux/amd64
            base 1: b linux/amd64
            0: base 1 + WORKDIR /w
               line 3: [stage-1 2/8] WORKDIR /w
            1: scratch + COPY from context: / to / archives Kept
               line 5: [internal] load build context /
            2: step 0 + RUN ["/bin/sh", "-c", "x"] env ["N=n"] in /w network Default Sandbox
               at /w/c: Bind { from: Step(StepId(1)), source: "/", is_writable: false }
               at /o: Bind { from: Base(0), source: "/t", is_writable: true }
               line 5: [stage-1 3/8] RUN --mount=target=c --mount=from=one,source=s/../t,target=/o,rw x
            3: step 2 + RUN ["/bin/sh", "-c", "x"] env ["N=n"] in /w network Default Sandbox
               at /c/: Cache { id: "ns//c", sharing: Shared, is_read_only: false, from: Scratch, source: "/", attributes: MountAttributes { mode: 493, uid: 0, gid: 0 } }
               at /w/d: Cache { id: "ns/n", sharing: Locked, is_read_only: false, from: Scratch, source: "/", attributes: MountAttributes { mode: 511, uid: 1, gid: 0 } }
               line 6: [stage-1 4/8] RUN --mount=type=cache,target=/c/ --mount=type=cache,id=$N,target=d,sharing=locked,uid=1,mode=1777 x
            4: step 3 + RUN ["/bin/sh", "-c", "x"] env ["N=n"] in /w network Default Sandbox
               at /c: Cache { id: "ns//c", sharing: Shared, is_read_only: true, from: Base(0), source: "/s", attributes: MountAttributes { mode: 493, uid: 0, gid: 0 } }
               line 7: [stage-1 5/8] RUN --mount=type=cache,from=one,source=/s,target=/c,uid=1,ro x
            5: step 4 + RUN ["/bin/sh", "-c", "x"] env ["N=n"] in /w network Default Sandbox
               at /t: Tmpfs { size: None }
               at /t: Tmpfs { size: Some(1024) }
               line 8: [stage-1 6/8] RUN --mount=type=tmpfs,target=/t --mount=type=tmpfs,target=/t,size=1k x
            6: step 5 + RUN ["/bin/sh", "-c", "x"] env ["N=n"] in /w network Default Sandbox
               at /run/secrets/n: Secret { id: "a/n", env: None, is_required: false, attributes: MountAttributes { mode: 256, uid: 0, gid: 0 } }
               at /s/t: Secret { id: "t", env: None, is_required: true, attributes: MountAttributes { mode: 288, uid: 0, gid: 0 } }
               at nowhere: Secret { id: "z", env: Some("Z"), is_required: false, attributes: MountAttributes { mode: 256, uid: 0, gid: 0 } }
               line 9: [stage-1 7/8] RUN --mount=type=secret,id=a/$N --mount=type=secret,target=s/t,mode=0440,required --mount=type=secret,id=z,env=Z x
            7: step 6 + RUN ["/bin/sh", "-c", "x"] env ["N=n", "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"] in /w network Default Sandbox
               at /run/buildkit/ssh_agent.0: Ssh { id: "default", is_required: false, attributes: MountAttributes { mode: 384, uid: 0, gid: 0 } }
               at /k: Ssh { id: "k", is_required: true, attributes: MountAttributes { mode: 384, uid: 0, gid: 3 } }
               line 10: [stage-1 8/8] RUN --mount=type=ssh --mount=type=ssh,id=k,target=/k,required,gid=3 x
            image linux/amd64 of step 7
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/w"}
            + WORKDIR /w
            - ARG N=n
            + RUN |1 N=n /bin/sh -c x # buildkit
            + RUN |1 N=n /bin/sh -c x # buildkit
            + RUN |1 N=n /bin/sh -c x # buildkit
            + RUN |1 N=n /bin/sh -c x # buildkit
            + RUN |1 N=n /bin/sh -c x # buildkit
            + RUN |1 N=n /bin/sh -c x # buildkit
        "#]],
    );
}

#[test]
fn what_is_mounted_of_the_context_is_copied_once() {
    check(
        "FROM scratch\nRUN --mount=target=/m,source=a* --mount=target=/n,source=/a* x\nRUN --mount=target=/o,source=b x\n",
        &request(),
        expect![[r#"
            0: scratch + COPY from context: /a\* to /a* archives Kept
               line 2: [internal] load build context /a*
            1: scratch + RUN ["/bin/sh", "-c", "x"] env [] in / network Default Sandbox
               at /m: Bind { from: Step(StepId(0)), source: "/a*", is_writable: false }
               at /n: Bind { from: Step(StepId(0)), source: "/a*", is_writable: false }
               line 2: [stage-0 1/2] RUN --mount=target=/m,source=a* --mount=target=/n,source=/a* x
            2: scratch + COPY from context: /b to /b archives Kept
               line 3: [internal] load build context /b
            3: step 1 + RUN ["/bin/sh", "-c", "x"] env [] in / network Default Sandbox
               at /o: Bind { from: Step(StepId(2)), source: "/b", is_writable: false }
               line 3: [stage-0 2/2] RUN --mount=target=/o,source=b x
            image linux/amd64 of step 3
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
            + RUN /bin/sh -c x # buildkit
            + RUN /bin/sh -c x # buildkit
        "#]],
    );
}

#[test]
fn mounts_may_be_wrong() {
    check(
        "FROM scratch\nRUN --mount=target=. x\n",
        &request(),
        expect![[r#"
        error: line 2: invalid mount target "/"
    "#]],
    );
    check(
        "FROM scratch AS a\nRUN --mount=from=b,target=/x x\nFROM scratch AS b\nFROM a\n",
        &request(),
        expect![[r#"
            error: line 2: cannot mount from stage "b" to "/x", stage needs to be defined before current command
        "#]],
    );
    // An image decides where this is.
    check(
        "FROM a\nRUN --mount=target=. x\n",
        &request(),
        expect![[r#"
        error: line 2: invalid mount target "/"
    "#]],
    );
    check(
        "FROM a\nRUN --mount=target=/x,source=${X:?no} x\n",
        &request(),
        expect![[r#"
        error: line 2: failed to process "${X:?no}": X: no
    "#]],
    );
}

#[test]
fn the_user_says_what_commands_may_do() {
    let text = "FROM scratch\nRUN a\nRUN --network=none b\nRUN --network=default c\nRUN --network=host --security=insecure d\n";
    check(
        text,
        &request(),
        expect![[r"
        error: line 5: network.host is not allowed
          hint: allow it with --allow network.host
    "]],
    );
    check(
        text,
        &LowerRequest {
            network: RunNetwork::None,
            allowed: BTreeSet::from([Entitlement::NetworkHost, Entitlement::SecurityInsecure]),
            ..with_args(&[("BUILDKIT_SANDBOX_HOSTNAME", "box")])
        },
        expect![[r#"
            0: scratch + RUN ["/bin/sh", "-c", "a"] env [] in / network None Sandbox RunLimits { extra_hosts: [], shm_size: None, ulimits: [], hostname: Some("box") }
               line 2: [1/4] RUN a
            1: step 0 + RUN ["/bin/sh", "-c", "b"] env [] in / network None Sandbox RunLimits { extra_hosts: [], shm_size: None, ulimits: [], hostname: Some("box") }
               line 3: [2/4] RUN --network=none b
            2: step 1 + RUN ["/bin/sh", "-c", "c"] env [] in / network None Sandbox RunLimits { extra_hosts: [], shm_size: None, ulimits: [], hostname: Some("box") }
               line 4: [3/4] RUN --network=default c
            3: step 2 + RUN ["/bin/sh", "-c", "d"] env [] in / network Host Insecure RunLimits { extra_hosts: [], shm_size: None, ulimits: [], hostname: Some("box") }
               line 5: [4/4] RUN --network=host --security=insecure d
            image linux/amd64 of step 3
            {"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}
            + RUN /bin/sh -c a # buildkit
            + RUN /bin/sh -c b # buildkit
            + RUN /bin/sh -c c # buildkit
            + RUN /bin/sh -c d # buildkit
        "#]],
    );
    check(
        "FROM scratch\nRUN --device=gpu=all,required x\n",
        &request(),
        expect![[r#"
        error: line 2: required device "gpu=all" is not registered
    "#]],
    );
    check(
        "FROM scratch\nRUN []\n",
        &request(),
        expect![[r"
        error: line 2: arguments are required
    "]],
    );
}

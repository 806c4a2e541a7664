//! Dockerfiles, and what BuildKit says that they take from outside.

/// Names, texts, and targets with outlines as BuildKit 0.34 gives them.
pub(crate) const CASES: &[(&str, &str, &str)] = &[
    (
        "nothing",
        "FROM scratch\n",
        "target [1] - = scratch (default)",
    ),
    (
        "named stage",
        "FROM scratch AS app\n",
        "target [1] app = scratch (default)\noutline of app",
    ),
    (
        "described stage",
        "# app is the program\nFROM scratch AS app\n",
        "target [2] app = scratch (default): is the program\noutline of app: is the program",
    ),
    (
        "description of another name",
        "# apple is a fruit\nFROM scratch AS app\n",
        "target [2] app = scratch (default)\noutline of app",
    ),
    (
        "first description wins",
        "# app one\n# app two\nFROM scratch AS app\n",
        "target [3] app = scratch (default): one\noutline of app: one",
    ),
    (
        "description in upper case",
        "# App one\nFROM scratch AS App\n",
        "target [2] app = scratch (default)\noutline of app",
    ),
    (
        "description of lower name of upper stage",
        "# app one\nFROM scratch AS App\n",
        "target [2] app = scratch (default): one\noutline of app: one",
    ),
    (
        "blank comment ends the block",
        "# app one\n#\n# other\nFROM scratch AS app\n",
        "target [4] app = scratch (default)\noutline of app",
    ),
    (
        "blank line does not end the block",
        "# app one\n\nFROM scratch AS app\n",
        "target [3] app = scratch (default): one\noutline of app: one",
    ),
    (
        "no blank after hash",
        "#app one\nFROM scratch AS app\n",
        "target [2] app = scratch (default): one\noutline of app: one",
    ),
    (
        "indented comment",
        "  # app one\nFROM scratch AS app\n",
        "target [2] app = scratch (default)\noutline of app",
    ),
    (
        "two blanks",
        "# app  one  two \nFROM scratch AS app\n",
        "target [2] app = scratch (default):  one  two\noutline of app:  one  two",
    ),
    (
        "tab after name",
        "# app\tone\nFROM scratch AS app\n",
        "target [2] app = scratch (default)\noutline of app",
    ),
    (
        "unnamed stage",
        "# stage-0 one\nFROM scratch\n",
        "target [2] - = scratch (default)",
    ),
    (
        "arg",
        "FROM scratch\nARG A=1\n",
        "target [1] - = scratch (default)\narg [2] A=1",
    ),
    (
        "arg without default",
        "FROM scratch\nARG A\n",
        "target [1] - = scratch (default)\narg [2] A=",
    ),
    (
        "arg twice",
        "FROM scratch\nARG A=1\nARG A=2\n",
        "target [1] - = scratch (default)\narg [3] A=2",
    ),
    (
        "arg then nothing",
        "FROM scratch\nARG A=1\nARG A\n",
        "target [1] - = scratch (default)\narg [3] A=",
    ),
    (
        "args in one line",
        "FROM scratch\n# A first\n# B second\nARG A=1 B=2\n",
        "target [1] - = scratch (default)\narg [4] A=1: first\narg [4] B=2: second",
    ),
    (
        "described arg",
        "# VERSION of it\nARG VERSION=1\nFROM a:$VERSION\n",
        "target [3] - = a:$VERSION (default)\narg [2] VERSION=1: of it",
    ),
    (
        "unused global",
        "ARG A=1\nFROM scratch\n",
        "target [2] - = scratch (default)",
    ),
    (
        "used global",
        "ARG A=1\nFROM a:$A\n",
        "target [2] - = a:$A (default)\narg [1] A=1",
    ),
    (
        "used global with default",
        "ARG A\nFROM a:${A:-1}\n",
        "target [2] - = a:${A:-1} (default)",
    ),
    (
        "used global alternative",
        "ARG A=1\nFROM a:${A:+x}\n",
        "target [2] - = a:${A:+x} (default)\narg [1] A=1",
    ),
    (
        "chain of globals",
        "ARG A=1\nARG B=$A\nARG C=$B-$A\nFROM a:$C\n",
        "target [4] - = a:$C (default)\narg [1] A=1\narg [2] B=1\narg [3] C=1-1",
    ),
    (
        "global of its own name",
        "ARG A=1\nARG B=$A\nARG B=$B-x\nFROM a:$B\n",
        "target [4] - = a:$B (default)\narg [1] A=1\narg [3] B=1-x",
    ),
    (
        "global redeclared",
        "ARG A=1\nARG A=2\nFROM a:$A\n",
        "target [3] - = a:$A (default)\narg [2] A=2",
    ),
    (
        "global without value redeclared",
        "ARG A=1\nARG A\nFROM a:$A\n",
        "target [3] - = a:$A (default)\narg [2] A=",
    ),
    (
        "global taken over",
        "ARG A=1\nFROM scratch\nARG A\n",
        "target [2] - = scratch (default)\narg [1] A=1",
    ),
    (
        "global overridden",
        "ARG A=1\nFROM scratch\nARG A=2\n",
        "target [2] - = scratch (default)\narg [3] A=2",
    ),
    (
        "global without value taken over",
        "ARG A\nFROM scratch\nARG A\n",
        "target [2] - = scratch (default)\narg [3] A=",
    ),
    (
        "global taken over with dependency",
        "ARG A=1\nARG B=$A\nFROM scratch\nARG B\n",
        "target [3] - = scratch (default)\narg [1] A=1\narg [2] B=1",
    ),
    (
        "global dependency shadowed",
        "ARG A=1\nARG B=$A\nFROM scratch\nARG A=5\nARG B\n",
        "target [3] - = scratch (default)\narg [2] B=1\narg [4] A=5",
    ),
    (
        "arg that uses an arg",
        "FROM scratch\nARG A=1\nARG B=${A}2\n",
        "target [1] - = scratch (default)\narg [2] A=1\narg [3] B=12",
    ),
    (
        "arg that uses env",
        "FROM scratch\nENV E=e\nARG B=$E\n",
        "target [1] - = scratch (default)\narg [3] B=e",
    ),
    (
        "arg over env",
        "FROM scratch\nENV A=1\nARG A=2\nARG B=$A\n",
        "target [1] - = scratch (default)\narg [3] A=2\narg [4] B=2",
    ),
    (
        "env over arg",
        "FROM scratch\nARG A=2\nENV A=1\nARG B=$A\n",
        "target [1] - = scratch (default)\narg [2] A=2\narg [4] B=1",
    ),
    (
        "quoted default",
        "FROM scratch\nARG A=\"x y\" B='z'\n",
        "target [1] - = scratch (default)\narg [2] A=x y\narg [2] B=z",
    ),
    (
        "platform arg",
        "FROM scratch\nARG TARGETARCH\nARG X=$TARGETARCH\n",
        "target [1] - = scratch (default)\narg [3] X=amd64",
    ),
    (
        "platform arg with default",
        "FROM scratch\nARG TARGETARCH=z\nARG X=$TARGETARCH\n",
        "target [1] - = scratch (default)\narg [2] TARGETARCH=z\narg [3] X=z",
    ),
    (
        "global platform arg",
        "ARG TARGETARCH\nFROM scratch\nARG TARGETARCH\nARG X=$TARGETARCH\n",
        "target [2] - = scratch (default)\narg [1] TARGETARCH=\narg [4] X=amd64",
    ),
    (
        "global platform arg with default",
        "ARG TARGETARCH=z\nFROM scratch\nARG TARGETARCH\nARG X=$TARGETARCH\n",
        "target [2] - = scratch (default)\narg [1] TARGETARCH=z\narg [4] X=z",
    ),
    (
        "platform in from",
        "ARG P=linux/amd64\nFROM --platform=$P scratch\n",
        "target [2] - = $P scratch (default)\narg [1] P=linux/amd64",
    ),
    (
        "build platform in from",
        "FROM --platform=$BUILDPLATFORM scratch\n",
        "target [1] - = $BUILDPLATFORM scratch (default)",
    ),
    (
        "target stage",
        "FROM scratch AS app\nARG TARGETSTAGE\nARG X=$TARGETSTAGE\n",
        "target [1] app = scratch (default)\noutline of app\narg [3] X=app",
    ),
    (
        "target stage without a name",
        "FROM scratch\nARG TARGETSTAGE\nARG X=$TARGETSTAGE\n",
        "target [1] - = scratch (default)\narg [3] X=default",
    ),
    (
        "base stage",
        "FROM scratch AS base\nARG A=1\nFROM base\nARG B=2\n",
        "target [1] base = scratch\ntarget [3] - = base (default)\narg [2] A=1\narg [4] B=2",
    ),
    (
        "base stage's arg is visible",
        "FROM scratch AS base\nARG A=1\nFROM base\nARG B=$A\n",
        "target [1] base = scratch\ntarget [3] - = base (default)\narg [2] A=1\narg [4] B=1",
    ),
    (
        "base stage's arg again",
        "FROM scratch AS base\nARG A=1\nFROM base\nARG A=2\n",
        "target [1] base = scratch\ntarget [3] - = base (default)\narg [4] A=2",
    ),
    (
        "base stage's from",
        "ARG V=1\nFROM a:$V AS base\nFROM base\n",
        "target [2] base = a:$V\ntarget [3] - = base (default)\narg [1] V=1",
    ),
    (
        "base stage's from shadowed",
        "ARG V=1\nFROM a:$V AS base\nARG V=2\nFROM base\n",
        "target [2] base = a:$V\ntarget [4] - = base (default)\narg [1] V=1",
    ),
    (
        "unrelated stage",
        "FROM scratch AS other\nARG A=1\nRUN --mount=type=secret,id=s x\nFROM scratch\n",
        "target [1] other = scratch\ntarget [4] - = scratch (default)",
    ),
    (
        "copied stage",
        "FROM scratch AS other\nARG A=1\nRUN --mount=type=secret,id=s x\nFROM scratch\nCOPY --from=other /a /b\n",
        "target [1] other = scratch\ntarget [4] - = scratch (default)\narg [2] A=1\nsecret [3] s",
    ),
    (
        "copied stage by number",
        "FROM scratch\nARG A=1\nFROM scratch\nCOPY --from=0 /a /b\n",
        "target [1] - = scratch\ntarget [3] - = scratch (default)\narg [2] A=1",
    ),
    (
        "copied stage in upper case",
        "FROM scratch AS other\nARG A=1\nFROM scratch\nCOPY --from=OTHER /a /b\n",
        "target [1] other = scratch\ntarget [3] - = scratch (default)\narg [2] A=1",
    ),
    (
        "copied image",
        "FROM scratch\nCOPY --from=busybox /a /b\n",
        "target [1] - = scratch (default)",
    ),
    (
        "mounted stage",
        "FROM scratch AS other\nARG A=1\nFROM scratch\nRUN --mount=from=other,target=/x true\n",
        "target [1] other = scratch\ntarget [3] - = scratch (default)\narg [2] A=1",
    ),
    (
        "copied stage of the base",
        "FROM scratch AS a\nARG A=1\nFROM scratch AS b\nCOPY --from=a / /\nFROM b\n",
        "target [1] a = scratch\ntarget [3] b = scratch\ntarget [5] - = b (default)\narg [2] A=1",
    ),
    (
        "stage name used twice",
        "FROM scratch AS a\nARG A=1\nFROM scratch AS a\nARG B=1\nFROM a\nARG C\n",
        "target [1] a = scratch\ntarget [3] a = scratch\ntarget [5] - = a (default)\narg [4] B=1\narg [6] C=",
    ),
    (
        "secret",
        "FROM scratch\nRUN --mount=type=secret,id=s x\n",
        "target [1] - = scratch (default)\nsecret [2] s",
    ),
    (
        "required secret",
        "FROM scratch\nRUN --mount=type=secret,id=s,required x\n",
        "target [1] - = scratch (default)\nsecret [2] s required",
    ),
    (
        "secret required true",
        "FROM scratch\nRUN --mount=type=secret,required=true,id=s x\n",
        "target [1] - = scratch (default)\nsecret [2] s required",
    ),
    (
        "secret required false",
        "FROM scratch\nRUN --mount=type=secret,id=s,required=false x\n",
        "target [1] - = scratch (default)\nsecret [2] s",
    ),
    (
        "secret by source",
        "FROM scratch\nRUN --mount=type=secret,source=s x\n",
        "target [1] - = scratch (default)\nsecret [2] s",
    ),
    (
        "secret by target",
        "FROM scratch\nRUN --mount=type=secret,target=/run/secrets/key/ x\n",
        "target [1] - = scratch (default)\nsecret [2] key",
    ),
    (
        "secret as env",
        "FROM scratch\nRUN --mount=type=secret,id=s,env=S x\n",
        "target [1] - = scratch (default)\nsecret [2] s",
    ),
    (
        "secret with variable",
        "FROM scratch\nARG N=5\nRUN --mount=type=secret,id=s$N x\n",
        "target [1] - = scratch (default)\narg [2] N=5\nsecret [3] s5",
    ),
    (
        "secret twice",
        "FROM scratch\nRUN --mount=type=secret,id=s x\nRUN --mount=type=secret,id=s,required x\n",
        "target [1] - = scratch (default)\nsecret [2] s",
    ),
    (
        "secrets in one command",
        "FROM scratch\nRUN --mount=type=secret,id=a --mount=type=secret,id=b \\\n  x && \\\n  y\n",
        "target [1] - = scratch (default)\nsecret [2-4] a\nsecret [2-4] b",
    ),
    (
        "ssh",
        "FROM scratch\nRUN --mount=type=ssh x\n",
        "target [1] - = scratch (default)\nssh [2] default",
    ),
    (
        "ssh with id",
        "FROM scratch\nRUN --mount=type=ssh,id=k,required x\n",
        "target [1] - = scratch (default)\nssh [2] k required",
    ),
    (
        "type in upper case",
        "FROM scratch\nRUN --mount=type=SSH x\n",
        "target [1] - = scratch (default)\nssh [2] default",
    ),
    (
        "type by variable",
        "FROM scratch\nARG T=secret\nRUN --mount=type=$T,id=q x\n",
        "target [1] - = scratch (default)\narg [2] T=secret\nsecret [3] q",
    ),
    (
        "cache mount",
        "FROM scratch\nRUN --mount=type=cache,target=/c x\n",
        "target [1] - = scratch (default)",
    ),
    (
        "trigger",
        "FROM scratch AS a\nONBUILD ARG Q=1\nONBUILD RUN --mount=type=secret,id=k x\nFROM a\nARG B=$Q\n",
        "target [1] a = scratch\ntarget [4] - = a (default)\narg [4] Q=1\narg [5] B=1\nsecret [4] k",
    ),
    (
        "trigger that takes over",
        "ARG Q=3\nFROM scratch AS a\nONBUILD ARG Q\nFROM a\nARG B=$Q\n",
        "target [2] a = scratch\ntarget [4] - = a (default)\narg [1] Q=3\narg [5] B=3",
    ),
    (
        "trigger that copies",
        "FROM scratch AS x\nARG X=1\nFROM scratch AS a\nONBUILD COPY --from=x / /\nFROM a\n",
        "target [1] x = scratch\ntarget [3] a = scratch\ntarget [5] - = a (default)\narg [2] X=1",
    ),
    (
        "trigger is not handed on",
        "FROM scratch AS a\nONBUILD ARG Q=1\nFROM a AS b\nFROM b\n",
        "target [1] a = scratch\ntarget [3] b = a\ntarget [4] - = b (default)\narg [3] Q=1",
    ),
    (
        "continued from",
        "# app it\nFROM \\\n  scratch \\\n  AS app\n",
        "target [2-4] app = scratch (default): it\noutline of app: it",
    ),
    (
        "comment inside arg",
        "FROM scratch\nARG A=1 \\\n# B second\n  B=2\n",
        "target [1] - = scratch (default)\narg [2-4] A=1\narg [2-4] B=2",
    ),
    (
        "crlf",
        "# app it\r\nFROM scratch AS app\r\n# A first\r\nARG A=1\r\n",
        "target [2] app = scratch (default): it\noutline of app: it\narg [4] A=1: first",
    ),
    (
        "bom",
        "\u{feff}# app it\nFROM scratch AS app\n",
        "target [2] app = scratch (default): it\noutline of app: it",
    ),
    (
        "escape directive",
        "# escape=`\n# app it\nFROM scratch AS app\nARG A=1 `\n B=2\n",
        "target [3] app = scratch (default): it\noutline of app: it\narg [4-5] A=1\narg [4-5] B=2",
    ),
    (
        "heredoc",
        "FROM scratch\nRUN --mount=type=secret,id=s <<EOF\na\nb\nEOF\n",
        "target [1] - = scratch (default)\nsecret [2-5] s",
    ),
    (
        "syntax directive",
        "# syntax=docker/dockerfile:1\n# A first\nARG A=1\nFROM a:$A\n",
        "target [4] - = a:$A (default)\narg [3] A=1: first",
    ),
    (
        "empty value",
        "FROM scratch\nARG A=\n",
        "target [1] - = scratch (default)\narg [2] A=",
    ),
    (
        "global empty value",
        "ARG A=\nFROM scratch\nARG A\n",
        "target [2] - = scratch (default)\narg [1] A=",
    ),
    (
        "two deps",
        "FROM scratch AS a\nARG A=1\nFROM scratch AS b\nARG B=1\nFROM scratch\nCOPY --from=b / /\nCOPY --from=a / /\nARG C=1\n",
        "target [1] a = scratch\ntarget [3] b = scratch\ntarget [5] - = scratch (default)\narg [2] A=1\narg [4] B=1\narg [8] C=1",
    ),
];

//! Which variables a command sees.

use jettison_sandbox::Entered;

use crate::runner::Test;
use crate::scene::{Scene, Wishes, text_of};

pub(crate) const TESTS: &[Test] = crate::tests![
    a_global_argument_is_seen_where_it_is_declared_again,
    of_arg_and_env_the_later_one_counts,
    platform_arguments_have_to_be_declared,
    a_stage_inherits_the_arguments_of_the_one_it_is_from,
    a_later_default_sees_an_earlier_argument,
];

#[track_caller]
fn check(entered: &Entered, dockerfile: &str, wishes: &Wishes, expected: &str) {
    let scene = Scene::new();
    let built = scene.build_as(entered, dockerfile, wishes).result.unwrap();
    assert_eq!(text_of(&built, "/out").trim_end(), expected);
}

fn given(name: &'static str, value: &'static str) -> Wishes {
    Wishes {
        build_args: vec![(name, value)],
        ..Wishes::default()
    }
}

fn a_global_argument_is_seen_where_it_is_declared_again(entered: &Entered) {
    let hidden = "ARG A=1\nFROM base\nRUN echo \"<$A>\" > /out\n";
    let shown = "ARG A=1\nFROM base\nARG A\nRUN echo \"<$A>\" > /out\n";
    let own = "ARG A=1\nFROM base\nARG A=2\nRUN echo \"<$A>\" > /out\n";
    check(entered, hidden, &Wishes::default(), "<>");
    check(entered, hidden, &given("A", "3"), "<>");
    check(entered, shown, &Wishes::default(), "<1>");
    check(entered, shown, &given("A", "3"), "<3>");
    check(entered, own, &Wishes::default(), "<2>");
    check(entered, own, &given("A", "3"), "<3>");
}

fn of_arg_and_env_the_later_one_counts(entered: &Entered) {
    let arg = "FROM base\nENV A=env\nARG A=arg\nENV B=$A\nRUN echo \"$A $B\" > /out\n";
    check(entered, arg, &given("A", "given"), "given given");
    check(entered, arg, &Wishes::default(), "arg arg");
    let env = "FROM base\nARG A=arg\nENV A=env\nARG A\nENV B=$A\nRUN echo \"$A $B\" > /out\n";
    check(entered, env, &Wishes::default(), "env env");
    let next = "FROM base AS one\nENV A=env\nARG A=arg\nFROM one\nRUN echo \"$A\" > /out\n";
    check(entered, next, &Wishes::default(), "env");
}

fn platform_arguments_have_to_be_declared(entered: &Entered) {
    let text = "FROM base AS one-amd64\nRUN echo \"<$TARGETARCH>\" > /out\n\
        FROM one-${TARGETARCH} AS Last\nARG TARGETARCH TARGETSTAGE\n\
        RUN echo \"$TARGETARCH $TARGETSTAGE\" >> /out\n";
    check(entered, text, &Wishes::default(), "<>\namd64 last");
    let wishes = Wishes {
        target: Some("last"),
        ..Wishes::default()
    };
    check(entered, text, &wishes, "<>\namd64 last");
}

fn a_stage_inherits_the_arguments_of_the_one_it_is_from(entered: &Entered) {
    let text = "FROM base AS one\nARG A=1\nFROM one\nRUN echo \"$A\" > /out\n";
    check(entered, text, &Wishes::default(), "1");
}

fn a_later_default_sees_an_earlier_argument(entered: &Entered) {
    let text = "ARG A=1\nARG B=${A}2\nFROM base\nARG B\nARG C=${B}3 D=${B:+x}\nRUN echo \"$C $D\" > /out\n";
    check(entered, text, &Wishes::default(), "123 x");
}

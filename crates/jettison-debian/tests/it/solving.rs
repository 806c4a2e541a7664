//! What is installed for what.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use jettison_debian::{SolveOptions, parse_relations, resolve};
use proptest::prelude::*;

use crate::index::index;
use crate::memory::stanza;

/// Solves `roots` in an index of the lines `name version; field; field` of `packages`.
fn outcome(packages: &str, roots: &str, prefer: &[&str], forbid: &[&str]) -> String {
    let mut text = String::new();
    for line in packages
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let mut parts = line.split(';').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        text += &stanza(name, version, &parts.collect::<Vec<_>>().join("\n"));
    }
    let names =
        |list: &[&str]| -> Vec<String> { list.iter().map(|&name| name.to_owned()).collect() };
    let options = SolveOptions {
        prefer: names(prefer),
        forbid: names(forbid).into_iter().collect(),
        ignore: BTreeSet::new(),
        recommends: false,
    };
    match resolve(&index(&text), &parse_relations(roots).unwrap(), &options) {
        Ok(resolution) => resolution
            .packages()
            .iter()
            .map(jettison_debian::Package::name)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("{error}\n"),
    }
}

fn check(packages: &str, roots: &str, expected: Expect) {
    expected.assert_eq(&outcome(packages, roots, &[], &[]));
}

#[test]
fn dependencies_of_both_kinds_are_installed_and_recommendations_are_not() {
    check(
        "a 1; Depends: b; Recommends: d
         b 1; Pre-Depends: c (>= 1)
         c 1; Depends: a
         d 1",
        "a",
        expect!["a b c"],
    );
}

#[test]
fn the_first_alternative_that_can_be_installed_is() {
    let packages = "a 1; Depends: x | y | z
                    x 1; Depends: nothing
                    y 1
                    z 1";
    check(packages, "a", expect!["a y"]);
    check(packages, "a, z", expect!["a z"]);
    check(packages, "y (>= 2) | z", expect!["z"]);
}

#[test]
fn providers_of_one_priority_come_in_the_reverse_order_of_their_first_mention() {
    let packages = "gawk 1; Provides: awk; Priority: optional
                    mawk 1; Provides: awk; Priority: required
                    busybox 1; Provides: awk; Priority: required
                    real 1; Priority: extra
                    other 1; Provides: real; Priority: required";
    check(packages, "awk", expect!["busybox"]);
    check(packages, "real", expect!["real"]);
    check(packages, "gawk, awk", expect!["gawk"]);
}

#[test]
fn preferred_packages_are_taken_first_and_forbidden_ones_never() {
    let packages = "init 1; Depends: usrmerge | usr-is-merged
                    usrmerge 1; Depends: perl
                    usr-is-merged 1
                    perl 1";
    let check = |prefer: &[&str], forbid: &[&str], expected: Expect| {
        expected.assert_eq(&outcome(packages, "init", prefer, forbid));
    };
    check(&[], &[], expect!["init perl usrmerge"]);
    check(&["usr-is-merged"], &[], expect!["init usr-is-merged"]);
    check(
        &["perl", "usrmerge", "usr-is-merged"],
        &[],
        expect!["init perl usrmerge"],
    );
    check(&[], &["perl"], expect!["init usr-is-merged"]);
    check(&["usrmerge"], &["usrmerge"], expect!["init usr-is-merged"]);
    check(
        &[],
        &["perl", "usr-is-merged"],
        expect![[r"
            cannot install init:
            it is asked for: init
              init 1 depends on: usrmerge | usr-is-merged
                usrmerge 1 depends on: perl; perl is not to be installed
        "]],
    );
}

#[test]
fn a_name_provided_without_a_version_has_no_version() {
    let packages = "a 1; Provides: v
                    b 1; Provides: v (= 2), w
                    c 1; Provides: v (= 4)";
    check(packages, "v", expect!["c"]);
    check(packages, "v (>= 1)", expect!["c"]);
    check(packages, "v (>> 2)", expect!["c"]);
    check(
        packages,
        "w (>= 0)",
        expect![[r"
            cannot install w (>= 0):
            it is asked for: w (>= 0); there is only w without a version from b
        "]],
    );
}

#[test]
fn conflicts_and_breaks_steer_the_choice() {
    let packages = "a 1; Depends: x | y; Conflicts: x
                    b 1; Depends: x | y; Breaks: x (<< 2)
                    c 1; Depends: x | y; Breaks: x (<< 1)
                    x 1
                    y 1";
    check(packages, "a", expect!["a y"]);
    check(packages, "b", expect!["b y"]);
    check(packages, "c", expect!["c x"]);
}

#[test]
fn a_package_may_conflict_with_what_it_provides() {
    let packages = "postfix 1; Provides: mta; Conflicts: mta
                    exim 1; Provides: mta; Conflicts: mta
                    mailx 1; Depends: mta";
    check(packages, "mailx, exim", expect!["exim mailx"]);
    check(
        packages,
        "postfix, exim",
        expect![[r"
            cannot install postfix, exim:
            postfix 1 conflicts with mta, which exim 1 is
              postfix is asked for
              exim is asked for
        "]],
    );
}

#[test]
fn qualifiers_and_restrictions_ask_for_architectures() {
    let packages = "a 1; Depends: python:any, x [arm64], y [amd64]
                    python 1; Multi-Arch: allowed
                    sh 1; Multi-Arch: foreign
                    y 1";
    check(packages, "a", expect!["a python y"]);
    check(packages, "sh:amd64, sh:native", expect!["sh"]);
    check(
        packages,
        "sh:arm64",
        expect![[r"
            cannot install sh:arm64:
            it is asked for: sh:arm64; there is no such sh for amd64
        "]],
    );
    check(
        packages,
        "sh:any",
        expect![[r"
            cannot install sh:any:
            it is asked for: sh:any; there is no such sh for amd64
        "]],
    );
}

#[test]
fn what_cannot_be_installed_is_explained() {
    check(
        "a 1; Depends: b (>= 2)\nb 1",
        "a",
        expect![[r"
            cannot install a:
            it is asked for: a
              a 1 depends on: b (>= 2); there is only b 1
        "]],
    );
    check(
        "",
        "nothing (>= 1) | else",
        expect![[r"
            cannot install nothing (>= 1) | else:
            it is asked for: nothing (>= 1) | else; there is no nothing, and there is no else
        "]],
    );
    check(
        "a 1; Depends: b, c\nb 1; Conflicts: c\nc 1",
        "a",
        expect![[r"
            cannot install a:
            b 1 conflicts with c 1
              a is asked for, a depends on b
              a is asked for, a depends on c
        "]],
    );
    check(
        "a 1; Depends: b (",
        "a",
        expect![[r"
            cannot install a:
            The following packages are incompatible
            └─ a cannot be installed because there are no viable options:
               └─ a 1 is excluded because its index is wrong: cannot read relation `b (`: `(` without `)`
        "]],
    );
}

#[test]
fn the_same_question_has_the_same_answer() {
    let choices = (0..60).map(|n| {
        let (left, right, third) = (n * 2 + 1, n * 2 + 2, n / 3);
        format!("p{n} 1; Depends: p{left} | v{right}; Provides: v{n}, v{third}\n")
    });
    let conflicts = (60..130).map(|n| format!("p{n} 1; Provides: v{n}; Conflicts: p{}\n", n + 7));
    let packages: String = choices.chain(conflicts).collect();
    let first = outcome(&packages, "p0, v5, v61", &[], &[]);
    assert!(first.split(' ').count() > 5, "{first}");
    for _ in 0..5 {
        assert_eq!(outcome(&packages, "p0, v5, v61", &[], &[]), first);
    }
}

/// A small world: for every package, relations as lists of packages, and packages that it conflicts with.
type World = Vec<(Vec<Vec<usize>>, Vec<usize>)>;

const SIZE: usize = 6;

fn world() -> impl Strategy<Value = World> {
    let relation = prop::collection::vec(0..SIZE, 1..4);
    let relations = prop::collection::vec(relation, 0..3);
    let conflicts = prop::collection::vec(0..SIZE, 0..3);
    prop::collection::vec((relations, conflicts), SIZE)
}

fn describe(world: &World) -> String {
    let list = |packages: &[usize], separator: &str| {
        let names: Vec<String> = packages.iter().map(|one| format!("p{one}")).collect();
        names.join(separator)
    };
    let line = |(package, (relations, conflicts)): (usize, &(Vec<Vec<usize>>, Vec<usize>))| {
        let relations: Vec<String> = relations.iter().map(|one| list(one, " | ")).collect();
        let (depends, conflicts) = (relations.join(", "), list(conflicts, ", "));
        format!("p{package} 1; Depends: {depends}; Conflicts: {conflicts}\n")
    };
    world.iter().enumerate().map(line).collect()
}

/// Whether the packages in the bits of `chosen` can be installed together.
fn holds(world: &World, chosen: usize) -> bool {
    let is_chosen = |package: &usize| chosen >> package & 1 == 1;
    (0..SIZE).filter(is_chosen).all(|package| {
        let (relations, conflicts) = &world[package];
        let is_free = conflicts
            .iter()
            .all(|other| *other == package || !is_chosen(other));
        is_free
            && relations
                .iter()
                .all(|relation| relation.iter().any(is_chosen))
    })
}

proptest! {
    #[test]
    fn a_solution_holds_and_is_found_if_there_is_one(world in world()) {
        let got = outcome(&describe(&world), "p0, p1 | p2", &[], &[]);
        let is_asked = |chosen: &usize| chosen & 1 == 1 && chosen & 6 != 0;
        let exists = (0..1 << SIZE).filter(is_asked).any(|chosen| holds(&world, chosen));
        prop_assert_eq!(!got.starts_with("cannot"), exists, "{}", got);
        if exists {
            let bit = |name: &str| 1_usize << name[1..].parse::<usize>().unwrap();
            let chosen = got.split(' ').map(bit).sum();
            prop_assert!(is_asked(&chosen) && holds(&world, chosen), "{}", got);
        }
    }
}

//! Reasons, ignored packages and exact lists.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use jettison_debian::{SolveOptions, exact_packages, parse_relations, resolve, unsatisfied};

use crate::index::index;
use crate::memory::stanza;

const PACKAGES: &[(&str, &str)] = &[
    (
        "app",
        "Depends: libc (>= 1), debconf (>= 0.5) | debconf-2.0, awk",
    ),
    ("libc", "Pre-Depends: libgcc\nRecommends: locales"),
    ("libgcc", "Depends: libc"),
    ("debconf", "Provides: debconf-2.0\nDepends: perl"),
    ("perl", "Breaks: old (<< 2)"),
    ("old", "Conflicts: app"),
    ("mawk", "Provides: awk"),
    ("locales", "Depends: libc"),
];

fn packages() -> String {
    let of = |(name, fields): &(&str, &str)| stanza(name, "1", fields);
    PACKAGES.iter().map(of).collect()
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

fn check(roots: &str, ignore: &[&str], recommends: bool, expected: Expect) {
    let index = index(&packages());
    let options = SolveOptions {
        prefer: Vec::new(),
        forbid: BTreeSet::new(),
        ignore: names(ignore),
        recommends,
    };
    let resolution = resolve(&index, &parse_relations(roots).unwrap(), &options).unwrap();
    let show = |chosen: &jettison_debian::Chosen<'_>| {
        format!("{}: {}\n", chosen.package.name(), chosen.reason)
    };
    expected.assert_eq(&resolution.chosen.iter().map(show).collect::<String>());
}

#[test]
fn every_package_has_a_reason() {
    check(
        "app",
        &[],
        false,
        expect![[r"
        app: asked for: app
        debconf: app Depends: debconf (>= 0.5) | debconf-2.0
        libc: app Depends: libc (>= 1)
        libgcc: libc Pre-Depends: libgcc
        mawk: app Depends: awk
        perl: debconf Depends: perl
    "]],
    );
    check(
        "libgcc, libc (>= 1)",
        &[],
        true,
        expect![[r"
        libc: asked for: libc (>= 1)
        libgcc: asked for: libgcc
        locales: libc Recommends: locales
    "]],
    );
}

#[test]
fn what_is_ignored_is_neither_installed_nor_missed() {
    check(
        "app",
        &["debconf", "mawk"],
        false,
        expect![[r"
        app: asked for: app
        libc: app Depends: libc (>= 1)
        libgcc: libc Pre-Depends: libgcc
    "]],
    );
    // By the name that the relation has, too.
    check(
        "app",
        &["debconf-2.0", "awk", "libc"],
        false,
        expect![[r"
        app: asked for: app
    "]],
    );
    // What is asked for is never ignored.
    check(
        "debconf",
        &["debconf", "perl"],
        false,
        expect![[r"
        debconf: asked for: debconf
    "]],
    );
}

fn check_list(list: &[&str], ignore: &[&str], expected: Expect) {
    let index = index(&packages());
    let text = match exact_packages(&index, list.iter().copied()) {
        Ok(packages) => {
            let found: String = packages
                .iter()
                .map(|one| one.name().to_owned() + " ")
                .collect();
            let lacks = unsatisfied(&index, &packages, &names(ignore));
            let lacks: Vec<String> = lacks.iter().map(|one| one.to_string() + "\n").collect();
            found + "\n" + &lacks.concat()
        }
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&text);
}

#[test]
fn an_exact_list_is_what_it_says_and_tells_what_it_lacks() {
    check_list(
        &["libgcc", "app", "app"],
        &[],
        expect![[r"
        app libgcc 
        app Depends: libc (>= 1)
        app Depends: debconf (>= 0.5) | debconf-2.0
        app Depends: awk
        libgcc Depends: libc
    "]],
    );
    check_list(
        &["libgcc", "app", "libc"],
        &["debconf", "awk"],
        expect![[r"
        app libc libgcc 
    "]],
    );
    check_list(
        &["old", "perl", "app"],
        &["libc", "debconf", "awk"],
        expect![[r"
            app old perl 
            old Conflicts: app
            perl Breaks: old (<< 2)
        "]],
    );
    check_list(
        &["app", "awk", "nothing"],
        &[],
        expect![[r"
        cannot find awk, nothing
    "]],
    );
}

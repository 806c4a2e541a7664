//! Versions: dpkg's answers, and the laws of orders.

use std::cmp::Ordering;

use jettison_debian::{Version, parse_relations};
use proptest::prelude::*;

#[test]
fn versions_are_in_the_order_that_dpkg_gives_them() {
    let recorded = include_str!("fixtures/versions.txt");
    let (command, answers) = recorded.split_once('\n').unwrap();
    assert!(command.contains("dpkg --compare-versions"));
    for answer in answers.lines() {
        let words: Vec<&str> = answer.split(' ').collect();
        let expected = match words[1] {
            "lt" => Ordering::Less,
            "eq" => Ordering::Equal,
            "gt" => Ordering::Greater,
            other => panic!("{other}"),
        };
        let left: Version = words[0].parse().unwrap();
        let right: Version = words[2].parse().unwrap();
        assert_eq!(left.cmp(&right), expected, "{answer}");
    }
}

#[test]
fn versions_from_the_manual_are_in_order() {
    let check = |ascending: &[&str]| {
        let versions: Vec<Version> = ascending.iter().map(|text| text.parse().unwrap()).collect();
        for pair in versions.windows(2) {
            assert!(pair[0] < pair[1], "{} {}", pair[0], pair[1]);
        }
    };
    check(&["1~~", "1~~a", "1~", "1", "1a", "1+"]);
    check(&[
        "1.0~rc1",
        "1.0",
        "1.0-0.1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1+b2",
        "1.0-1+b10",
        "1.0+dfsg-1",
    ]);
    check(&["9:1", "10:0"]);
}

prop_compose! {
    fn version()(text in "([0-9]{1,2}:)?[0-9a-zB~+.]{1,5}(-[0-9a-z~+.]{1,3})?") -> Version {
        text.parse().unwrap()
    }
}

proptest! {
    #[test]
    fn a_version_is_written_as_it_was_read(version in version()) {
        let again: Version = version.to_string().parse().unwrap();
        prop_assert_eq!(again.to_string(), version.to_string());
        prop_assert_eq!(again, version);
    }

    #[test]
    fn the_order_is_total(a in version(), b in version(), c in version()) {
        prop_assert_eq!(a.cmp(&a), Ordering::Equal);
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        if a == b {
            prop_assert_eq!(a.cmp(&c), b.cmp(&c));
        }
    }

    #[test]
    fn reading_a_version_never_panics(text in ".{0,12}") {
        if let Ok(version) = text.parse::<Version>() {
            prop_assert_eq!(version.to_string(), text);
        }
    }

    #[test]
    fn relations_are_written_as_they_are_read(
        text in "[a-c][a-z0-9+.-]{1,4}(:any)?( \\((<<|<=|=|>=|>>) [0-9]{1,2}(\\.[0-9])?\\))?( \\[!?(amd64|arm64)\\])?( \\| b)?"
    ) {
        let relations = parse_relations(&text).unwrap();
        let texts: Vec<String> = relations.iter().map(ToString::to_string).collect();
        prop_assert_eq!(texts.join(", "), text);
    }

    #[test]
    fn reading_relations_never_panics(text in "[a(:<>=|,\\[\\]!1) \n]{0,12}") {
        if let Ok(relations) = parse_relations(&text) {
            for relation in relations {
                prop_assert_eq!(parse_relations(&relation.to_string()).unwrap(), [relation]);
            }
        }
    }
}

//! The links in `/etc/fonts/conf.d` that fontconfig-config makes of its default answers.
//!
//! The package brings most links itself. Its scripts ask four questions, whose answers begin with what the links say that
//! are there (its `config` runs again when the package is configured, after they are unpacked), and then make the links
//! of the answers anew. So a question that a link of the package answers changes nothing: that is `10-sub-pixel-none.conf`
//! in Debian 13. Of the others, two have a default that is a link. The scripts also make `/usr/local/share/fonts`, which
//! nothing needs; there is no cache of fonts in this package (`fc-cache` belongs to fontconfig).

use super::{Link, Node, Tree};

/// Where the links lie.
const LINKS: &str = "etc/fonts/conf.d";
/// Where the files lie among which the links choose.
const FILES: &str = "usr/share/fontconfig/conf.avail";

/// A question of the package.
struct Question {
    /// The links that answer it.
    answers: &'static [&'static str],
    /// The links of the default answer, by preference: the first whose file there is.
    default: &'static [&'static str],
}

/// The questions whose default answer is a link (fontconfig-config, `config` and `postinst`, 2.14.1-4 and 2.15.0-2.3).
const QUESTIONS: [Question; 2] = [
    Question {
        answers: &[
            "10-hinting-none.conf",
            "10-hinting-slight.conf",
            "10-hinting-medium.conf",
            "10-hinting-full.conf",
        ],
        default: &["10-hinting-slight.conf"],
    },
    Question {
        answers: &[
            "70-yes-bitmaps.conf",
            "70-no-bitmaps.conf",
            "70-no-bitmaps-except-emoji.conf",
        ],
        // Debian 13 has both files, and takes the first.
        default: &["70-no-bitmaps-except-emoji.conf", "70-no-bitmaps.conf"],
    },
];

/// The links to add to `tree`, into which fontconfig-config has been unpacked; none if it has not.
pub(crate) fn font_links(tree: &Tree<'_>) -> Vec<Link> {
    let unanswered = QUESTIONS.iter().filter(|question| {
        let mut links = question
            .answers
            .iter()
            .map(|name| format!("{LINKS}/{name}"));
        links.all(|link| !tree.contains(&link))
    });
    let links = unanswered.filter_map(|question| {
        let mut names = question.default.iter();
        let name = names.find(|name| {
            let found = tree.resolve(&format!("{FILES}/{name}"));
            matches!(found, Some((_, Node::File(_))))
        })?;
        Some(Link {
            path: format!("{LINKS}/{name}"),
            target: format!("/{FILES}/{name}"),
        })
    });
    links.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(files: &[&str], shipped: &[&str], expected: Expect) {
        let mut tree = Tree::default();
        for name in files {
            tree.insert(&format!("{FILES}/{name}"), Node::File(b""));
        }
        for name in shipped {
            tree.insert(&format!("{LINKS}/{name}"), Node::Link("/elsewhere"));
        }
        let lines: Vec<String> = font_links(&tree)
            .iter()
            .map(|link| format!("{} -> {}\n", link.path, link.target))
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn the_files_of_debian_12() {
        check(
            &[
                "10-hinting-none.conf",
                "10-hinting-slight.conf",
                "70-no-bitmaps.conf",
                "70-yes-bitmaps.conf",
            ],
            &["10-scale-bitmap-fonts.conf", "11-lcdfilter-default.conf"],
            expect![[r"
                etc/fonts/conf.d/10-hinting-slight.conf -> /usr/share/fontconfig/conf.avail/10-hinting-slight.conf
                etc/fonts/conf.d/70-no-bitmaps.conf -> /usr/share/fontconfig/conf.avail/70-no-bitmaps.conf
            "]],
        );
    }

    #[test]
    fn the_files_of_debian_13() {
        check(
            &[
                "10-hinting-slight.conf",
                "70-no-bitmaps-and-emoji.conf",
                "70-no-bitmaps-except-emoji.conf",
                "70-no-bitmaps.conf",
                "70-yes-bitmaps.conf",
            ],
            &["10-sub-pixel-none.conf", "11-lcdfilter-default.conf"],
            expect![[r"
                etc/fonts/conf.d/10-hinting-slight.conf -> /usr/share/fontconfig/conf.avail/10-hinting-slight.conf
                etc/fonts/conf.d/70-no-bitmaps-except-emoji.conf -> /usr/share/fontconfig/conf.avail/70-no-bitmaps-except-emoji.conf
            "]],
        );
    }

    #[test]
    fn a_question_that_a_link_answers_is_not_asked() {
        check(
            &[
                "10-hinting-slight.conf",
                "10-hinting-full.conf",
                "70-no-bitmaps.conf",
                "70-yes-bitmaps.conf",
            ],
            &["10-hinting-full.conf", "70-yes-bitmaps.conf"],
            expect![""],
        );
    }

    #[test]
    fn an_image_without_the_package_gets_no_links() {
        check(&[], &[], expect![""]);
    }
}

//! Why something is in an image, or is not.

use std::path::Path;

use crate::report::explain::count;
use crate::report::facts::{Facts, FileReason, Maker, OwnerFacts, OwnerKind};
use crate::report::text::size_text;
use crate::rootfs::normalise;
use crate::verify::visible;

/// The most files and owners that are listed of a directory or an owner.
const MOST_LISTED: usize = 10;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyAnswer {
    /// Whether it, or something of it, is in the image.
    pub is_kept: bool,
    /// The answer, line by line.
    pub lines: Vec<String>,
}

/// Why `subject`, a path or the name of a package or another owner, is in the image or not; `None` if neither the image nor what
/// it was made of has anything of that name.
pub fn why(facts: &Facts, subject: &str) -> Option<WhyAnswer> {
    if subject.starts_with('/') {
        return why_path(facts, &normalise(Path::new(subject)));
    }
    why_owner(facts, subject)
}

fn why_path(facts: &Facts, path: &Path) -> Option<WhyAnswer> {
    why_exact(facts, path).or_else(|| {
        // Of a base only regular files are known, and the links of a merged `/usr` are none.
        let rest = path.strip_prefix("/").unwrap_or(path);
        why_exact(facts, &Path::new("/usr").join(rest))
    })
}

fn why_exact(facts: &Facts, path: &Path) -> Option<WhyAnswer> {
    let (real, followed) = facts.resolve(path);
    let mut lines: Vec<String> = followed
        .iter()
        .filter(|link| **link != real)
        .map(|link| format!("{} is a link on the way to {}", shown(link), shown(&real)))
        .collect();
    if let Some((owner, file)) = find(&facts.kept, &real).or_else(|| find(&facts.kept, path)) {
        lines.extend(kept_file(facts, owner, file));
        return Some(WhyAnswer {
            is_kept: true,
            lines,
        });
    }
    let found = below(&facts.kept, &real);
    if !found.is_empty() {
        lines.push(format!("{} is a directory; in it there is:", shown(&real)));
        lines.extend(owners(&found));
        return Some(WhyAnswer {
            is_kept: true,
            lines,
        });
    }
    for path in [path, &real] {
        if let Some((owner, file)) = find(&facts.left_out, path) {
            return Some(WhyAnswer {
                is_kept: false,
                lines: left_out_file(facts, owner, file),
            });
        }
        let found = self::below(&facts.left_out, path);
        if !found.is_empty() {
            let mut lines = vec![format!(
                "nothing in the directory {} is in the image; {} had there:",
                shown(path),
                origin(facts)
            )];
            lines.extend(owners(&found));
            return Some(WhyAnswer {
                is_kept: false,
                lines,
            });
        }
    }
    None
}

fn why_owner(facts: &Facts, name: &str) -> Option<WhyAnswer> {
    let kept = facts.kept.iter().find(|owner| is_called(owner, name));
    let left_out = facts.left_out.iter().find(|owner| is_called(owner, name));
    let mut lines = Vec::new();
    if let Some(owner) = kept {
        lines.push(format!(
            "{} is in the image, with {} and {}",
            title(owner),
            count(owner.files.len(), "file"),
            size_text(owner.unpacked_size())
        ));
        lines.extend(owner.reasons.iter().map(|reason| indented(reason)));
        let touched: Vec<&FileReason> = owner.files.iter().filter(|file| file.is_touched).collect();
        if facts.maker != Maker::Base {
            lines.push(format!(
                "  the probes read or started {} of it, {}",
                count(touched.len(), "file"),
                size_text(owner.touched_size())
            ));
        }
        lines.extend(touched.iter().take(MOST_LISTED).map(|file| {
            let note = file.note.as_deref().unwrap_or_default();
            format!("    {}: {}", shown(&file.path), visible(note))
        }));
    }
    if let Some(owner) = left_out {
        let files = count(owner.files.len(), "file");
        let size = match owner.unpacked_size() {
            // Links, or of a base: there the sizes are in the reason.
            0 => String::new(),
            size => format!(", {}", size_text(size)),
        };
        lines.push(if kept.is_some() {
            format!("  left out of it: {files}{size}")
        } else {
            let (title, origin) = (title(owner), origin(facts));
            format!("{title} is not in the image; {origin} has {files} of it{size}")
        });
        lines.extend(owner.reasons.iter().map(|reason| indented(reason)));
    }
    (!lines.is_empty()).then_some(WhyAnswer {
        is_kept: kept.is_some(),
        lines,
    })
}

/// Whether an owner may be called so: the package's name, the directory of a module or its last part, `line 5`.
fn is_called(owner: &OwnerFacts, name: &str) -> bool {
    let own = owner.owner.name.as_str();
    match owner.owner.kind {
        OwnerKind::Package => own == name,
        OwnerKind::Module => {
            let last = Path::new(own)
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            // `PyYAML-6.0.2.dist-info` is pyyaml, and is imported as yaml.
            let distribution = last.split('-').next().unwrap_or_default();
            let beside = Path::new(own).with_file_name(name);
            let is_distribution = last.ends_with(".dist-info");
            own == name
                || last == name
                || (is_distribution && distribution.eq_ignore_ascii_case(name))
                || (is_distribution
                    && owner
                        .files
                        .iter()
                        .any(|file| file.path.starts_with(&beside)))
        }
        OwnerKind::Instruction => own.split(':').next() == Some(name),
        OwnerKind::Base | OwnerKind::New => owner.owner.kind.word() == name,
    }
}

fn kept_file(facts: &Facts, owner: &OwnerFacts, file: &FileReason) -> Vec<String> {
    let mut lines = vec![format!(
        "{} is in the image: it belongs to {}",
        shown(&file.path),
        title(owner)
    )];
    lines.extend(owner.reasons.iter().map(|reason| indented(reason)));
    lines.push(match &file.note {
        Some(note) => indented(note),
        None if owner.owner.kind == OwnerKind::New => {
            "  the final stage makes it; the original does not have it".to_owned()
        }
        None if facts.maker == Maker::Base => {
            "  its package's files are kept but for slices".to_owned()
        }
        None => "  no probe used it itself; what belongs together is kept whole".to_owned(),
    });
    lines
}

fn left_out_file(facts: &Facts, owner: &OwnerFacts, file: &FileReason) -> Vec<String> {
    let mut lines = vec![format!(
        "{} is not in the image; {} has it, in {}",
        shown(&file.path),
        origin(facts),
        title(owner)
    )];
    match &file.note {
        Some(note) => lines.push(format!("  left out: {}", visible(note))),
        None => lines.extend(owner.reasons.iter().map(|reason| indented(reason))),
    }
    lines
}

/// What the image was made of, in a sentence.
fn origin(facts: &Facts) -> &'static str {
    match facts.maker {
        Maker::Optimizer(_) => "the original",
        Maker::Base => "its package",
    }
}

fn find<'f>(owners: &'f [OwnerFacts], path: &Path) -> Option<(&'f OwnerFacts, &'f FileReason)> {
    owners
        .iter()
        .find_map(|owner| Some((owner, owner.file(path)?)))
}

/// The owners of what is below a directory, and how much that is.
fn below<'f>(owners: &'f [OwnerFacts], directory: &Path) -> Vec<(&'f OwnerFacts, usize, u64)> {
    let mut found: Vec<(&OwnerFacts, usize, u64)> = owners
        .iter()
        .map(|owner| {
            let files = owner
                .files
                .iter()
                .filter(|file| file.path.starts_with(directory));
            let (number, size) = files.fold((0, 0), |(number, size), file| {
                (number + 1, size + file.size)
            });
            (owner, number, size)
        })
        .filter(|(_, number, _)| *number > 0)
        .collect();
    found.sort_by_key(|(_, _, size)| std::cmp::Reverse(*size));
    found
}

fn owners(found: &[(&OwnerFacts, usize, u64)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (owner, number, size) in found.iter().take(MOST_LISTED) {
        lines.push(format!(
            "  {:>8}  {} ({})",
            size_text(*size),
            title(owner),
            count(*number, "file")
        ));
        let reason = owner
            .reasons
            .first()
            .map(|reason| format!("            {}", visible(reason)));
        lines.extend(reason);
    }
    if let Some(more) = found
        .len()
        .checked_sub(MOST_LISTED)
        .filter(|more| *more > 0)
    {
        lines.push(format!("  and {more} more"));
    }
    lines
}

fn title(owner: &OwnerFacts) -> String {
    visible(&owner.owner.title())
}

fn indented(text: &str) -> String {
    format!("  {}", visible(text))
}

fn shown(path: &Path) -> String {
    visible(&path.display().to_string())
}

#[cfg(test)]
#[expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts like this"
)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::report::{examples, facts_json, read_facts};

    #[track_caller]
    fn check(subject: &str, expected: Expect) {
        let facts = read_facts(&facts_json(&examples::facts())).unwrap();
        assert_eq!(facts, examples::facts(), "it is read as it was written");
        let answer = why(&facts, subject);
        expected.assert_eq(&answer.map_or("nothing".to_owned(), |why| {
            format!("{}\n{}", why.is_kept, why.lines.join("\n"))
        }));
    }

    #[test]
    fn a_file_that_was_used_says_by_whom() {
        check(
            "/server",
            expect![[r#"
            true
            /server is in the image: it belongs to line 5: RUN go build -o server
              it is what the image starts: /server
              started by the image's own command in probe `version`"#]],
        );
    }

    #[test]
    fn a_file_that_nobody_used_belongs_to_something() {
        check(
            "/lib/libm.so.6",
            expect![[r#"
            true
            /lib is a link on the way to /usr/lib/libm.so.6
            /usr/lib/libm.so.6 is in the image: it belongs to package libc6
              it is needed by /server
              no probe used it itself; what belongs together is kept whole"#]],
        );
    }

    #[test]
    fn directories_show_whose_files_they_hold() {
        check(
            "/usr/lib",
            expect![[r#"
            true
            /usr/lib is a directory; in it there is:
                1.1 MB  package libc6 (2 files)
                        it is needed by /server"#]],
        );
        check(
            "/usr/share/man",
            expect![[r#"
                false
                nothing in the directory /usr/share/man is in the image; the original had there:
                      1 kB  package libc6 (1 file)
                            manuals"#]],
        );
    }

    #[test]
    fn what_is_left_out_says_which_rule_did_it() {
        check(
            "/usr/share/man/man1/x",
            expect![[r#"
            false
            /usr/share/man/man1/x is not in the image; the original has it, in package libc6
              left out: manuals"#]],
        );
        check(
            "/usr/lib/go/bin/go",
            expect![[r#"
            false
            /usr/lib/go/bin/go is not in the image; the original has it, in package golang
              no run used a file of it, and nothing that is kept needs it"#]],
        );
        check("/nowhere", expect!["nothing"]);
    }

    #[test]
    fn owners_are_asked_for_by_name() {
        check(
            "libc6",
            expect![[r#"
                true
                package libc6 is in the image, with 2 files and 1.1 MB
                  it is needed by /server
                  the probes read or started 1 file of it, 200 kB
                    /usr/lib/ld.so: loaded to start a program by /server in probe `version`
                  left out of it: 1 file, 1 kB
                  manuals"#]],
        );
        check(
            "golang",
            expect![[r#"
                false
                package golang is not in the image; the original has 1 file of it, 12 MB
                  no run used a file of it, and nothing that is kept needs it"#]],
        );
        check(
            "line 5",
            expect![[r#"
                true
                line 5: RUN go build -o server is in the image, with 1 file and 790 kB
                  it is what the image starts: /server
                  the probes read or started 1 file of it, 790 kB
                    /server: started by the image's own command in probe `version`"#]],
        );
        check("nothing", expect!["nothing"]);
    }
}

//! In which order apt tries packages that provide the same.
//!
//! Facts from apt 2.6 (`CompareProviders`, apt-pkg/depcache.cc): the package of that very name goes first, then essential
//! ones, then protected ones, then those of higher priority. What is still equal goes by the numbers that apt gives to
//! names when it meets them for the first time, the highest first. A name is met as a package, and in every
//! relation of a package, in the order in which apt reads a stanza (`debListParser::NewVersion`,
//! apt-pkg/deb/deblistparser.cc). Test: `providers_of_one_priority_come_in_the_reverse_order_of_their_first_mention`.

use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use memchr::memmem::Finder;
use memchr::{memchr, memrchr};

use crate::package::Package;
use crate::packages::{PackageId, PackagesIndex};

/// The fields in which a name can be met, in the order in which apt reads them.
const FIELDS: [&str; 10] = [
    "Package",
    "Pre-Depends",
    "Depends",
    "Conflicts",
    "Breaks",
    "Recommends",
    "Suggests",
    "Replaces",
    "Enhances",
    "Provides",
];

/// Where a name stands for the first time: text, stanza, field and place in the text.
type Mention = (usize, usize, usize, usize);

/// The order of an index's packages. Mentions are looked for when two packages are equal in all else.
#[derive(Debug)]
pub(super) struct Order<'a> {
    index: &'a PackagesIndex,
    mentions: RefCell<BTreeMap<PackageId, Option<Mention>>>,
}

impl<'a> Order<'a> {
    pub(super) fn new(index: &'a PackagesIndex) -> Order<'a> {
        let mentions = RefCell::default();
        Order { index, mentions }
    }

    /// The index.
    pub(super) fn index(&self) -> &'a PackagesIndex {
        self.index
    }

    /// Compares two packages that satisfy an alternative with `name`; the one to try first is less.
    pub(super) fn compare(&self, name: &str, a: Package<'a>, b: Package<'a>) -> Ordering {
        let rank = |package: Package<'a>| {
            let is_protected =
                [package.field("Important"), package.field("Protected")].contains(&Some("yes"));
            (
                package.name() != name,
                !package.essential(),
                !is_protected,
                package.priority(),
            )
        };
        let mention = |package: Package<'a>| Reverse(self.mention(package));
        rank(a)
            .cmp(&rank(b))
            .then_with(|| mention(a).cmp(&mention(b)))
    }

    fn mention(&self, package: Package<'a>) -> Option<Mention> {
        let known = self.mentions.borrow().get(&package.id()).copied();
        known.unwrap_or_else(|| {
            let mut texts = self.index.texts().enumerate();
            let found = texts.find_map(|(number, text)| {
                let (stanza, field, place) = first_mention(text, package.name())?;
                Some((number, stanza, field, place))
            });
            self.mentions.borrow_mut().insert(package.id(), found);
            found
        })
    }
}

/// Stanza, field and place of the first mention of `name`.
fn first_mention(text: &str, name: &str) -> Option<(usize, usize, usize)> {
    let finder = Finder::new(name);
    let mut first: Option<(usize, usize, usize)> = None;
    let mut stanza_end = text.len();
    for place in finder.find_iter(text.as_bytes()) {
        if place >= stanza_end {
            break;
        }
        let Some(field) = field_at(text, place, name) else {
            continue;
        };
        match first {
            None => {
                let (start, end) = stanza_around(text, place);
                stanza_end = end;
                first = Some((start, field, place));
            }
            Some((start, other, _)) if field < other => first = Some((start, field, place)),
            Some(_) => {}
        }
    }
    first
}

/// The field in which `name` stands at `place`, as a name and not as a part of something else.
fn field_at(text: &str, place: usize, name: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let before = place.checked_sub(1).map(|at| bytes[at]);
    let after = bytes.get(place + name.len()).copied();
    let starts = matches!(before, Some(b' ' | b',' | b'|' | b':' | b'\t'));
    let ends = matches!(
        after,
        None | Some(b' ' | b',' | b'|' | b'\n' | b'(' | b'\r')
    );
    if !starts || !ends {
        return None;
    }
    // A relation may go on in lines that start with white space.
    let mut line = memrchr(b'\n', &bytes[..place]).map_or(0, |end| end + 1);
    while line > 0 && matches!(bytes[line], b' ' | b'\t') {
        line = memrchr(b'\n', &bytes[..line - 1]).map_or(0, |end| end + 1);
    }
    let colon = line + memchr(b':', &bytes[line..place])?;
    let field = &text[line..colon];
    let known = FIELDS
        .iter()
        .position(|one| field.eq_ignore_ascii_case(one))?;
    // What stands in brackets is a version.
    let is_version = memrchr(b'(', &bytes[line..place])
        .is_some_and(|open| memchr(b')', &bytes[line + open..place]).is_none());
    (!is_version).then_some(known)
}

fn stanza_around(text: &str, place: usize) -> (usize, usize) {
    let start = text[..place].rfind("\n\n").map_or(0, |end| end + 2);
    let end = text[place..]
        .find("\n\n")
        .map_or(text.len(), |end| place + end);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_mentioned_where_it_is_a_name() {
        let text = "Package: a\nDescription: x y\nDepends: xx, a-x, b (= x), c | x (>= 1)\n\n\
                    Package: x\nProvides: y\nConflicts: y, z:any\n\nPackage: z\n";
        let check = |name: &str, stanza: &str, field: &str| {
            let (start, known, _) = first_mention(text, name).unwrap();
            assert!(text[start..].starts_with(stanza), "{name}");
            assert_eq!(FIELDS[known], field, "{name}");
        };
        check("x", "Package: a", "Depends");
        check("y", "Package: x", "Conflicts");
        check("z", "Package: z", "Package");
        assert_eq!(first_mention(text, "nothing"), None);
    }
}

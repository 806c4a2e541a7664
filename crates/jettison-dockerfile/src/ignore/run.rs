//! How a regular expression matches a path.
//!
//! Matching follows every way through at once, so that its cost is bounded by the length of the expression times
//! the length of the path.

use crate::ignore::regex::{Assertion, Atom, Regex, Unit};

impl Regex {
    /// Says whether the expression matches some part of the path; mostly it has `^` and `$`, so it is the whole.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.alternatives.iter().any(|units| {
            let mut run = Run::new(units);
            run.eat(path, None) || run.has_matched()
        })
    }

    /// Says whether the expression may match a path that starts like this and goes on.
    pub(super) fn may_match_more_than(&self, start: &str) -> bool {
        self.alternatives.iter().any(|units| {
            // What comes next is not known, but it is something: a letter or another character.
            ['a', '.'].into_iter().any(|next| {
                let mut run = Run::new(units);
                run.eat(start, Some(next)) || run.can_go_on()
            })
        })
    }
}

/// Where the matching of a path stands.
struct Run<'a> {
    units: &'a [Unit],
    /// Whether each unit may come next; one more for the end.
    before: Vec<bool>,
    /// Whether each unit has eaten something and is not done; only `Directories` has that.
    inside: Vec<bool>,
    /// What `before` was, kept for its memory.
    spare: Vec<bool>,
}

impl<'a> Run<'a> {
    fn new(units: &'a [Unit]) -> Run<'a> {
        Run {
            units,
            before: vec![false; units.len() + 1],
            inside: vec![false; units.len()],
            spare: vec![false; units.len() + 1],
        }
    }

    /// Eats a text, after which another character comes or none. Stops, and says so, when all has matched.
    fn eat(&mut self, text: &str, next: Option<char>) -> bool {
        let mut before = None;
        let mut rest = text.chars();
        loop {
            let character = rest.next();
            self.pass(before, character.or(next));
            let Some(character) = character else {
                return self.has_matched();
            };
            if self.has_matched() {
                return true;
            }
            self.step(character);
            before = Some(character);
        }
    }

    /// Passes what matches nothing between the two characters. The match may also start here.
    fn pass(&mut self, before: Option<char>, after: Option<char>) {
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        self.before[0] = true;
        for (index, unit) in self.units.iter().enumerate() {
            let holds = match unit.atom {
                Atom::Literal(_) | Atom::Class(_) | Atom::Dot | Atom::Directories => false,
                Atom::Assertion(Assertion::Start) => before.is_none(),
                Atom::Assertion(Assertion::End) => after.is_none(),
                Atom::Assertion(Assertion::WordBoundary) => is_word(before) != is_word(after),
                Atom::Assertion(Assertion::NoWordBoundary) => is_word(before) == is_word(after),
            };
            if (holds || unit.is_optional) && self.before[index] {
                self.before[index + 1] = true;
            }
        }
    }

    /// Eats a character.
    fn step(&mut self, character: char) {
        std::mem::swap(&mut self.before, &mut self.spare);
        self.before.fill(false);
        let old = &self.spare;
        for (index, unit) in self.units.iter().enumerate() {
            let is_inside = std::mem::take(&mut self.inside[index]);
            if !old[index] && !is_inside {
                continue;
            }
            let is_eaten = match &unit.atom {
                Atom::Literal(literal) => *literal == character,
                Atom::Class(class) => class.contains(character),
                Atom::Dot => character != '\n',
                Atom::Directories => {
                    self.inside[index] = character != '\n';
                    character == '/'
                }
                Atom::Assertion(_) => false,
            };
            if is_eaten {
                self.before[index + 1] = true;
                self.before[index] |= unit.is_repeated;
            }
        }
    }

    fn has_matched(&self) -> bool {
        self.before[self.units.len()]
    }

    /// Says whether there is a unit that may eat another character.
    fn can_go_on(&self) -> bool {
        let may_eat = |(index, unit): (usize, &Unit)| {
            let eats = !matches!(unit.atom, Atom::Assertion(_));
            (self.before[index] && eats) || self.inside[index]
        };
        self.units.iter().enumerate().any(may_eat)
    }
}

//! The first word of an instruction.

use std::fmt;
use std::str::FromStr;

use crate::text::lower;

/// The first word of an instruction; its case does not matter.
///
/// See <https://docs.docker.com/reference/dockerfile/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keyword {
    /// `ADD`
    Add,
    /// `ARG`
    Arg,
    /// `CMD`
    Cmd,
    /// `COPY`
    Copy,
    /// `ENTRYPOINT`
    Entrypoint,
    /// `ENV`
    Env,
    /// `EXPOSE`
    Expose,
    /// `FROM`
    From,
    /// `HEALTHCHECK`
    Healthcheck,
    /// `LABEL`
    Label,
    /// `MAINTAINER`
    Maintainer,
    /// `ONBUILD`
    Onbuild,
    /// `RUN`
    Run,
    /// `SHELL`
    Shell,
    /// `STOPSIGNAL`
    Stopsignal,
    /// `USER`
    User,
    /// `VOLUME`
    Volume,
    /// `WORKDIR`
    Workdir,
    /// Any other word.
    Unknown,
}

impl Keyword {
    /// Every keyword of the language, in alphabetical order.
    pub const ALL: [Keyword; 18] = [
        Keyword::Add,
        Keyword::Arg,
        Keyword::Cmd,
        Keyword::Copy,
        Keyword::Entrypoint,
        Keyword::Env,
        Keyword::Expose,
        Keyword::From,
        Keyword::Healthcheck,
        Keyword::Label,
        Keyword::Maintainer,
        Keyword::Onbuild,
        Keyword::Run,
        Keyword::Shell,
        Keyword::Stopsignal,
        Keyword::User,
        Keyword::Volume,
        Keyword::Workdir,
    ];

    /// The keyword in capitals, or the empty string for [`Keyword::Unknown`].
    pub fn as_str(self) -> &'static str {
        match self {
            Keyword::Add => "ADD",
            Keyword::Arg => "ARG",
            Keyword::Cmd => "CMD",
            Keyword::Copy => "COPY",
            Keyword::Entrypoint => "ENTRYPOINT",
            Keyword::Env => "ENV",
            Keyword::Expose => "EXPOSE",
            Keyword::From => "FROM",
            Keyword::Healthcheck => "HEALTHCHECK",
            Keyword::Label => "LABEL",
            Keyword::Maintainer => "MAINTAINER",
            Keyword::Onbuild => "ONBUILD",
            Keyword::Run => "RUN",
            Keyword::Shell => "SHELL",
            Keyword::Stopsignal => "STOPSIGNAL",
            Keyword::User => "USER",
            Keyword::Volume => "VOLUME",
            Keyword::Workdir => "WORKDIR",
            Keyword::Unknown => "",
        }
    }

    /// The keyword that `word` spells, or [`Keyword::Unknown`].
    pub(crate) fn of(word: &str) -> Keyword {
        let first = word.bytes().next().unwrap_or_default();
        let candidate = match (word.len(), first.to_ascii_uppercase()) {
            (3, b'R') => Keyword::Run,
            (3, b'E') => Keyword::Env,
            (3, b'C') => Keyword::Cmd,
            (3, b'A') if word.ends_with(['G', 'g']) => Keyword::Arg,
            (3, b'A') => Keyword::Add,
            (4, b'C') => Keyword::Copy,
            (4, b'F') => Keyword::From,
            (4, b'U') => Keyword::User,
            (5, b'L') => Keyword::Label,
            (5, b'S') => Keyword::Shell,
            (6, b'E') => Keyword::Expose,
            (6, b'V') => Keyword::Volume,
            (7, b'W') => Keyword::Workdir,
            (7, b'O') => Keyword::Onbuild,
            (10, b'E') => Keyword::Entrypoint,
            (10, b'S') => Keyword::Stopsignal,
            (10, b'M') => Keyword::Maintainer,
            (11, b'H') => Keyword::Healthcheck,
            _ => return Keyword::of_other_letters(word),
        };
        // Capitals and small letters differ in one bit, which leaves other characters what they are not: letters.
        let mut letters = word.bytes().zip(candidate.as_str().bytes());
        if letters.all(|(letter, capital)| letter & !0x20 == capital) {
            candidate
        } else {
            Keyword::of_other_letters(word)
        }
    }

    /// The keyword that `word` spells with letters that are ASCII only in lower case.
    ///
    /// The Kelvin sign is one of them (BuildKit: `newNodeFromLine`, parser/parser.go, which asks Go for the lower
    /// case).
    fn of_other_letters(word: &str) -> Keyword {
        if word.is_ascii() {
            return Keyword::Unknown;
        }
        let word = lower(word);
        if word.is_ascii() {
            Keyword::of(&word)
        } else {
            Keyword::Unknown
        }
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The word is not a keyword.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown instruction: {word}")]
pub struct UnknownKeyword {
    /// The word.
    pub word: String,
}

impl FromStr for Keyword {
    type Err = UnknownKeyword;

    fn from_str(word: &str) -> Result<Keyword, UnknownKeyword> {
        match Keyword::of(word) {
            Keyword::Unknown => Err(UnknownKeyword {
                word: word.to_owned(),
            }),
            keyword => Ok(keyword),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_round_trips_in_any_case() {
        for keyword in Keyword::ALL {
            assert_eq!(keyword.to_string().parse(), Ok(keyword));
            assert_eq!(keyword.to_string().to_lowercase().parse(), Ok(keyword));
        }
        assert!("".parse::<Keyword>().is_err());
        assert!("RUNN".parse::<Keyword>().is_err());
        assert!("RAN".parse::<Keyword>().is_err());
        assert_eq!("WOR\u{212a}DIR".parse(), Ok(Keyword::Workdir));
        assert!("WORKDİR\u{307}".parse::<Keyword>().is_err());
    }
}

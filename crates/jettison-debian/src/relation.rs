//! Relationship fields: `Depends: a (>= 1) | b:any [amd64], c`.
//!
//! See <https://www.debian.org/doc/debian-policy/ch-relationships.html>.

use std::fmt;

use crate::arch::Architecture;
use crate::version::Version;

mod parse;

pub(crate) use crate::relation::parse::check_package_name;
pub use crate::relation::parse::parse_relations;

/// One relation: any of its alternatives satisfies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    // Invariant: not empty.
    alternatives: Vec<Alternative>,
}

/// One alternative of a relation: a package name, and what is asked of that package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    // Invariant: a valid package name.
    name: String,
    /// The architecture behind the name's colon, where there is one.
    pub qualifier: Option<ArchitectureQualifier>,
    /// Which versions will do.
    pub constraint: Option<VersionConstraint>,
    /// The architectures for which the alternative is meant; all, if there are none.
    pub architectures: Vec<ArchitectureRestriction>,
    /// The build profiles for which it is meant, as they were written between `<` and `>`.
    pub profiles: Vec<String>,
}

/// The architecture that is asked of a package, as in `python3:any`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchitectureQualifier {
    /// `:any`: a package of any architecture that says `Multi-Arch: allowed`.
    Any,
    /// `:native`: a package of the architecture that is built on.
    Native,
    /// A package of this architecture.
    Named(Architecture),
}

/// A comparison with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionConstraint {
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub version: Version,
}

/// How a relation compares versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<<`
    Earlier,
    /// `<=`
    EarlierOrEqual,
    /// `=`
    Equal,
    /// `>=`
    LaterOrEqual,
    /// `>>`
    Later,
}

/// One word of `[amd64 !hurd-any]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchitectureRestriction {
    /// Whether a `!` excludes the architectures.
    pub is_negated: bool,
    /// An architecture, or a wildcard.
    pub pattern: String,
}

/// Why a text is not a relation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read relation `{text}`: {problem}")]
pub struct RelationError {
    /// The relation that was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Relation {
    /// The relation that `name` in any version satisfies.
    pub fn package(name: &str) -> Result<Relation, RelationError> {
        name.parse()
    }

    /// The alternatives; there is at least one.
    pub fn alternatives(&self) -> &[Alternative] {
        &self.alternatives
    }
}

impl Alternative {
    /// The name of a package, or of a virtual package.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the alternative is meant for `architecture`.
    pub fn applies_to(&self, architecture: &Architecture) -> bool {
        let Some(first) = self.architectures.first() else {
            return true;
        };
        let is_listed = self
            .architectures
            .iter()
            .any(|restriction| architecture.matches(&restriction.pattern));
        is_listed != first.is_negated
    }
}

impl VersionConstraint {
    /// Whether `version` will do.
    pub fn allows(&self, version: &Version) -> bool {
        match self.operator {
            Operator::Earlier => version < &self.version,
            Operator::EarlierOrEqual => version <= &self.version,
            Operator::Equal => version == &self.version,
            Operator::LaterOrEqual => version >= &self.version,
            Operator::Later => version > &self.version,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, alternative) in self.alternatives.iter().enumerate() {
            let separator = if at == 0 { "" } else { " | " };
            write!(formatter, "{separator}{alternative}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)?;
        if let Some(qualifier) = &self.qualifier {
            write!(formatter, ":{qualifier}")?;
        }
        if let Some(constraint) = &self.constraint {
            write!(formatter, " ({constraint})")?;
        }
        for (at, restriction) in self.architectures.iter().enumerate() {
            let open = if at == 0 { " [" } else { " " };
            let not = if restriction.is_negated { "!" } else { "" };
            write!(formatter, "{open}{not}{}", restriction.pattern)?;
        }
        if !self.architectures.is_empty() {
            write!(formatter, "]")?;
        }
        self.profiles
            .iter()
            .try_for_each(|profile| write!(formatter, " <{profile}>"))
    }
}

impl fmt::Display for ArchitectureQualifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchitectureQualifier::Any => write!(formatter, "any"),
            ArchitectureQualifier::Native => write!(formatter, "native"),
            ArchitectureQualifier::Named(architecture) => write!(formatter, "{architecture}"),
        }
    }
}

impl fmt::Display for VersionConstraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.operator, self.version)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Operator::Earlier => "<<",
            Operator::EarlierOrEqual => "<=",
            Operator::Equal => "=",
            Operator::LaterOrEqual => ">=",
            Operator::Later => ">>",
        })
    }
}

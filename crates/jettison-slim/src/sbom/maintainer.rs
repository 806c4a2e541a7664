//! The field `Maintainer`.

/// Whom a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Maintainer<'a> {
    pub(super) name: &'a str,
    pub(super) email: Option<&'a str>,
}

/// Words in the names of groups.
const GROUPS: [&str; 8] = [
    "team",
    "maintainers",
    "developers",
    "group",
    "project",
    "packagers",
    "debian",
    "upstream",
];

/// Reads `NAME <ADDRESS>` (Debian Policy, 5.6.2); `None` for an empty field.
pub(super) fn maintainer(field: &str) -> Option<Maintainer<'_>> {
    let field = field.trim();
    let (name, email) = match field.rsplit_once('<') {
        Some((name, rest)) => (name.trim(), rest.strip_suffix('>').map(str::trim)),
        None => (field, None),
    };
    // Some write the address of a page there, which neither format takes.
    let email = email.filter(|email| email.contains('@') && !email.contains(char::is_whitespace));
    let name = if name.is_empty() { email? } else { name };
    Some(Maintainer {
        name: name.trim_matches('"'),
        email,
    })
}

impl Maintainer<'_> {
    /// As SPDX writes a supplier. Debian does not say who is a person and who is a group; names of groups tell.
    pub(super) fn spdx(&self) -> String {
        let mut words = self.name.split(|letter: char| !letter.is_alphanumeric());
        let is_group = words.any(|word| GROUPS.contains(&word.to_lowercase().as_str()));
        let kind = if is_group { "Organization" } else { "Person" };
        match self.email {
            Some(email) => format!("{kind}: {} ({email})", self.name),
            None => format!("{kind}: {}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(field: &str, expected: Option<&str>) {
        let found = maintainer(field).map(|maintainer| maintainer.spdx());
        assert_eq!(found.as_deref(), expected, "{field}");
    }

    #[test]
    fn persons_and_groups_are_told_apart_by_name() {
        check(
            "GNU Libc Maintainers <libc@example.org>",
            Some("Organization: GNU Libc Maintainers (libc@example.org)"),
        );
        check(
            "Ada Lovelace <ada@example.org>",
            Some("Person: Ada Lovelace (ada@example.org)"),
        );
        check(
            "<ada@example.org>",
            Some("Person: ada@example.org (ada@example.org)"),
        );
        check("Ada", Some("Person: Ada"));
        check("Ada <", Some("Person: Ada"));
        check("Ada <https://example.org/>", Some("Person: Ada"));
        check(" ", None);
    }
}

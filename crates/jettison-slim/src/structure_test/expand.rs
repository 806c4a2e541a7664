//! `$NAME` in values and commands.

use std::collections::BTreeMap;

/// Variables that texts refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The variables of an image's environment: `NAME=value` each.
    pub(super) fn of(env: &[String]) -> Variables {
        let pairs = env.iter().filter_map(|pair| pair.split_once('='));
        Variables(
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// The same with more of them.
    pub(super) fn with(&self, more: &[(String, String)]) -> Variables {
        let mut all = self.0.clone();
        all.extend(more.iter().cloned());
        Variables(all)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `text` with values for `$NAME` and `${NAME}`, as Go's `os.Expand` has it: what is not set is empty, and a `$`
    /// that nothing follows which could be a name stays.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            expanded.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            let (name, len) = reference(rest);
            match name {
                Some(name) => expanded.push_str(self.get(name).unwrap_or_default()),
                None if len == 0 => expanded.push('$'),
                None => {}
            }
            rest = &rest[len..];
        }
        expanded.push_str(rest);
        expanded
    }
}

/// The name behind a `$`, and how many bytes it takes there. Without a name these bytes are dropped.
fn reference(rest: &str) -> (Option<&str>, usize) {
    let is_special = |c: char| c.is_ascii_digit() || "*#$@!?-".contains(c);
    let Some(first) = rest.chars().next() else {
        return (None, 0);
    };
    if first == '{' {
        let inside = &rest[1..];
        return match inside.find('}') {
            // `${}` and what is never closed are mistakes, of which the beginning goes away.
            Some(0) => (None, 2),
            None => (None, 1),
            Some(end) => (Some(&inside[..end]), end + 2),
        };
    }
    if is_special(first) {
        return (Some(&rest[..1]), 1);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    ((len > 0).then(|| &rest[..len]), len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_as_go_does_it() {
        let variables = Variables::of(&["A=1".to_owned(), "PATH=/bin:/sbin".to_owned()]);
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("/env/bin:$PATH", "/env/bin:/bin:/sbin"),
            ("${A}$A-$A_", "11-"),
            ("$B${B}|", "|"),
            ("$", "$"),
            ("a$ b$/", "a$ b$/"),
            ("$1$?$$x", "x"),
            ("${}a${A", "aA"),
            ("ü$Aü", "ü1ü"),
        ];
        for (text, expected) in cases {
            assert_eq!(variables.expand(text), expected, "{text}");
        }
    }
}

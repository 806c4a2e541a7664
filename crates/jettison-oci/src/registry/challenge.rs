//! What a server wants to know before it answers: the header `WWW-Authenticate` (RFC 9110, section 11.6.1).

use std::iter::Peekable;
use std::str::Chars;

/// The ways to log in that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token from another server (distribution: docs/spec/auth/token.md).
    Bearer {
        /// Where tokens are.
        realm: String,
        /// For whom they are.
        service: Option<String>,
        /// What is to be allowed.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The best of those that headers offer: a token rather than a password.
    pub(crate) fn best<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Challenge> {
        let mut challenges: Vec<Challenge> = headers.flat_map(challenges).collect();
        let bearer = |challenge: &Challenge| matches!(challenge, Challenge::Bearer { .. });
        match challenges.iter().position(bearer) {
            Some(place) => Some(challenges.swap_remove(place)),
            None => challenges.pop(),
        }
    }
}

/// The challenges in one header that we know.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut reader = Reader(header.chars().peekable());
    loop {
        reader.skip(|c| c == ',' || c.is_whitespace());
        let word = reader.word();
        if word.is_empty() {
            // Nothing that we could read on from.
            break;
        }
        reader.skip(char::is_whitespace);
        if reader.0.next_if_eq(&'=').is_some() {
            reader.skip(char::is_whitespace);
            let value = reader.value();
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((word.to_ascii_lowercase(), value));
            }
        } else {
            found.push((word.to_ascii_lowercase(), Vec::new()));
        }
    }
    let known = found.into_iter().filter_map(|(scheme, parameters)| {
        let parameter = |name: &str| {
            let mut parameters = parameters.iter();
            let found = parameters.find(|(other, _)| other == name);
            found.map(|(_, value)| value.clone())
        };
        match scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => Some(Challenge::Bearer {
                realm: parameter("realm")?,
                service: parameter("service"),
                scope: parameter("scope"),
            }),
            _ => None,
        }
    });
    known.collect()
}

struct Reader<'h>(Peekable<Chars<'h>>);

impl Reader<'_> {
    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        while self.0.next_if(|c| is_skipped(*c)).is_some() {}
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '=' | '"');
        while let Some(c) = self.0.next_if(|c| !ends(*c)) {
            word.push(c);
        }
        word
    }

    /// A word, or what stands between quotation marks.
    fn value(&mut self) -> String {
        if self.0.next_if_eq(&'"').is_none() {
            return self.word();
        }
        let mut value = String::new();
        while let Some(c) = self.0.next() {
            match c {
                '"' => break,
                '\\' => value.extend(self.0.next()),
                c => value.push(c),
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Expect) {
        let best = Challenge::best(headers.iter().copied());
        expected.assert_eq(&match best {
            None => "none".to_owned(),
            Some(Challenge::Basic) => "basic".to_owned(),
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => format!("{realm} {service:?} {scope:?}"),
        });
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        check(&[], expect!["none"]);
        check(&["Basic realm=\"x\""], expect!["basic"]);
        check(
            &["Bearer realm=\"https://a/token\",service=\"r\",scope=\"repository:a:pull,push\""],
            expect![[r#"https://a/token Some("r") Some("repository:a:pull,push")"#]],
        );
        check(
            &["Negotiate", "basic realm=x", "BEARER  Realm = https://a/t"],
            expect!["https://a/t None None"],
        );
        check(
            &[r#"Basic realm="a, Bearer realm=b", Bearer realm="c\"d""#],
            expect![[r#"c"d None None"#]],
        );
        check(&["Bearer service=\"no realm\""], expect!["none"]);
    }

    proptest! {
        #[test]
        fn no_header_is_a_panic(header in "\\PC{0,40}") {
            Challenge::best([header.as_str()].into_iter());
        }
    }
}

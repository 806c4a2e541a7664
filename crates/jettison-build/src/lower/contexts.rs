//! Named contexts: which image or directory takes the place of a name (BuildKit: dockerui/namedcontext.go).

use std::collections::BTreeMap;

use jettison_dockerfile::Platform;

use crate::lower::request::NamedContext;

/// The named contexts of a build by their names in short.
#[derive(Debug)]
pub(super) struct Contexts<'a>(BTreeMap<String, (&'a str, &'a NamedContext)>);

impl<'a> Contexts<'a> {
    pub(super) fn new(contexts: &'a BTreeMap<String, NamedContext>) -> Contexts<'a> {
        let pair = |(name, context): (&'a String, &'a NamedContext)| {
            let key = match name.split_once("::") {
                Some((name, platform)) => format!("{}::{}", short(name), usual(platform)),
                None => short(name),
            };
            (key, (name.as_str(), context))
        };
        Contexts(contexts.iter().map(pair).collect())
    }

    /// What takes the place of `name` on `platform`, with the name that it was given under.
    pub(super) fn find(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Option<(&'a str, &'a NamedContext)> {
        if ["scratch", "context"].contains(&name.to_ascii_lowercase().as_str()) {
            return None;
        }
        let name = short(name);
        let platform = platform.normalized();
        let named = |name: &str| {
            let exact = self.0.get(&format!("{name}::{platform}"));
            exact.or_else(|| self.0.get(name)).copied()
        };
        // A digest says which image is meant, and a context takes the place of any.
        let without_digest = name.split_once('@').map(|(name, _)| short(name));
        named(&name).or_else(|| named(&without_digest?))
    }

    /// The same for a name that is no image's.
    pub(super) fn by_name(&self, name: &str) -> Option<&'a str> {
        self.0.get(&short(name)).map(|(name, _)| *name)
    }
}

/// A platform in the usual words.
fn usual(platform: &str) -> String {
    match Platform::parse(platform, "") {
        Ok(platform) => platform.normalized().to_string(),
        Err(_) => platform.to_owned(),
    }
}

/// A reference without what is meant anyway: Docker Hub, its `library`, and `latest`.
fn short(name: &str) -> String {
    let hub = ["docker.io/", "index.docker.io/"];
    let path = hub.iter().find_map(|domain| name.strip_prefix(domain));
    let name = path.unwrap_or(name);
    let name = match name.strip_prefix("library/") {
        Some(image) if !image.contains('/') => image,
        Some(_) | None => name,
    };
    name.strip_suffix(":latest").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images_are_short() {
        for (name, expected) in [
            ("alpine", "alpine"),
            ("alpine:latest", "alpine"),
            ("docker.io/library/alpine:3", "alpine:3"),
            ("library/alpine", "alpine"),
            ("docker.io/a/b", "a/b"),
            ("library/a/b", "library/a/b"),
            ("ghcr.io/library/a:latest", "ghcr.io/library/a"),
        ] {
            assert_eq!(short(name), expected, "{name}");
        }
    }

    #[test]
    fn a_context_for_the_platform_comes_first() {
        let given = BTreeMap::from([
            ("docker.io/library/a".to_owned(), NamedContext::Directory),
            (
                "a::linux/arm64/v8".to_owned(),
                NamedContext::Image("b".to_owned()),
            ),
        ]);
        let contexts = Contexts::new(&given);
        let found = |name: &str, architecture: &str| {
            let platform = Platform::new("linux", architecture);
            contexts.find(name, &platform).map(|(name, _)| name)
        };
        assert_eq!(found("a:latest", "amd64"), Some("docker.io/library/a"));
        assert_eq!(found("a", "arm64"), Some("a::linux/arm64/v8"));
        assert_eq!(found("scratch", "arm64"), None);
        assert_eq!(found("a:1", "amd64"), None);
    }
}

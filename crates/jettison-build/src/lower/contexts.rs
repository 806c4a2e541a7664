//! Named contexts: which image, directory or stage takes the place of a name (BuildKit: dockerui/namedcontext.go).

use std::collections::BTreeMap;

use jettison_dockerfile::{Platform, StageGraph};

use crate::lower::request::NamedContext;
use crate::lower::{LowerError, Lowering, Place, StageState};

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

/// Refuses contexts that stand for stages which do not exist.
pub(super) fn check_stages(
    contexts: &BTreeMap<String, NamedContext>,
    graph: &StageGraph,
) -> Result<(), LowerError> {
    for (context, value) in contexts {
        let stage = match value {
            NamedContext::Stage(stage) => stage,
            NamedContext::Directory | NamedContext::Image(_) => continue,
        };
        if graph.target(Some(stage)).is_err() {
            let names = graph.stages.iter().filter_map(|known| known.name.clone());
            return Err(LowerError::NoContextStage {
                context: context.clone(),
                stage: stage.clone(),
                known: names.collect(),
            });
        }
    }
    Ok(())
}

impl Lowering<'_> {
    /// The stage that a named context stands for, lowered if it is not yet: it may come later in the file.
    pub(super) fn context_stage(
        &mut self,
        context: &str,
        stage: &str,
        place: Place<'_>,
    ) -> Result<(usize, StageState), LowerError> {
        let index = self
            .graph
            .target(Some(stage))
            .map(|stage| stage.index)
            .map_err(|error| self.error(place, &error.message))?;
        if !self.done.contains_key(&index) {
            // The stage that asks goes on where it was.
            let position = self.position;
            let depth = self.under_way.len();
            self.asked.push((context.to_owned(), index, depth));
            self.stages(index)?;
            self.asked.pop();
            self.position = position;
        }
        match self.done.get(&index) {
            Some(done) => Ok((index, done.clone())),
            None => Err(self.error(place, "its stage has not been built")),
        }
    }

    /// Says which named contexts lead around to a stage that is still being lowered.
    pub(super) fn circle(&self, index: usize, place: Place<'_>) -> LowerError {
        let label = self.graph.stages[index].label();
        let begun = self.under_way.iter().position(|other| *other == index);
        let since = |depth: usize| begun.is_some_and(|begun| depth > begun);
        let asked = self.asked.iter().filter(|(_, _, depth)| since(*depth));
        let contexts: Vec<String> = asked
            .map(|(context, stage, _)| {
                let target = self.graph.stages[*stage].label();
                format!("the named context `{context}`, which is stage `{target}`")
            })
            .collect();
        let through = contexts.join(", and ");
        let message =
            format!("circular dependency: stage `{label}` needs itself through {through}");
        self.error(place, &message)
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

//! Google's distroless images, and those that are assembled under their names.

use crate::checks::image_name::ImageName;

/// Where the images are.
const PLACES: [&str; 2] = ["gcr.io/distroless/", "distroless://"];

/// An image of the family, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Distroless<'r> {
    /// What it is for: `static`, `java21`, without Debian's release.
    name: &'r str,
    /// Debian's release, if it is named.
    release: Option<&'r str>,
    /// Whether it has busybox.
    pub(super) is_debug: bool,
    /// Whether packages of somebody's choice are added: `distroless://base+bash`.
    pub(super) has_more: bool,
}

impl<'r> Distroless<'r> {
    /// The image of this name, if it is one of the family.
    pub(super) fn of(reference: &'r str) -> Option<Distroless<'r>> {
        let image = ImageName::of(reference)?;
        let path = PLACES
            .iter()
            .find_map(|place| image.path.strip_prefix(place))?;
        let (path, more) = match path.find(['+', '?']) {
            Some(at) => (&path[..at], true),
            None => (path, false),
        };
        if path.is_empty() || path.contains(['/', '.']) {
            return None;
        }
        let (name, release) = match path.split_once("-debian") {
            Some((name, release)) => (name, Some(release)),
            None => (path, None),
        };
        Some(Distroless {
            name,
            release,
            is_debug: image.tag.is_some_and(|tag| tag.starts_with("debug")),
            has_more: more,
        })
    }

    /// Its ENTRYPOINT; empty if it has none, `None` if that is not known.
    ///
    /// As Google's images have it (distroless: java/java.bzl, python3/python.bzl, nodejs/nodejs.bzl).
    pub(super) fn entrypoint(&self) -> Option<Vec<String>> {
        let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let words: &[&str] = if self.name.strip_prefix("java").is_some_and(is_number) {
            &["/usr/bin/java", "-jar"]
        } else if self.name.strip_prefix("nodejs").is_some_and(is_number) {
            &["/nodejs/bin/node"]
        } else if self.name == "python3" {
            match self.release {
                Some("11") => &["/usr/bin/python3.9"],
                Some("12") => &["/usr/bin/python3.11"],
                Some("13") => &["/usr/bin/python3.13"],
                Some(_) | None => &["/usr/bin/python3"],
            }
        } else {
            return None;
        };
        Some(words.iter().map(ToString::to_string).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_family_are_told_from_others() {
        let java = Some("/usr/bin/java -jar");
        for (reference, expected) in [
            ("gcr.io/distroless/java21-debian12", java),
            ("gcr.io/distroless/java17-debian12:debug-nonroot", java),
            ("gcr.io/distroless/java:11", java),
            ("distroless://java21-debian13:nonroot", java),
            ("distroless://java21-debian13+curl", java),
            ("gcr.io/distroless/java-base-debian12", None),
            (
                "gcr.io/distroless/python3-debian12",
                Some("/usr/bin/python3.11"),
            ),
            ("gcr.io/distroless/python3", Some("/usr/bin/python3")),
            (
                "gcr.io/distroless/nodejs20-debian12",
                Some("/nodejs/bin/node"),
            ),
            ("gcr.io/distroless/static-debian12:nonroot", None),
            ("example.org/distroless/java21-debian12", None),
            ("gcr.io/distroless/java${VERSION}", None),
            ("eclipse-temurin:21", None),
        ] {
            let image = Distroless::of(reference);
            let entrypoint = image.and_then(|image| image.entrypoint());
            assert_eq!(
                entrypoint.map(|words| words.join(" ")).as_deref(),
                expected,
                "{reference}"
            );
        }
        assert!(
            Distroless::of("gcr.io/distroless/base:debug")
                .unwrap()
                .is_debug
        );
        assert!(Distroless::of("distroless://base+bash").unwrap().has_more);
        assert_eq!(Distroless::of("distroless://./my.toml"), None);
    }
}

//! The name of a base image, taken apart.

/// The name of an image: `[registry/]path[:tag][@digest]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageName<'r> {
    /// The repository, without `docker.io/` and `library/` in front.
    pub(super) path: &'r str,
    /// The tag, without a digest.
    pub(super) tag: Option<&'r str>,
}

impl<'r> ImageName<'r> {
    /// Takes the text of a `FROM` apart; `None` if a variable is left in it.
    pub(super) fn of(reference: &'r str) -> Option<ImageName<'r>> {
        if reference.is_empty() || reference.contains('$') {
            return None;
        }
        let name = reference
            .split_once('@')
            .map_or(reference, |(name, _)| name);
        let tag_start = name.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match name[tag_start..].find(':') {
            Some(colon) => {
                let at = tag_start + colon;
                (&name[..at], Some(&name[at + 1..]))
            }
            None => (name, None),
        };
        let mut path = path;
        for prefix in ["docker.io/", "index.docker.io/", "library/"] {
            path = path.strip_prefix(prefix).unwrap_or(path);
        }
        Some(ImageName { path, tag })
    }

    /// The name of an official image of Docker's own registry: a path of one part.
    pub(super) fn official(&self) -> Option<&'r str> {
        (!self.path.contains('/')).then_some(self.path)
    }

    /// Says whether the image is one of Windows, as far as its name tells.
    pub(super) fn is_windows(&self) -> bool {
        let words = ["windows", "nanoserver", "servercore"];
        let is_in = |text: &str| words.iter().any(|word| text.to_lowercase().contains(word));
        is_in(self.path) || self.tag.is_some_and(is_in)
    }

    /// The parts of the tag: `3.12`, `slim`, `bookworm`.
    pub(super) fn tag_parts(&self) -> impl Iterator<Item = &'r str> {
        self.tag.unwrap_or_default().split(['-', '_'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let cases = [
            ("debian", "debian", None),
            (
                "docker.io/library/debian:13-slim",
                "debian",
                Some("13-slim"),
            ),
            ("registry:5000/a/b@sha256:00", "registry:5000/a/b", None),
            ("a/b:c@sha256:00", "a/b", Some("c")),
        ];
        for (reference, path, tag) in cases {
            assert_eq!(ImageName::of(reference), Some(ImageName { path, tag }));
        }
        assert_eq!(ImageName::of("debian:$VERSION"), None);
    }

    #[test]
    fn images_of_windows_are_known_by_name() {
        let is_windows = |name| ImageName::of(name).unwrap().is_windows();
        assert!(is_windows("mcr.microsoft.com/windows/servercore:ltsc2025"));
        assert!(is_windows("golang:1.24-nanoserver"));
        assert!(!is_windows("debian:13"));
    }
}

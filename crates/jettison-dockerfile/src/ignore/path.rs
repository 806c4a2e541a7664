//! Paths as texts.

/// Shortens a path as Go's `filepath.Clean` does: no `.`, no `//`, and `..` taken back where it can be.
pub(super) fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                None if is_rooted => {}
                Some(_) | None => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (is_rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The directories that a path is in, outermost first, and the path itself.
pub(super) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let inner = path
        .char_indices()
        .skip(1)
        .filter(|&(_, c)| c == '/')
        .map(|(offset, _)| &path[..offset]);
    inner.chain([path])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        let cases = [
            ("", "."),
            ("./a/", "a"),
            ("a//b/./c", "a/b/c"),
            ("a/../b", "b"),
            ("../a", "../a"),
            ("/../a", "/a"),
            ("/", "/"),
            ("a/..", "."),
            ("../../x/..", "../.."),
        ];
        for (path, cleaned) in cases {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn ancestors_end_with_the_path_itself() {
        assert_eq!(
            ancestors("a/b/c").collect::<Vec<_>>(),
            ["a", "a/b", "a/b/c"]
        );
        assert_eq!(ancestors("é").collect::<Vec<_>>(), ["é"]);
    }
}

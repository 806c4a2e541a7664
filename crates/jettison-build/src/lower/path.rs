//! Paths as BuildKit writes them into images and copies (`NormalizePath`, util/system/path.go).

/// The directory that `WORKDIR path` leads to; an absolute path is taken as it is written.
pub(super) fn working_dir(current: &str, path: &str) -> String {
    let current = if current.starts_with('/') {
        current.to_owned()
    } else {
        clean(current)
    };
    match path {
        "" => current,
        path if path.starts_with('/') => path.to_owned(),
        path => clean(&format!("{current}/{path}")),
    }
}

/// Where a copy goes to: a path below `working_dir` unless it is absolute. A trailing slash, which says "a
/// directory", is kept.
pub(super) fn destination(working_dir: &str, path: &str) -> String {
    let cleaned = if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("{working_dir}/{path}"))
    };
    let is_directory = matches!(path, "" | ".") || path.ends_with('/') || path.ends_with("/.");
    if is_directory && cleaned != "/" {
        return format!("{cleaned}/");
    }
    cleaned
}

/// A source of `COPY --parents`: what comes before the first `/./` is not kept.
pub(super) fn source_with_parents(source: &str) -> String {
    match source.split_once("/./") {
        Some((above, kept)) => {
            let above = clean(above);
            format!("{}/.{}", above.trim_end_matches('/'), clean(kept))
        }
        None => clean(source),
    }
}

/// A path that matches nothing but itself where patterns are taken.
pub(super) fn literal(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

/// The shortest path from the root that means the same as `/` and `path`.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_directories_are_relative_to_each_other() {
        for (current, path, expected) in [
            ("/app", "src", "/app/src"),
            ("/app", "./a/../b/", "/app/b"),
            ("", "a", "/a"),
            ("app", "app", "/app/app"),
            ("/a", "../../..", "/"),
            ("/a", "", "/a"),
            ("/a", "/b//c/../", "/b//c/../"),
        ] {
            assert_eq!(working_dir(current, path), expected, "{current} {path}");
        }
    }

    #[test]
    fn destinations_keep_their_slash() {
        for (path, expected) in [
            ("bin", "/app/bin"),
            (".", "/app/"),
            ("", "/app/"),
            ("./", "/app/"),
            ("..", "/"),
            ("../../../etc", "/etc"),
            ("/a//b/", "/a/b/"),
            ("/a/.", "/a/"),
            ("/", "/"),
        ] {
            assert_eq!(destination("/app", path), expected, "{path}");
        }
    }

    #[test]
    fn sources_with_parents_keep_their_pivot() {
        for (source, expected) in [
            ("a/b", "/a/b"),
            ("./a", "/a"),
            ("a/./b/../c", "/a/./c"),
            ("/./x/./y", "/./x/y"),
            ("../a/./**/b", "/a/./**/b"),
        ] {
            assert_eq!(source_with_parents(source), expected, "{source}");
        }
    }

    #[test]
    fn a_literal_is_no_pattern() {
        assert_eq!(literal(r"/a*[b]?\c"), r"/a\*\[b]\?\\c");
    }
}

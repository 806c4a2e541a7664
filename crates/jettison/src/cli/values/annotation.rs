//! `--annotation [LEVEL[PLATFORM],…:]KEY=VALUE`

/// What an annotation is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnnotationLevel {
    Manifest,
    ManifestDescriptor,
    Index,
    IndexDescriptor,
}

/// One annotation at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) level: AnnotationLevel,
    /// Only on the image of this platform.
    pub(crate) platform: Option<String>,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// One annotation at all the places that were named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotations(pub(crate) Vec<Annotation>);

/// Reads an annotation; without a level it is the manifest's (buildx: `ParseAnnotations`, util/buildflags/export.go).
pub(crate) fn annotations(text: &str) -> Result<Annotations, String> {
    let (name, value) = text.split_once('=').ok_or("take [LEVEL:]KEY=VALUE")?;
    let (levels, key) = name.split_once(':').unwrap_or(("manifest", name));
    if key.is_empty() {
        return Err("the key is missing".to_string());
    }
    let read = |level: &str| {
        let (level, platform) = match level.split_once('[') {
            Some((level, platform)) => {
                let platform = platform
                    .strip_suffix(']')
                    .filter(|platform| is_platform(platform))
                    .ok_or_else(|| {
                        format!("`[{platform}` is not a platform such as [linux/arm64]")
                    })?;
                (level, Some(platform.to_string()))
            }
            None => (level, None),
        };
        Ok(Annotation {
            level: annotation_level(level)?,
            platform,
            key: key.to_string(),
            value: value.to_string(),
        })
    };
    let list: Result<Vec<_>, String> = levels.split(',').map(read).collect();
    list.map(Annotations)
}

fn annotation_level(name: &str) -> Result<AnnotationLevel, String> {
    match name {
        "manifest" => Ok(AnnotationLevel::Manifest),
        "manifest-descriptor" => Ok(AnnotationLevel::ManifestDescriptor),
        "index" => Ok(AnnotationLevel::Index),
        "index-descriptor" => Ok(AnnotationLevel::IndexDescriptor),
        _ => Err(format!(
            "there is no level called `{name}`: take manifest, manifest-descriptor, index or index-descriptor"
        )),
    }
}

fn is_platform(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_/-".contains(c);
    !text.is_empty() && text.chars().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let shown = match annotations(text) {
            Err(problem) => problem,
            Ok(Annotations(list)) => {
                let lines: Vec<String> = list
                    .iter()
                    .map(|one| {
                        format!(
                            "{:?} {:?} {}={}",
                            one.level, one.platform, one.key, one.value
                        )
                    })
                    .collect();
                lines.join("\n")
            }
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn levels_and_platforms_may_be_named() {
        check("a=b=c", expect!["Manifest None a=b=c"]);
        check("index:a=b", expect!["Index None a=b"]);
        check(
            "index,manifest[linux/arm64],manifest-descriptor:a=",
            expect![[r#"
                Index None a=
                Manifest Some("linux/arm64") a=
                ManifestDescriptor None a="#]],
        );
        check("a=http://x:80", expect!["Manifest None a=http://x:80"]);
    }

    #[test]
    fn other_annotations_are_refused() {
        check("a", expect!["take [LEVEL:]KEY=VALUE"]);
        check("index:=b", expect!["the key is missing"]);
        check(
            "layer:a=b",
            expect![
                "there is no level called `layer`: take manifest, manifest-descriptor, index or index-descriptor"
            ],
        );
        check(
            "manifest[linux/*]:a=b",
            expect!["`[linux/*]` is not a platform such as [linux/arm64]"],
        );
    }
}

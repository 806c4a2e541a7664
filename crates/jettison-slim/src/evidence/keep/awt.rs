//! What Java draws texts with: its runtime loads fontconfig by name, once something is drawn.

use std::path::{Path, PathBuf};

use memchr::memmem;

use super::Keeper;
use super::seen::Look;
use crate::java::jars::{JarError, JarPart, walk};
use crate::rootfs::RootError;

/// The largest jar that is looked into, in bytes.
const LIMIT: u64 = 512 << 20;
/// Classes with which texts are drawn.
const CLASSES: [&[u8]; 2] = [b"java/awt/Font", b"java/awt/Graphics2D"];
/// The library by which the runtime looks for fonts.
const LIBRARY: &str = "libfontconfig.so.1";

/// A jar was looked into far enough, or cannot be read.
struct Enough;

impl From<JarError> for Enough {
    fn from(_: JarError) -> Enough {
        Enough
    }
}

impl Keeper<'_> {
    /// Keeps fontconfig, with what its package depends on, if a jar that Java has opened draws texts.
    pub(super) fn add_fonts_of_java(&mut self) -> Result<(), RootError> {
        let is_java = |path: &PathBuf| path.ends_with("lib/server/libjvm.so");
        if !self.kept.used.iter().any(is_java) {
            return Ok(());
        }
        let is_library = |path: &Path| path.file_name().is_some_and(|name| name == LIBRARY);
        let package = self
            .owners
            .all_files()
            .find_map(|(package, path)| is_library(path).then(|| package.to_owned()));
        let Some(package) = package else {
            return Ok(());
        };
        let jars = self.kept.used.iter().filter(|path| {
            path.extension()
                .is_some_and(|end| end == "jar" || end == "war")
        });
        let jars = self.seen.new_ones(Look::Drawing, jars);
        for jar in jars {
            let draws = !self.keeps_package(&package)
                && self
                    .root
                    .content(&jar, LIMIT)
                    .is_some_and(|bytes| draws_texts(&bytes));
            if draws {
                let reason = format!("{} draws texts", jar.display());
                self.add_unseen_package(&package, &reason)?;
            }
            self.seen.note(Look::Drawing, &jar);
        }
        Ok(())
    }
}

/// Whether a class in a jar with these bytes draws texts.
fn draws_texts(bytes: &[u8]) -> bool {
    let mut draws = false;
    let visit = &mut |part: JarPart<'_>| match part {
        JarPart::Class(_, class)
            if CLASSES
                .iter()
                .any(|name| memmem::find(class, name).is_some()) =>
        {
            draws = true;
            Err(Enough)
        }
        JarPart::Class(..) | JarPart::Jar(_) | JarPart::Service(_) | JarPart::Other(_) => Ok(()),
    };
    // A jar that cannot be read draws nothing, either.
    let _enough: Result<(), Enough> = walk((bytes, ""), u8::MAX, visit);
    draws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java::class::tests::class_with;
    use crate::java::zip::tests::archive;

    #[test]
    fn a_jar_draws_texts_if_a_class_in_it_or_in_a_jar_in_it_does() {
        let chart = class_with("a/Chart", &["java/awt/Graphics2D"]);
        let bean = class_with("a/Bean", &["java/beans/Introspector"]);
        let drawing = archive(&[("a/Chart.class", &chart)]);
        assert!(draws_texts(&drawing));
        assert!(draws_texts(&archive(&[(
            "BOOT-INF/lib/chart.jar",
            &drawing
        )])));
        assert!(!draws_texts(&archive(&[("a/Bean.class", &bean)])));
        assert!(!draws_texts(b"no jar"));
    }
}

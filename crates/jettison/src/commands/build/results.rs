//! What becomes of an image that was built: its names, and the files that are written.

use std::path::{Path, PathBuf};

use jettison_build::Built;
use jettison_oci::{
    Compression, Destination, ExportOptions, Image, Reference, Store, export_image,
};

use crate::cli::BuildArgs;
use crate::commands::build::{metadata, tag};
use crate::commands::world;
use crate::failure::Failure;
use crate::text_file::{check_destination, write};

/// The gzip level of exported layers, as docker's.
const GZIP_LEVEL: u32 = 6;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Results<'a> {
    pub(super) tags: Vec<Reference>,
    destinations: Vec<Destination>,
    iidfile: Option<&'a Path>,
    metadata_file: Option<&'a Path>,
}

impl Results<'_> {
    /// Reads what the command line asks for.
    pub(super) fn of(args: &BuildArgs) -> Result<Results<'_>, Failure> {
        let tags = args.image.tags.iter().map(|tag| world::reference(tag));
        let outputs = args.output.outputs.iter();
        Ok(Results {
            tags: tags.collect::<Result<_, _>>()?,
            destinations: outputs
                .map(|spec| destination(spec))
                .collect::<Result<_, _>>()?,
            iidfile: args.output.iidfile.as_deref(),
            metadata_file: args.output.metadata_file.as_deref(),
        })
    }

    /// Says early what cannot be written.
    pub(super) fn check(&self, dockerfile: &Path) -> Result<(), Failure> {
        let archives = self.destinations.iter().filter_map(file_of);
        for path in archives.chain(self.iidfile).chain(self.metadata_file) {
            check_destination(path, dockerfile)?;
        }
        Ok(())
    }

    /// Names the image, and writes everything.
    pub(super) fn write(&self, store: &Store, built: &Built) -> Result<(), Failure> {
        tag(store, &self.tags, &built.image)?;
        for destination in &self.destinations {
            write_out(store, &built.image, destination, self.tags.first())?;
        }
        if let Some(path) = self.iidfile {
            write(path, &built.image.id().0.to_string())?;
        }
        if let Some(path) = self.metadata_file {
            write(path, &metadata::metadata(built, &self.tags))?;
        }
        Ok(())
    }
}

/// The one file that a destination is, if it is one.
fn file_of(destination: &Destination) -> Option<&Path> {
    match destination {
        Destination::Archive(path) => Some(path),
        Destination::Layout(_) => None,
    }
}

fn write_out(
    store: &Store,
    image: &Image,
    destination: &Destination,
    reference: Option<&Reference>,
) -> Result<(), Failure> {
    let options = ExportOptions {
        compression: Compression::Gzip { level: GZIP_LEVEL },
        reference: reference.cloned(),
    };
    export_image(store, image, destination, &options)
        .map_err(|error| Failure::user("cannot write the image out").because(&error))?;
    Ok(())
}

/// Reads `type=oci,dest=FILE` or `type=oci,tar=false,dest=DIR`.
fn destination(spec: &str) -> Result<Destination, Failure> {
    let fail = |problem: &str| {
        Failure::user(format!("cannot understand output `{spec}`: {problem}"))
            .hint("write type=oci,dest=FILE for an archive, or type=oci,tar=false,dest=DIR for a directory")
    };
    let (mut kind, mut dest, mut tar) = (None, None, true);
    for pair in spec.split(',') {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(fail(&format!("`{pair}` is not `key=value`")));
        };
        match (key, value) {
            ("type", value) => kind = Some(value),
            ("dest", "-") => return Err(fail("standard output is not supported yet")),
            ("dest", value) if !value.is_empty() => dest = Some(PathBuf::from(value)),
            ("tar", "true" | "false") => tar = value == "true",
            _ => return Err(fail(&format!("`{pair}` is not supported"))),
        }
    }
    match (kind, dest) {
        (Some("oci"), Some(path)) if tar => Ok(Destination::Archive(path)),
        (Some("oci"), Some(path)) => Ok(Destination::Layout(path)),
        (Some("oci"), None) => Err(fail("`dest` is missing")),
        (Some(other), _) => Err(fail(&format!("type `{other}` is not supported yet"))),
        (None, _) => Err(fail("`type` is missing")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_archive_is_the_default_of_oci() {
        assert!(
            matches!(destination("type=oci,dest=x.tar"), Ok(Destination::Archive(path)) if path == Path::new("x.tar"))
        );
        assert!(
            matches!(destination("type=oci,tar=false,dest=x"), Ok(Destination::Layout(path)) if path == Path::new("x"))
        );
    }

    #[test]
    fn outputs_that_are_not_known_are_refused() {
        for spec in [
            "",
            "x.tar",
            "type=oci",
            "type=docker,dest=x",
            "dest=x",
            "type=oci,dest=",
            "type=oci,dest=x,push=true",
            "type=oci,tar=maybe,dest=x",
        ] {
            assert!(destination(spec).is_err(), "{spec}");
        }
    }
}

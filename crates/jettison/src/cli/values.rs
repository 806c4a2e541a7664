//! The values of options that have a grammar of their own. Each is read as docker and buildx read it.

mod annotation;
mod attestation;
mod cache;
mod duration;
mod entitlement;
mod fields;
mod host;
mod output;
mod pair;
mod resource;
mod size;
mod switch;
mod ulimit;

pub(crate) use crate::cli::values::annotation::{
    Annotation, AnnotationLevel, Annotations, annotations,
};
pub(crate) use crate::cli::values::attestation::{Attestation, attestation, attestation_of};
pub(crate) use crate::cli::values::cache::{
    CacheExport, CacheImport, CacheMode, CacheMounts, CachePlace, cache_export, cache_import,
};
pub(crate) use crate::cli::values::duration::duration;
pub(crate) use crate::cli::values::entitlement::{Entitlement, entitlement};
pub(crate) use crate::cli::values::fields::{Field, fields};
pub(crate) use crate::cli::values::host::{ExtraHosts, extra_hosts};
pub(crate) use crate::cli::values::output::{
    CompressionKind, FileDest, ImageAttributes, OutputKind, OutputSpec, output,
};
pub(crate) use crate::cli::values::pair::{Pair, pair};
pub(crate) use crate::cli::values::resource::{Resource, resource};
pub(crate) use crate::cli::values::size::size;
pub(crate) use crate::cli::values::switch::switch;
pub(crate) use crate::cli::values::ulimit::{Ulimit, ulimit};

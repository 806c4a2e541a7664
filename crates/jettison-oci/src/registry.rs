//! Registries: the protocol that images are pulled and pushed by, without a socket.
//!
//! Everything goes through [`Transport`], which has one method, and time through [`Clock`]; so all of it is tested in memory. The
//! protocol is that of the OCI distribution specification 1.1, with the tokens and the manifests of Docker.
//!
//! See <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>.

mod artifacts;
mod auth;
mod base64;
mod challenge;
mod client;
mod complete;
mod download;
mod endpoint;
mod error;
mod layers;
mod manifest;
mod message;
mod patience;
mod platform;
mod pull;
mod pull_all;
mod push;
mod referrers;
mod retry_after;
mod transfers;
mod upload;
mod url;

#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;

pub use crate::registry::artifacts::RepositoryArtifacts;
pub use crate::registry::auth::{Credentials, Keys};
pub use crate::registry::base64::{base64, from_base64};
pub use crate::registry::client::RegistryClient;
pub use crate::registry::endpoint::{HostOptions, Mirror, MirrorParseError, RegistryOptions};
pub use crate::registry::error::RegistryError;
pub use crate::registry::message::{
    Headers, Method, Request, RequestBody, Response, Transport, TransportError,
};
pub use crate::registry::patience::{Clock, Patience};
pub use crate::registry::pull::{LayerNeed, Naming, PlatformNeed, PullRequest, Pulled};
pub use crate::registry::pull_all::PulledOriginal;
pub use crate::registry::push::{Originals, PushRequest, Pushed};
pub use crate::registry::transfers::{Transfer, TransferObserver, Unwatched};
pub use crate::registry::url::Url;

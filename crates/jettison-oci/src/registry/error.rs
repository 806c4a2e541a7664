//! What can go wrong with registries.

use std::error::Error;
use std::time::Duration;

use crate::changeset::LayerError;
use crate::digest::Digest;
use crate::image::ImageError;
use crate::layout::ExportError;
use crate::store::StoreError;

/// Why an image could not be pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There was no answer.
    #[error("cannot reach {host}{}", after(*.attempts))]
    Connection {
        /// The registry.
        host: String,
        /// How often it was tried.
        attempts: u32,
        /// What was in the way.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server answers with an error.
    #[error("{host} answers with status {status}{}{message}", after(*.attempts))]
    Status {
        /// The registry.
        host: String,
        /// The status of HTTP.
        status: u16,
        /// How often it was tried.
        attempts: u32,
        /// What the registry says, after a colon; or nothing.
        message: String,
    },
    /// The server wants us to wait for longer than we do.
    #[error("{host} asks to wait for {seconds} seconds{message}")]
    Busy {
        /// The registry.
        host: String,
        /// For how long.
        seconds: u64,
        /// What the registry says, after a colon; or nothing.
        message: String,
    },
    /// The registry does not know who is asking, or does not let them.
    #[error("{registry} refuses {what}{message}")]
    Denied {
        /// The registry, as references have it.
        registry: String,
        /// What was to be done.
        what: String,
        /// Whether credentials were sent.
        was_logged_in: bool,
        /// What the registry says, after a colon; or nothing.
        message: String,
    },
    /// There is no such thing.
    #[error("{host} has no {what}")]
    NotFound {
        /// The registry.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// The registry does not keep to the specification.
    #[error("cannot understand the answer of {host}: {reason}")]
    Answer {
        /// The registry.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What arrived is not what was asked for.
    #[error("{what} is wrong: it should be {expected}, and is {actual}")]
    Wrong {
        /// What was asked for.
        what: String,
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The image is not there for the platform.
    #[error("{reference} is not there for {wanted}, but for {}", list(.available))]
    Platform {
        /// The image.
        reference: String,
        /// The platform that was asked for.
        wanted: String,
        /// The platforms that it is there for.
        available: Vec<String>,
    },
    /// It is something that we do not know.
    #[error("cannot use {what}: {reason}")]
    Unsupported {
        /// What it is about.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Credentials cannot be read.
    #[error("cannot get the credentials for {registry}")]
    Keys {
        /// The registry.
        registry: String,
        /// What is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What is to be sent cannot be read.
    #[error("cannot read {what}")]
    Read {
        /// What it is.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The store refused.
    #[error("cannot {action} in the store")]
    Store {
        /// What was tried.
        action: &'static str,
        /// What the store said.
        source: Box<StoreError>,
    },
    /// A layer is broken.
    #[error("cannot read layer {digest} of {reference}")]
    Layer {
        /// The image.
        reference: String,
        /// The layer's blob.
        digest: Digest,
        /// What is wrong.
        source: Box<LayerError>,
    },
    /// The parts of an image do not belong together.
    #[error("{reference} is broken")]
    Image {
        /// The image.
        reference: String,
        /// What is wrong.
        source: Box<ImageError>,
    },
    /// The image cannot be made ready for a registry.
    #[error("cannot prepare the image")]
    Export(#[source] Box<ExportError>),
    /// Another part of the work failed before.
    #[error("stopped, for something else failed")]
    Stopped,
}

fn after(attempts: u32) -> String {
    match attempts {
        0 | 1 => String::new(),
        attempts => format!(" after {attempts} attempts"),
    }
}

fn list(platforms: &[String]) -> String {
    if platforms.is_empty() {
        "no platform at all".to_owned()
    } else {
        platforms.join(", ")
    }
}

impl RegistryError {
    /// The same, after so many attempts.
    pub(crate) fn after_attempts(mut self, count: u32) -> RegistryError {
        if let RegistryError::Connection { attempts, .. } | RegistryError::Status { attempts, .. } =
            &mut self
        {
            *attempts = count;
        }
        self
    }

    /// The same, where the server asks for a pause that is too long.
    pub(crate) fn with_wish(self, wish: Duration) -> RegistryError {
        match self {
            RegistryError::Status { host, message, .. } => RegistryError::Busy {
                host,
                seconds: wish.as_secs(),
                message,
            },
            other => other,
        }
    }

    /// Whether another server may do better.
    pub(crate) fn is_of_server(&self) -> bool {
        match self {
            RegistryError::Connection { .. }
            | RegistryError::Status { .. }
            | RegistryError::Busy { .. }
            | RegistryError::Denied { .. }
            | RegistryError::NotFound { .. }
            | RegistryError::Answer { .. }
            | RegistryError::Wrong { .. }
            | RegistryError::Keys { .. } => true,
            RegistryError::Platform { .. }
            | RegistryError::Unsupported { .. }
            | RegistryError::Read { .. }
            | RegistryError::Store { .. }
            | RegistryError::Layer { .. }
            | RegistryError::Image { .. }
            | RegistryError::Export(_)
            | RegistryError::Stopped => false,
        }
    }
}

pub(crate) fn store_error(action: &'static str) -> impl FnOnce(StoreError) -> RegistryError {
    move |source| RegistryError::Store {
        action,
        source: Box::new(source),
    }
}

//! What builds take from other machines: files over HTTP, Git repositories, build contexts.

mod address;
mod agent;
mod archive;
mod context;
mod download;
mod exceptions;
mod forward;
mod git;
mod hosts;
mod lock;
mod named;
mod record;
mod temporary;
mod transfer;

pub(crate) use crate::remote::address::{WebAddress, host_name, port_of, redacted};
pub(crate) use crate::remote::agent::{HOST_CERTIFICATES, Reach, Server, agent_for, is_final};
pub(crate) use crate::remote::context::{
    ContextKind, ContextRequest, ContextSources, OpenedContext, open,
};
pub(crate) use crate::remote::forward::ForwardConnector;
pub(crate) use crate::remote::hosts::HostRemotes;
pub(crate) use crate::remote::named::{LayoutReference, NamedContext, NamedFiles, named_contexts};
pub(crate) use crate::remote::record::looks;
pub(crate) use crate::remote::temporary::TemporaryDir;

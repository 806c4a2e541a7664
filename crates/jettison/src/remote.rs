//! What builds take from other machines: files over HTTP, Git repositories, build contexts.

mod address;
mod agent;
mod archive;
mod context;
mod download;
mod git;
mod hosts;
mod http_date;
mod lock;
mod named;
mod record;
mod temporary;
mod transfer;

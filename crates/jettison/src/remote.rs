//! What builds take from other machines: files over HTTP, Git repositories, build contexts.

mod address;
mod agent;
mod download;
mod http_date;
mod record;
mod transfer;

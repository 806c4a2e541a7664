//! A guest book: pages from templates, entries in a file of one JSON object a line.

mod config;
mod entries;
mod pages;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use tiny_http::Server;

use crate::config::Config;
use crate::entries::Entries;
use crate::pages::Pages;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guestbook: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::load("guestbook.json")?;
    let entries = Entries::open(&config.data)?;
    let pages = Arc::new(Pages::new(config.clone(), entries)?);
    let server = Arc::new(Server::http(&config.listen).map_err(|error| error.to_string())?);
    println!("listening on {}", config.listen);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (server, pages) = (Arc::clone(&server), Arc::clone(&pages));
            thread::spawn(move || {
                for request in server.incoming_requests() {
                    pages.answer(request);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")?;
    }
    Ok(())
}

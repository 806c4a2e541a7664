//! What is answered to whom.

use std::fs;
use std::io::Read;
use std::path::{Component, Path};

use minijinja::{Environment, context, path_loader};
use tiny_http::{Header, Method, Request, Response};

use crate::config::Config;
use crate::entries::{Entries, Entry};

type Answer = Response<std::io::Cursor<Vec<u8>>>;

/// The site.
pub struct Pages {
    config: Config,
    entries: Entries,
    templates: Environment<'static>,
}

impl Pages {
    /// Templates are read when they are needed for the first time.
    pub fn new(config: Config, entries: Entries) -> Result<Pages, String> {
        let mut templates = Environment::new();
        templates.set_loader(path_loader(&config.templates));
        templates.get_template("book.html").map_err(|error| error.to_string())?;
        Ok(Pages { config, entries, templates })
    }

    /// Answers one request.
    pub fn answer(&self, mut request: Request) {
        let url = request.url().to_owned();
        let path = url.split('?').next().unwrap_or("/");
        let answer = match (request.method(), path) {
            (Method::Get, "/") => self.page("book.html", 200, ""),
            (Method::Get, "/health") => reply(200, "text/plain", b"ok\n".to_vec()),
            (Method::Get, "/entries.json") => {
                reply(200, "application/json", serde_json::to_vec(&self.entries.all()).unwrap_or_default())
            }
            (Method::Post, "/entries") => self.add(&mut request),
            (Method::Get, path) if path.starts_with("/assets/") => self.asset(&path["/assets/".len()..]),
            (Method::Get, _) => self.page("missing.html", 404, path),
            _ => reply(405, "text/plain", b"there is nothing to do\n".to_vec()),
        };
        if let Err(error) = request.respond(answer) {
            eprintln!("guestbook: {error}");
        }
    }

    fn page(&self, name: &str, status: u16, path: &str) -> Answer {
        let rendered = self.templates.get_template(name).and_then(|template| {
            template.render(context! { title => self.config.title, entries => self.entries.all(), path => path })
        });
        match rendered {
            Ok(text) => reply(status, "text/html; charset=utf-8", text.into_bytes()),
            Err(error) => reply(500, "text/plain", format!("{error}\n").into_bytes()),
        }
    }

    fn add(&self, request: &mut Request) -> Answer {
        let mut body = String::new();
        let longest = self.config.longest as u64;
        if request.as_reader().take(longest + 1).read_to_string(&mut body).is_err() {
            return reply(400, "text/plain", b"this is no text\n".to_vec());
        }
        if body.len() > self.config.longest {
            return reply(413, "text/plain", b"too long\n".to_vec());
        }
        let Ok(entry) = serde_json::from_str::<Entry>(&body) else {
            return reply(400, "text/plain", b"an entry has a name and a text\n".to_vec());
        };
        match self.entries.add(entry) {
            Ok(number) => reply(201, "application/json", format!("{{\"number\":{number}}}").into_bytes()),
            Err(error) => reply(500, "text/plain", format!("{error}\n").into_bytes()),
        }
    }

    fn asset(&self, name: &str) -> Answer {
        let relative = Path::new(name);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        let kind = match relative.extension().and_then(|extension| extension.to_str()) {
            Some("css") => "text/css",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        };
        match fs::read(Path::new(&self.config.assets).join(relative)) {
            Ok(bytes) if plain => reply(200, kind, bytes),
            _ => self.page("missing.html", 404, name),
        }
    }
}

fn reply(status: u16, kind: &str, body: Vec<u8>) -> Answer {
    let header = Header::from_bytes("Content-Type", kind).expect("our own types are ASCII");
    Response::from_data(body).with_status_code(status).with_header(header)
}

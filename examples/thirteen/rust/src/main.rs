//! Knots: how fast that is in kilometres an hour.
use tiny_http::{Header, Response, Server};

fn answer(url: &str) -> Option<String> {
    let knots: f64 = url.strip_prefix("/knots/")?.parse().ok()?;
    Some(format!("{:.2} km/h\n", knots * 1.852))
}

fn main() {
    let server = Server::http("0.0.0.0:8080").expect("port 8080 is free");
    for request in server.incoming_requests() {
        let header = Header::from_bytes("Content-Type", "text/plain").expect("a header");
        let response = match answer(request.url()) {
            Some(text) => Response::from_string(text),
            None => Response::from_string("say /knots/12.5\n").with_status_code(404),
        };
        let _ = request.respond(response.with_header(header));
    }
}

//! A request as a program of bash, which can open connections itself (`/dev/tcp`).

use std::fmt::Write as _;

use super::HttpCheck;
use super::check::Piece;

impl HttpCheck {
    /// The request as a program of bash.
    ///
    /// What follows the headers is read to the end, as the server is asked to close the connection; a length, or the last chunk,
    /// says whether that was all (RFC 9112, section 6.3).
    pub(super) fn bash(&self) -> String {
        let port = match &self.port {
            None => "80".to_owned(),
            Some(piece) => of_bash(std::slice::from_ref(piece)),
        };
        // The port of the scheme is not named (RFC 9110, section 7.2).
        let host = match port.as_str() {
            "80" => self.host.clone(),
            port => format!("{}:{port}", self.host),
        };
        let mut program = String::new();
        if let Some(limit) = self.limit {
            // It is the limit of each `read`; that of all is looked at in the end.
            let _infallible = write!(program, "TMOUT={limit}; ");
        }
        let request = format!("{} {} HTTP/1.1", self.method, of_bash(&self.path));
        let _infallible = write!(
            program,
            "exec 3<>\"/dev/tcp/{}/{port}\" || exit 1;  printf '%s\\r\\n' \"{request}\"",
            self.host,
        );
        // What is said takes the place of what curl says by itself.
        for own in [format!("\"Host: {host}\""), "'Accept: */*'".to_owned()] {
            let is_said = |(name, _): &(String, String)| {
                own[1..]
                    .to_ascii_lowercase()
                    .starts_with(&format!("{}:", name.to_ascii_lowercase()))
            };
            if !self.headers.iter().any(is_said) {
                let _infallible = write!(program, " {own}");
            }
        }
        for (name, value) in &self.headers {
            let _infallible = write!(program, " '{name}: {value}'");
        }
        program.push_str(
            " 'Connection: close' '' >&3;  read -r version status reason <&3; [[ $version == HTTP/1.* ",
        );
        if self.is_strict {
            program.push_str("&& $status -lt 400 ");
        }
        if let Some(limit) = self.limit {
            let _infallible = write!(program, "&& $SECONDS -le {limit} ");
        }
        if self.method == "HEAD" {
            program.push_str("]]");
            return program;
        }
        program.push_str(
            "]] || exit 1;  while IFS=$': \\r' read -r name value <&3 && [[ $name ]]; do case ${name,,} in \
             content-length) length=${value%$'\\r'};; transfer-encoding) end=$'0\\r\\n\\r\\n';; esac; done;  \
             LC_ALL=C; while IFS= read -r -d '' part <&3; do ((size += ${#part} + 1)); done; ((size += ${#part}));  \
             [[ $status == [23]04 || $size -ge $length && $part == *$end ",
        );
        if let Some(limit) = self.limit {
            let _infallible = write!(program, "&& $SECONDS -le {limit} ");
        }
        program.push_str("]]");
        program
    }
}

/// The pieces in double quotes.
fn of_bash(pieces: &[Piece]) -> String {
    let shown = pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Variable { name, default } if default.is_empty() => format!("${{{name}}}"),
        Piece::Variable { name, default } => format!("${{{name}:-{default}}}"),
    });
    shown.collect()
}

//! Programs that send mail where a function of a language does: PHP's `mail` starts `sendmail`, and no text of the program names it.

use std::sync::LazyLock;

use regex::Regex;

/// What PHP starts for `mail`, unless its settings name something else (`sendmail_path`).
pub(super) const SENDMAIL: &str = "/usr/sbin/sendmail";

/// Whether the source `text`, whose name has the extension `end`, has PHP send mail.
pub(super) fn sends_mail(text: &str, end: &str) -> bool {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?m)(?:^|[^\w>:$\\]|\\)(?:mb_send_)?mail\s*\(").ok());
    let is_definition = |before: &str| before.trim_end_matches(['&', ' ']).ends_with("function");
    end == "php"
        && CALL.iter().any(|call| {
            let mut calls = call.find_iter(text);
            calls.any(|found| {
                let name = found.as_str().find("mail").unwrap_or_default();
                !text.get(..found.start() + name).is_some_and(is_definition)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_sent_by_a_call_of_the_function() {
        for text in [
            "<?php mail('a@example.com', 'Hi', 'text');",
            "echo @mail($to, $subject, $text) ? 'sent' : 'failed';",
            "if (\\mail ($to, '', '')) {}",
            "mb_send_mail($to, $subject, $text);",
            "['GET', '/mail', function () { echo @mail('a@example.com', 'Hi', 'x'); }],",
        ] {
            assert!(sends_mail(text, "php"), "{text}");
            assert!(!sends_mail(text, "py"), "{text}");
        }
        for text in [
            "$this->mail($to);",
            "Mailer::mail($to);",
            "function mail($to) {}",
            "$mail($to);",
            "sendmail($to);",
            "// by mail",
        ] {
            assert!(!sends_mail(text, "php"), "{text}");
        }
    }
}

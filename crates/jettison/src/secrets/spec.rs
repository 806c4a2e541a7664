//! The values of `--secret` and `--ssh`, read as buildx reads them (`buildflags`: secrets.go, ssh.go).

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::{Field, fields};

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretSource {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

/// Reads `id=NAME[,src=FILE|env=VARIABLE][,type=file|env]`. What names no place is the variable of its name, if there
/// is one, else the file of its name.
pub(super) fn secret(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<(String, SecretSource), String> {
    let fields =
        fields(text).map_err(|problem| format!("failed to parse csv secret: {problem}"))?;
    let (mut kind, mut id) = (String::new(), String::new());
    let (mut file, mut variable) = (String::new(), String::new());
    for Field { key, value } in fields {
        let Some(value) = value else {
            return Err(format!("invalid field '{key}' must be a key=value pair"));
        };
        match key.as_str() {
            "type" if value != "file" && value != "env" => {
                return Err(format!("unsupported secret type {value:?}"));
            }
            "type" => kind = value,
            "id" => id = value,
            "source" | "src" => file = value,
            "env" => variable = value,
            _ => return Err(format!("unexpected key '{key}' in '{key}={value}'")),
        }
    }
    if id.is_empty() {
        return Err("secret missing ID".to_owned());
    }
    if kind == "env" && variable.is_empty() {
        variable = std::mem::take(&mut file);
    }
    let source = match (variable.is_empty(), file.is_empty()) {
        // With both, the variable is the one that is read (BuildKit: `GetSecret`, session/secrets/secretsprovider).
        (false, _) => SecretSource::Variable(variable),
        (true, false) => SecretSource::File(PathBuf::from(file)),
        (true, true) if variables.contains_key(&id) => SecretSource::Variable(id.clone()),
        (true, true) => SecretSource::File(PathBuf::from(&id)),
    };
    Ok((id, source))
}

/// Reads `default|ID[=SOCKET|KEY[,…]]`.
pub(super) fn ssh(text: &str) -> (String, Vec<PathBuf>) {
    let (id, paths) = text.split_once('=').unwrap_or((text, ""));
    let id = if id.is_empty() { "default" } else { id };
    let paths = match paths {
        "" => Vec::new(),
        paths => paths.split(',').map(PathBuf::from).collect(),
    };
    (id.to_owned(), paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let variables = [("IN_ENV".to_owned(), "x".to_owned())].into();
        expected.assert_eq(&match secret(text, &variables) {
            Ok((id, source)) => format!("{id}: {source:?}"),
            Err(problem) => format!("error: {problem}"),
        });
    }

    #[test]
    fn a_secret_is_a_file_or_a_variable() {
        check("id=a,src=b", expect![[r#"a: File("b")"#]]);
        check("id=a,source=b,type=file", expect![[r#"a: File("b")"#]]);
        check("id=a,env=B", expect![[r#"a: Variable("B")"#]]);
        check("type=env,id=a,src=B", expect![[r#"a: Variable("B")"#]]);
        check("id=a,src=b,env=C", expect![[r#"a: Variable("C")"#]]);
        check("ID=a", expect![[r#"a: File("a")"#]]);
        check("id=IN_ENV", expect![[r#"IN_ENV: Variable("IN_ENV")"#]]);
        check("id=a,\"src=b,c\"", expect![[r#"a: File("b,c")"#]]);
    }

    #[test]
    fn other_texts_are_refused_in_the_words_of_buildx() {
        check("src=a", expect!["error: secret missing ID"]);
        check(
            "a",
            expect!["error: invalid field 'a' must be a key=value pair"],
        );
        check(
            "id=a,type=x",
            expect![[r#"error: unsupported secret type "x""#]],
        );
        check(
            "id=a,mode=1",
            expect!["error: unexpected key 'mode' in 'mode=1'"],
        );
        check(
            "id=\"a",
            expect![[
                r#"error: failed to parse csv secret: parse error on line 1, column 4: bare " in non-quoted-field"#
            ]],
        );
    }

    #[test]
    fn an_agent_is_a_socket_or_keys() {
        let read = |text| format!("{:?}", ssh(text));
        assert_eq!(read("default"), r#"("default", [])"#);
        assert_eq!(read("a=b,c"), r#"("a", ["b", "c"])"#);
        assert_eq!(read("a="), r#"("a", [])"#);
        assert_eq!(read("=b=c"), r#"("default", ["b=c"])"#);
    }
}

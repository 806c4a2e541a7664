//! `--format` templates: the part of Go's `text/template` that docker's users write.
//!
//! ```text
//! text ─lex─► pieces ─parse─► nodes ─render(Data)─► text
//! ```
//!
//! There are fields, variables, pipelines, `if`, `with`, `range`, trimming, comments, literals, comparisons, and docker's own
//! functions. What is not there (`define`, `template`, `block`, `html`, methods of Go's types) is refused by name, and
//! a field that does not exist is an error that lists those that do.

mod data;
mod functions;
mod lex;
mod parse;
mod print;
mod render;

pub(crate) use crate::template::data::{Data, Field, record};

use crate::template::parse::Node;

/// A template that has been read.
#[derive(Debug)]
pub(crate) struct Template {
    nodes: Vec<Node>,
}

/// Why a template cannot be read or filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(String);

impl TemplateError {
    fn new(message: impl Into<String>) -> TemplateError {
        TemplateError(message.into())
    }
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Template, TemplateError> {
        let pieces = lex::lex(text)?;
        let nodes = parse::parse(pieces)?;
        Ok(Template { nodes })
    }

    /// Fills the template in for `data`.
    pub(crate) fn render(&self, data: &Data) -> Result<String, TemplateError> {
        render::render(&self.nodes, data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn sample() -> Data {
        let port = |name: &str| {
            (
                name.to_string(),
                Data::Map(std::collections::BTreeMap::new()),
            )
        };
        record([
            Field::always("ID", "abc"),
            Field::always("Tags", Data::texts(["app:1", "app:2"])),
            Field::always("Size", 42_u64),
            Field::always("Empty", Data::List(Vec::new())),
            Field::always("Health", Data::Null),
            Field::always("Is", true),
            Field::if_set("Note", ""),
            Field::always(
                "Config",
                record([
                    Field::always("Ports", Data::Map([port("80/tcp"), port("53/udp")].into())),
                    Field::always(
                        "Labels",
                        Data::Map([("a".to_string(), "b c".into())].into()),
                    ),
                ]),
            ),
        ])
    }

    #[track_caller]
    fn check(template: &str, expected: Expect) {
        let text = match Template::parse(template).and_then(|template| template.render(&sample())) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn fields_are_printed_as_go_prints_them() {
        check("{{.ID}}-{{ .Size }}", expect!["abc-42"]);
        check("{{.Tags}} {{.Empty}}", expect!["[app:1 app:2] []"]);
        check("{{.Config.Labels}}", expect!["map[a:b c]"]);
        check(
            "{{.Config.Labels.a}} {{.Config.Labels.x}}",
            expect!["b c <no value>"],
        );
        check("{{.Health}} {{.Is}}", expect!["<nil> true"]);
        check(
            "{{.Config.Ports}}",
            expect!["map[53/udp:map[] 80/tcp:map[]]"],
        );
    }

    #[test]
    fn json_has_the_fields_in_their_order() {
        check(
            "{{json .}}",
            expect![[
                r#"{"ID":"abc","Tags":["app:1","app:2"],"Size":42,"Empty":[],"Health":null,"Is":true,"Config":{"Ports":{"53/udp":{},"80/tcp":{}},"Labels":{"a":"b c"}}}"#
            ]],
        );
        check(
            "{{json .Tags}} {{.ID | json}}",
            expect![[r#"["app:1","app:2"] "abc""#]],
        );
    }

    #[test]
    fn ranges_branches_and_variables() {
        check("{{range .Tags}}<{{.}}>{{end}}", expect!["<app:1><app:2>"]);
        check(
            "{{range $i, $t := .Tags}}{{$i}}={{$t}};{{end}}",
            expect!["0=app:1;1=app:2;"],
        );
        check(
            "{{range $p, $_ := .Config.Ports}}{{$p}} {{end}}",
            expect!["53/udp 80/tcp "],
        );
        check("{{range .Empty}}x{{else}}none{{end}}", expect!["none"]);
        check(
            "{{if .Note}}a{{else if .Is}}b{{else}}c{{end}}",
            expect!["b"],
        );
        check(
            "{{with .Config}}{{.Labels.a}}{{$.ID}}{{end}}",
            expect!["b cabc"],
        );
        check("{{$x := .ID}}{{$x}}{{$x = \"y\"}}{{$x}}", expect!["abcy"]);
        check(
            "{{range .Tags}}{{if eq . \"app:2\"}}{{break}}{{end}}{{.}}{{end}}",
            expect!["app:1"],
        );
    }

    #[test]
    fn functions_take_arguments_and_pipes() {
        check("{{join .Tags \", \"}}", expect!["app:1, app:2"]);
        check("{{upper .ID}}{{title \"ab cd\"}}", expect!["ABCAb Cd"]);
        check(
            "{{index .Tags 1}} {{index .Config.Labels \"a\"}}",
            expect!["app:2 b c"],
        );
        check(
            "{{len .Tags}} {{(index (split \"a/b\" \"/\") 1)}}",
            expect!["2 b"],
        );
        check(
            "{{printf \"%-6s|%4d|%q\" .ID .Size .ID}}",
            expect![[r#"abc   |  42|"abc""#]],
        );
        check("{{truncate .ID 2}}[{{pad .ID 1 2}}]", expect!["ab[ abc  ]"]);
        check(
            "{{and .Is .ID}} {{or .Note \"-\"}} {{not .Is}}",
            expect!["abc - false"],
        );
        check(
            "{{if and .Health .Health.Test}}x{{end}}{{slice .ID 1 2}}",
            expect!["b"],
        );
        check(
            "{{if gt .Size 10}}big{{end}}{{ne .ID `abc`}}",
            expect!["bigfalse"],
        );
        check(
            "{{println .ID}}",
            expect![[r"
            abc
        "]],
        );
    }

    #[test]
    fn white_space_is_trimmed_and_comments_say_nothing() {
        check("a  {{- .ID -}}  b{{/* not this */}}", expect!["aabcb"]);
        check("a {{- /* nor {{this}} */ -}} b", expect!["ab"]);
        check(
            "{{/* open }}",
            expect!["error: `{{` at character 1 has no `}}`"],
        );
    }

    #[test]
    fn what_cannot_be_is_said() {
        check(
            "{{.Id}}",
            expect![
                "error: there is no field `Id`; there are ID, Tags, Size, Empty, Health, Is, Note, Config"
            ],
        );
        check("{{.ID", expect!["error: `{{` at character 1 has no `}}`"]);
        check(
            "{{template \"x\"}}",
            expect!["error: `template` is not supported in templates"],
        );
        check(
            "{{html .ID}}",
            expect![
                "error: there is no function `html`; there are and, eq, ge, gt, index, join, json, le, len, lower, lt, ne, not, or, pad, print, printf, println, slice, split, title, truncate, upper"
            ],
        );
        check("{{if .ID}}x", expect!["error: `if` has no `end`"]);
        check("{{end}}", expect!["error: `end` ends nothing"]);
        check(
            "{{}}",
            expect!["error: there is nothing between `{{` and `}}`"],
        );
        check(
            "{{.ID \"x\"}}",
            expect!["error: `.ID` takes no arguments: it is not a function"],
        );
        check(
            "{{index .Tags 7}}",
            expect!["error: there is no element 7 in a list of 2"],
        );
        check(
            "{{.ID.X}}",
            expect!["error: `X` cannot be looked up in a text"],
        );
        check("{{$y}}", expect!["error: there is no variable `$y`"]);
        check(
            "{{join .ID}}",
            expect!["error: `join` takes 2 arguments, not 1"],
        );
    }

    #[test]
    fn no_template_makes_it_panic() {
        // Every sequence of a few words of templates.
        let words = [
            "{{", "}}", "-", " ", ".", ".ID", "$", "$x", ":=", "=", ",", "|", "(", ")", "\"", "`",
            "\\", "if", "else", "end", "range", "with", "break", "index", "printf", "1", "-1", "%",
            "%-9s", "é", "/*",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::from("{{");
            for _ in 0..8 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let place = usize::try_from(state >> 33).unwrap() % words.len();
                text.push_str(words[place]);
                if state.is_multiple_of(3) {
                    text.push(' ');
                }
            }
            text.push_str("}}{{end}}");
            if let Ok(template) = Template::parse(&text) {
                drop(template.render(&sample()));
            }
        }
    }
}

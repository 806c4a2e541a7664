//! Arithmetic: `$(( … ))`, `(( … ))` and the head of `for ((…))`.

use crate::shell::reader::{Read, Reader, name_len};
use crate::shell::scan::WordBuilder;
use crate::shell::script::VariableAccess;

/// Says whether the text after `((` is closed by `))`, so that it is arithmetic.
///
/// Else it is a subshell in a subshell. Shells try both; here a look at the parentheses decides, and what is
/// then not arithmetic after all is an error.
pub(super) fn closes_twice(text: &str) -> bool {
    let mut open = 2;
    let mut quote = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (quote, byte) {
            (None, b'(') => open += 1,
            (None, b')') => {
                open -= 1;
                if open == 1 {
                    return text.as_bytes().get(at + 1) == Some(&b')');
                }
            }
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(b'\''), b'\\') => {}
            (_, b'\\') => {
                bytes.next();
            }
            (Some(open), _) if open == byte => quote = None,
            (None | Some(_), _) => {}
        }
    }
    false
}

impl Reader<'_> {
    /// Reads what is after `((`, and the `))`. What is expanded in it is noted, but belongs to no word.
    pub(super) fn arithmetic(&mut self) -> Read<()> {
        let mut word = WordBuilder::default();
        self.arithmetic_into(&mut word)
    }

    /// Reads what is after `((`, and the `))`, in a word.
    pub(super) fn arithmetic_into(&mut self, word: &mut WordBuilder) -> Read<()> {
        let start = self.at;
        let mut open = 0;
        loop {
            let Some(byte) = self.peek() else {
                return Err(self.opaque(start..self.end, "`((` without a closing `))`"));
            };
            match byte {
                b'(' => open += 1,
                b')' if open > 0 => open -= 1,
                b')' => {
                    if self.eat("))") {
                        return Ok(());
                    }
                    return Err(self.unexpected());
                }
                b'$' | b'`' => {
                    self.expansion(word, true)?;
                    continue;
                }
                b'\'' => return Err(self.unexpected()),
                b'0'..=b'9' => {
                    // A number, maybe with a base: `0xff`, `16#ff`.
                    let rest = self.rest();
                    self.at += rest
                        .bytes()
                        .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'#')
                        .unwrap_or(rest.len());
                    continue;
                }
                _ => {
                    let len = name_len(self.rest());
                    if len > 0 {
                        let range = self.at..self.at + len;
                        let name = &self.text[range.clone()];
                        self.uses(name, VariableAccess::Read, range);
                        word.variables.push(name.to_owned());
                        self.at += len;
                        continue;
                    }
                }
            }
            self.bump();
        }
    }
}

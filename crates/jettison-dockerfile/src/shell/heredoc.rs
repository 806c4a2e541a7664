//! Heredocs of the shell.

use std::mem;
use std::ops::Range;

use crate::shell::reader::{Member, Place, Read, Reader, is_meta};
use crate::shell::redirect::{HeredocBody, Redirect};
use crate::shell::scan::WordBuilder;
use crate::shell::word::ShellWord;

/// A heredoc whose body is still to come.
#[derive(Debug, Clone)]
pub(super) struct PendingHeredoc {
    delimiter: String,
    strip_tabs: bool,
    expand: bool,
    /// The delimiter in the text.
    range: Range<usize>,
    /// The command that has the redirect, once it has been read.
    owner: Option<(Member, usize)>,
}

impl Reader<'_> {
    /// Reads the delimiter of a heredoc. Nothing is expanded in it.
    pub(super) fn delimiter(&mut self, strip_tabs: bool) -> Read<ShellWord> {
        let start = self.at;
        let mut word = WordBuilder::new();
        let mut expand = true;
        while let Some(byte) = self.peek() {
            match byte {
                b'\'' => self.single_quoted(&mut word)?,
                b'"' => self.double_quoted(&mut word)?,
                b'\\' => {
                    self.at += 1;
                    self.refuse_newline()?;
                    self.literal_character(&mut word);
                }
                b'`' => return Err(self.unexpected()),
                b'#' if self.at == start => return Err(self.unexpected()),
                _ if is_meta(byte) => break,
                _ => self.literal_character(&mut word),
            }
            expand &= !matches!(byte, b'\'' | b'"' | b'\\');
        }
        let Some(delimiter) = word.value.clone() else {
            return Err(self.opaque(start..self.at, "an expansion in a heredoc's delimiter"));
        };
        if self.at == start {
            return Err(self.unexpected());
        }
        self.heredocs.push(PendingHeredoc {
            delimiter,
            strip_tabs,
            expand,
            range: start..self.at,
            owner: None,
        });
        Ok(self.built(word, start))
    }

    fn refuse_newline(&self) -> Read<()> {
        match self.peek() {
            None | Some(b'\n') => Err(self.unexpected()),
            Some(_) => Ok(()),
        }
    }

    fn literal_character(&mut self, word: &mut WordBuilder) {
        let start = self.at;
        self.bump();
        word.push(&self.text[start..self.at]);
    }

    /// Says that the heredocs that have been announced last are redirects of `member`, which has been read.
    pub(super) fn own_heredocs(&mut self, member: Member) {
        if self.heredocs.is_empty() {
            return;
        }
        let redirects = self.redirects_of(member).iter().enumerate();
        let indices: Vec<usize> = redirects
            .filter(|(_, redirect)| redirect.kind.is_heredoc())
            .map(|(index, _)| index)
            .collect();
        let ownerless = self.heredocs.iter_mut().filter(|doc| doc.owner.is_none());
        for (heredoc, index) in ownerless.zip(indices) {
            heredoc.owner = Some((member, index));
        }
    }

    /// An error if a heredoc has no body.
    pub(super) fn no_heredoc_is_pending(&self) -> Read<()> {
        match self.heredocs.first() {
            Some(heredoc) => Err(self.opaque(heredoc.range.clone(), "a heredoc without a body")),
            None => Ok(()),
        }
    }

    /// Reads the bodies of the heredocs that have been announced. A line has just ended.
    pub(super) fn heredoc_bodies(&mut self) -> Read<()> {
        for heredoc in mem::take(&mut self.heredocs) {
            let range = self.heredoc_body(&heredoc)?;
            if heredoc.expand {
                let after = (self.at, self.end);
                (self.at, self.end) = (range.start, range.end);
                self.nested(Self::expand_body)?;
                (self.at, self.end) = after;
            }
            let Place { source, text } = self.place(range);
            let body = HeredocBody {
                range: text,
                source_range: source,
                expand: heredoc.expand,
            };
            if let Some((member, index)) = heredoc.owner {
                let redirect: &mut Redirect = &mut self.redirects_of(member)[index];
                redirect.body = Some(body);
            }
        }
        Ok(())
    }

    /// Finds the body that starts here and passes over it and the line that ends it.
    fn heredoc_body(&mut self, heredoc: &PendingHeredoc) -> Read<Range<usize>> {
        let start = self.at;
        let mut is_continued = false;
        for line in self.rest().split_inclusive('\n') {
            let content = line.strip_suffix('\n').unwrap_or(line);
            let content = if heredoc.strip_tabs {
                content.trim_start_matches('\t')
            } else {
                content
            };
            let line_start = self.at;
            self.at += line.len();
            if content == heredoc.delimiter && !is_continued {
                return Ok(start..line_start);
            }
            let backslashes = content.len() - content.trim_end_matches('\\').len();
            is_continued = heredoc.expand && backslashes % 2 == 1;
        }
        let range = heredoc.range.clone();
        Err(self.opaque(range, "a heredoc without the line that ends it"))
    }

    /// Notes what is expanded in a body.
    fn expand_body(&mut self) -> Read<()> {
        let mut word = WordBuilder::default();
        while let Some(len) = self.rest().find(['\\', '$', '`']) {
            self.at += len;
            if self.eat("\\") {
                self.bump();
            } else {
                self.expansion(&mut word, true)?;
            }
        }
        Ok(())
    }
}

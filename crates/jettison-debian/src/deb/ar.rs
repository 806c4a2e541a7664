//! `ar` archives, as far as `.deb` files use them.
//!
//! ```text
//! !<arch>\n
//! name[16] mtime[12] uid[6] gid[6] mode[8] size[10] `\n      then the bytes, and one more if their number is odd
//! ```

use crate::deb::DebError;

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER_SIZE: usize = 60;
/// Binary packages have three members; more are extensions.
const MEMBER_LIMIT: usize = 64;

/// A file in the archive.
#[derive(Debug, Clone)]
pub(super) struct Member<'a> {
    pub(super) name: String,
    pub(super) bytes: &'a [u8],
}

/// All members of the archive.
pub(super) fn members(archive: &[u8]) -> Result<Vec<Member<'_>>, DebError> {
    let fail = |problem| DebError::Format { problem };
    let mut rest = archive
        .strip_prefix(MAGIC)
        .ok_or_else(|| fail("it is not an `ar` archive"))?;
    let mut members = Vec::new();
    while !rest.is_empty() {
        let (header, behind) = rest
            .split_at_checked(HEADER_SIZE)
            .ok_or_else(|| fail("a member's header is cut off"))?;
        if &header[58..] != b"`\n" {
            return Err(fail("a member's header is malformed"));
        }
        let size =
            parse_size(&header[48..58]).ok_or_else(|| fail("a member's size is not a number"))?;
        let (bytes, behind) = behind
            .split_at_checked(size)
            .ok_or_else(|| fail("a member is cut off"))?;
        if members.len() == MEMBER_LIMIT {
            return Err(fail("it has too many members"));
        }
        members.push(Member {
            name: parse_name(&header[..16]),
            bytes,
        });
        rest = if size % 2 == 1 {
            behind.get(1..).unwrap_or_default()
        } else {
            behind
        };
    }
    Ok(members)
}

/// The name, without the slash that some writers put behind it.
fn parse_name(field: &[u8]) -> String {
    let name = String::from_utf8_lossy(field);
    let name = name.trim_end();
    name.strip_suffix('/').unwrap_or(name).to_owned()
}

fn parse_size(field: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(field).ok()?.trim_end();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

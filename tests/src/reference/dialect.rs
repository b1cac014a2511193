//! Splits text in dialects with escapes, long delimiters, other record ends or trailing delimiters.

use runtime::table::{Escape, Source};

use super::record::{Field, Record, has_bad_character};

/// The bytes of a field that is NULL because it is an escaped `N`.
pub const NULL: &[u8] = b"\0N";

/// Returns whether a source is written in such a dialect.
pub fn is_special(source: &Source) -> bool {
    source.long_delimiter.is_some() || source.trailing_delimiter || has_own_ends(source)
}

fn has_own_ends(source: &Source) -> bool {
    source.escape.is_some() || source.record_end.is_some()
}

/// The end of a line that is not a row.
pub fn line_end(source: &Source) -> &'static [u8] {
    source.record_end.unwrap_or("\n").as_bytes()
}

/// The records of a part without its byte order mark. The first one can be a header.
pub fn records(text: &[u8], source: &Source, has_header: bool) -> Vec<Record> {
    let (mut records, mut rest, mut line, mut style) = (Vec::new(), text, 1, None);
    while !rest.is_empty() {
        let is_comment = source.comment.is_some_and(|comment| rest.starts_with(comment.as_bytes()));
        let end = end(rest, source, is_comment);
        let (mut body, next) = match end {
            Some(at) => (&rest[..at], &rest[at + line_end(source).len()..]),
            None => (without_partial_end(rest, source), &rest[rest.len()..]),
        };
        if let Some(at) = end.filter(|_| source.record_end.is_none()) {
            let has_cr = body.ends_with(b"\r");
            let is_usual = *style.get_or_insert(has_cr) == has_cr || source.escape != Some(Escape::Mysql);
            body = match (has_cr, is_usual) {
                (true, true) => &rest[..at - 1],
                (false, false) => &rest[..=at],
                _ => body,
            };
        }
        if !body.is_empty() && !is_comment {
            let is_header = has_header && records.is_empty();
            records.push(Record { line, fields: fields(body, source, is_header) });
        }
        let consumed = &rest[..rest.len() - next.len()];
        let breaks = consumed.iter().filter(|byte| **byte == b'\n').count() as u64;
        line += if line_end(source).contains(&b'\n') { breaks } else { 1 };
        rest = next;
    }
    records
}

/// Where the end of the first record is.
fn end(text: &[u8], source: &Source, is_comment: bool) -> Option<usize> {
    let end = line_end(source);
    let escape = escape_byte(source).filter(|_| !is_comment);
    let quote = source.quote.filter(|_| !is_comment && (source.multiline || escape.is_some()));
    let (mut at, mut is_open) = (0, false);
    while at < text.len() {
        let byte = Some(text[at]);
        if byte == escape {
            let escapes = text.get(at + 1) != end.first() || is_open || !only_in_quotes(source);
            at += if escapes { 2 } else { 1 };
            continue;
        }
        is_open ^= byte == quote;
        if !(is_open && source.multiline) && byte != quote && text[at..].starts_with(end) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The last record may lack the line break of its end.
fn without_partial_end<'t>(text: &'t [u8], source: &Source) -> &'t [u8] {
    let partial = source.record_end.and_then(|end| end.strip_suffix('\n'));
    partial.and_then(|partial| text.strip_suffix(partial.as_bytes())).unwrap_or(text)
}

fn escape_byte(source: &Source) -> Option<u8> {
    source.escape.map(|escape| if let Escape::Char(byte) = escape { byte } else { b'\\' })
}

/// A single character escapes only in quoted fields, if there can be any.
fn only_in_quotes(source: &Source) -> bool {
    source.quote.is_some() && matches!(source.escape, Some(Escape::Char(_)))
}

fn delimiter(source: &Source) -> Vec<u8> {
    source.long_delimiter.map_or_else(|| vec![source.delimiter], |text| text.as_bytes().to_vec())
}

fn fields(record: &[u8], source: &Source, is_header: bool) -> Result<Vec<Field>, &'static str> {
    if !has_own_ends(source) && source.long_delimiter.is_none() && has_bad_character(record) {
        return Err("bad-character");
    }
    if source.escape == Some(Escape::Postgres) && record == br"\." {
        return Err("bad-quoting");
    }
    let mut fields = Vec::new();
    let mut rest = Some(record);
    while let Some(text) = rest {
        let is_quoted = source.quote.is_some() && text.first().copied() == source.quote;
        let (field, after) = if is_quoted { quoted(&text[1..], source)? } else { bare(text, source)? };
        fields.push(field);
        rest = after;
    }
    if source.trailing_delimiter {
        let is_empty = |field: &Field| field.bytes.is_empty() && !field.quoted;
        match fields.last() {
            Some(last) if is_empty(last) && fields.len() > 1 => fields.truncate(fields.len() - 1),
            _ if is_header => {}
            _ => return Err("field-count"),
        }
    }
    Ok(fields)
}

/// A field, and the text after the delimiter that follows it.
type Split<'t> = (Field, Option<&'t [u8]>);

fn bare<'t>(text: &'t [u8], source: &Source) -> Result<Split<'t>, &'static str> {
    let delimiter = delimiter(source);
    if let Some(after) = null(text, source) {
        return Ok((Field { bytes: NULL.to_vec(), quoted: false }, after.strip_prefix(delimiter.as_slice())));
    }
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(&delimiter) {
            return match is_ambiguous(rest, &delimiter) {
                true => Err("bad-quoting"),
                false => Ok((Field { bytes, quoted: false }, Some(&rest[delimiter.len()..]))),
            };
        }
        if Some(rest[0]) == escape_byte(source) {
            let (byte, length) = escaped(rest, source, false)?;
            bytes.push(byte);
            at += length;
            continue;
        }
        if Some(rest[0]) == source.quote {
            return Err("bad-quoting");
        }
        check(rest, source, false)?;
        bytes.push(rest[0]);
        at += 1;
    }
    Ok((Field { bytes, quoted: false }, None))
}

fn quoted<'t>(text: &'t [u8], source: &Source) -> Result<Split<'t>, &'static str> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        let quote = source.quote;
        if Some(rest[0]) == quote && rest.get(1).copied() != quote {
            let field = Field { bytes, quoted: true };
            return match (&rest[1..], rest[1..].strip_prefix(delimiter(source).as_slice())) {
                ([], _) => Ok((field, None)),
                (_, Some(after)) => Ok((field, Some(after))),
                _ => Err("bad-quoting"),
            };
        }
        let (byte, length) = match () {
            () if Some(rest[0]) == quote => (rest[0], 2),
            () if Some(rest[0]) == escape_byte(source) => escaped(rest, source, true)?,
            () => {
                check(rest, source, true)?;
                (rest[0], 1)
            }
        };
        bytes.push(byte);
        at += length;
    }
    Err("bad-quoting")
}

/// The text after a field that is nothing but an escaped `N`, if that is NULL.
fn null<'t>(text: &'t [u8], source: &Source) -> Option<&'t [u8]> {
    let marker = [escape_byte(source)?, b'N'];
    let is_null =
        !matches!(source.escape, Some(Escape::Char(_))) || source.nulls.iter().any(|null| null.as_bytes() == marker);
    let after = text.strip_prefix(&marker).filter(|_| is_null)?;
    (after.is_empty() || after.starts_with(&delimiter(source))).then_some(after)
}

/// `|||` can be a delimiter `||` after or before another `|`.
fn is_ambiguous(rest: &[u8], delimiter: &[u8]) -> bool {
    let begins = |at: usize| rest.len() >= at && rest[at..].starts_with(delimiter);
    (1..delimiter.len()).any(|by| delimiter.starts_with(&delimiter[by..]) && begins(by)) && !begins(delimiter.len())
}

fn check(rest: &[u8], source: &Source, is_quoted: bool) -> Result<(), &'static str> {
    let is_bad = match (rest[0], source.record_end) {
        (0, _) => true,
        (b'\r' | b'\n', Some(end)) => end.len() == 1,
        (b'\n', None) => !(is_quoted && source.multiline),
        (b'\r', None) if source.escape == Some(Escape::Mysql) && rest.len() > 1 => false,
        (b'\r', None) => rest.get(1) != Some(&b'\n'),
        _ => false,
    };
    if is_bad { Err("bad-character") } else { Ok(()) }
}

/// The byte that an escape stands for, and the length of the escape.
fn escaped(rest: &[u8], source: &Source, is_quoted: bool) -> Result<(u8, usize), &'static str> {
    let Some(next) = rest.get(1).copied() else { return Err("bad-quoting") };
    let letters: &[(u8, u8)] = match source.escape {
        Some(Escape::Mysql) => &[(b'b', 8), (b'n', 10), (b'r', 13), (b't', 9), (b'Z', 26)],
        Some(Escape::Postgres) => &[(b'b', 8), (b'f', 12), (b'n', 10), (b'r', 13), (b't', 9), (b'v', 11)],
        _ => return one_character(rest[0], next, source, is_quoted),
    };
    if let Some((_, byte)) = letters.iter().find(|(letter, _)| *letter == next) {
        return Ok((*byte, 2));
    }
    match (next, source.escape) {
        (0, _) | (b'0', Some(Escape::Mysql)) => Err("bad-character"),
        (b'0'..=b'7', _) if source.escape == Some(Escape::Postgres) => number(&rest[1..], 1, 3, 8),
        (b'x', Some(Escape::Postgres)) => number(&rest[2..], 2, 2, 16),
        _ if next.is_ascii_alphanumeric() => Err("bad-quoting"),
        _ => Ok((next, 2)),
    }
}

fn number(digits: &[u8], before: usize, max: usize, radix: u32) -> Result<(u8, usize), &'static str> {
    let digits: String = digits.iter().map(|b| char::from(*b)).take(max).take_while(|c| c.is_digit(radix)).collect();
    match u32::from_str_radix(&digits, radix) {
        Ok(0) => Err("bad-character"),
        Ok(byte @ 1..128) => Ok((byte as u8, before + digits.len())),
        _ => Err("bad-quoting"),
    }
}

fn one_character(escape: u8, next: u8, source: &Source, is_quoted: bool) -> Result<(u8, usize), &'static str> {
    let is_outside = only_in_quotes(source) && !is_quoted;
    let needs_escape = delimiter(source)[0] == next
        || source.quote == Some(next)
        || b"\r\n".contains(&next)
        || line_end(source)[0] == next
        || source.quote.is_none() && b"\"'".contains(&next);
    match (next, is_outside) {
        _ if next == escape && is_outside => Err("bad-quoting"),
        _ if next == escape => Ok((next, 2)),
        (0, _) => Err("bad-character"),
        _ if needs_escape => Ok((next, 2)),
        (_, true) => Ok((escape, 1)),
        (_, false) => Err("bad-quoting"),
    }
}

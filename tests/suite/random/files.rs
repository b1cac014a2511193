//! The files of an export, written in all equivalent ways.

use std::io::{Read as _, Write as _};

use encoding_rs::Encoding;
use runtime::canonical::row::Layout;
use runtime::canonical::row_bytes::segments;
use runtime::table::{Completeness, Compression, Escape, Source, Table};

use super::source::can_encode;
use super::{CellText, FileDice, Quotes, delimiter, lines};
use crate::engines::Parts;

/// Writes rows as the parts of an export.
pub(crate) fn export(table: &'static Table, rows: &[Vec<CellText>], dice: &FileDice) -> Parts {
    let written = |text: &[u8]| compress(table.source.compression, &encode(table.source.encoding, text));
    let parts = texts(table, rows, dice).into_iter().map(|(name, text)| (name, written(&text)));
    parts.chain(other_files(&table.source)).collect()
}

/// Files that are not parts: one that the source does not name, and a manifest.
fn other_files(source: &Source) -> Parts {
    let file = |name: &str| (name.to_owned(), b"not,a\nrow".to_vec());
    let unnamed = source.parts.map(|_| file("notes.txt"));
    let sidecar = match source.complete {
        Completeness::RedshiftManifest(name) | Completeness::Marker(name) => Some(name),
        Completeness::Manifest => Some("_manifest.json"),
        Completeness::Single | Completeness::Count(_) => None,
    };
    unnamed.into_iter().chain(sidecar.map(file)).collect()
}

/// The text in an encoding; `None` is UTF-8.
pub(crate) fn encode(encoding: Option<&str>, text: &[u8]) -> Vec<u8> {
    let Some(encoding) = encoding else { return text.to_vec() };
    let text = std::str::from_utf8(text).expect("texts are UTF-8");
    match encoding {
        "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        label => Encoding::for_label(label.as_bytes()).unwrap().encode(text).0.into_owned(),
    }
}

/// The parts as UTF-8, before compression.
pub(crate) fn texts(table: &'static Table, rows: &[Vec<CellText>], dice: &FileDice) -> Parts {
    let extension = match table.source.compression {
        Compression::Gzip => "csv.gz",
        Compression::Zstd => "csv.zst",
        Compression::None => "csv",
    };
    let die = |at: usize| usize::from(dice.order[at % dice.order.len()]);
    let mut sequence: Vec<usize> = (0..rows.len()).collect();
    sequence.sort_by_key(|at| if dice.style & 1 != 0 { die(*at) } else { 0 });
    sort_like_the_source(table, rows, &mut sequence);
    let bound = |part: usize| part * rows.len() / dice.parts;
    (0..dice.parts)
        .map(|part| {
            let rows = sequence[bound(part)..bound(part + 1)].iter().map(|at| &rows[*at]);
            // Where each part has a header, each can have its own column order.
            let headed = if table.source.first_part_header { 0 } else { part };
            let unlisted = if table.source.skip_unlisted { die(headed) % 3 } else { 0 };
            let mut order: Vec<usize> = (0..table.columns.len() + unlisted).collect();
            if table.source.header && dice.style & 2 != 0 {
                order.sort_by_key(|at| die(at + headed * 7));
            }
            (format!("part-{part}.{extension}"), text(table, &rows.collect::<Vec<_>>(), &order, dice, part))
        })
        .collect()
}

/// Three of four sources list their rows by their keys: ascending, descending, or by the last key column first.
fn sort_like_the_source(table: &'static Table, rows: &[Vec<CellText>], sequence: &mut [usize]) {
    let layout = Layout::new(table);
    let key = |at: &usize| -> Vec<Vec<u8>> {
        let text =
            |name: &&str| table.columns.iter().position(|column| column.name == *name).map(|c| &rows[*at][c].text);
        let texts: Vec<String> = table.primary_key.iter().filter_map(text).cloned().collect();
        let key = layout.key_from_texts(&texts).unwrap_or_default();
        segments(&key).filter_map(|segment| segment.text.map(<[u8]>::to_vec)).collect()
    };
    match (table.columns.len() + usize::from(table.source.delimiter)) % 4 {
        0 => {}
        1 => sequence.sort_by_key(key),
        2 => sequence.sort_by_key(|at| std::cmp::Reverse(key(at))),
        _ => sequence.sort_by_key(|at| key(at).into_iter().rev().collect::<Vec<_>>()),
    }
}

fn text(table: &Table, rows: &[&Vec<CellText>], order: &[usize], dice: &FileDice, part: usize) -> Vec<u8> {
    let Table { source, .. } = table;
    let style = dice.style >> 2;
    let line_end = source.record_end.unwrap_or(if style & 1 != 0 { "\r\n" } else { "\n" });
    let trailing = if source.trailing_delimiter { delimiter(source) } else { String::new() };
    // Two byte order marks would be one and a bad value.
    let mut text = if style & 2 != 0 && can_encode(source.encoding, "\u{FEFF}") { "\u{FEFF}" } else { "" }.to_owned();
    let (has_head, has_tail) = lines::has_ends(source, dice, part);
    let header = source.header.then(|| header(table, order, dice) + &trailing);
    let mut lines = if has_head { lines::first(source, dice) } else { Vec::new() };
    lines.extend(header.clone().filter(|_| has_head));
    for (number, row) in rows.iter().enumerate() {
        lines.extend(lines::before_row(source, dice, number + part, header.as_ref()));
        let die = u32::from(dice.order[number % dice.order.len()]);
        let fields = order.iter().map(|at| match row.get(*at) {
            Some(text) => cell(source, text, die >> (at % 12)),
            None => die.to_string(),
        });
        lines.push(fields.collect::<Vec<_>>().join(&delimiter(source)) + &trailing);
    }
    if has_tail {
        lines.extend(lines::last(source, dice, rows.len()));
    }
    // After lines that are skipped, there is one more.
    let is_skipped = has_head && lines.len() == source.skip_first as usize;
    lines.extend(is_skipped.then(String::new));
    text.push_str(&lines.join(line_end));
    // UTF-16 without a line break could be anything, and a blank line without an end is none.
    let needs_end = lines.last().is_none_or(String::is_empty) || lines.len() < 2 && source.encoding.is_some();
    if style & 8 != 0 || source.final_newline || needs_end {
        text.push_str(line_end);
    }
    text.into_bytes()
}

fn header(table: &Table, order: &[usize], dice: &FileDice) -> String {
    let Table { source, .. } = table;
    let spelled = |at: &usize| {
        // Names that no column has; they may be the same, or empty.
        let Some(column) = table.columns.get(*at) else { return ["x", ""][at % 2].to_owned() };
        let name = column.header.unwrap_or(column.name);
        if source.any_header_case && at.is_multiple_of(2) { name.to_uppercase() } else { name.to_owned() }
    };
    let names = order.iter().map(|at| field(source, &spelled(at), Quotes::Optional, dice.style >> 12));
    names.collect::<Vec<_>>().join(&delimiter(source))
}

/// A NULL that is an escaped `N` is written as it is.
fn cell(source: &Source, cell: &CellText, die: u32) -> String {
    let is_marker = source.escape.is_some() && cell.name.is_none() && cell.text == "\\N";
    if is_marker { cell.text.clone() } else { field(source, &cell.text, cell.quotes, die) }
}

fn field(source: &Source, text: &str, quotes: Quotes, die: u32) -> String {
    match source.quote.map(char::from) {
        Some(quote) if quotes == Quotes::Needed || (quotes == Quotes::Optional && die & 1 != 0) => {
            let text = if source.escape.is_some() {
                text.replace('\\', "\\\\").replace('\r', "\\\r").replace('\n', "\\\n")
            } else {
                text.into()
            };
            let is_escaped = source.escape.is_some() && die & 2 != 0;
            let inner = if is_escaped { format!("\\{quote}") } else { format!("{quote}{quote}") };
            format!("{quote}{}{quote}", text.replace(quote, &inner))
        }
        None => source.escape.map_or_else(|| text.to_owned(), |escape| escaped(source, escape, text, die)),
        Some(_) => text.to_owned(),
    }
}

fn escaped(source: &Source, escape: Escape, text: &str, die: u32) -> String {
    let delimiter = delimiter(source);
    let has_letters = !matches!(escape, Escape::Char(_)) && die & 1 != 0;
    let escape_one = |character: char| match character {
        '\n' if has_letters => "\\n".to_owned(),
        '\r' if has_letters => "\\r".to_owned(),
        '\t' if has_letters => "\\t".to_owned(),
        '\n' | '\r' | '\\' => format!("\\{character}"),
        other if delimiter.starts_with(other) => format!("\\{other}"),
        other => other.to_string(),
    };
    text.chars().map(escape_one).collect()
}

/// Compresses the text; gzip in two members, which is still one file.
/// What was compressed; the bytes themselves if they are broken.
pub(crate) fn inflate(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let inflated = match compression {
        Compression::None => return bytes.to_vec(),
        Compression::Zstd => zstd::decode_all(bytes),
        Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text).map(|_| text),
    };
    inflated.unwrap_or_else(|_| bytes.to_vec())
}

pub(crate) fn compress(compression: Compression, text: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => text.to_vec(),
        Compression::Zstd => zstd::encode_all(text, 1).unwrap(),
        Compression::Gzip => {
            let (head, tail) = text.split_at(text.len() / 2);
            let member = |text: &[u8]| {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            };
            [member(head), member(tail)].concat()
        }
    }
}

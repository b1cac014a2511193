//! Padded values, other encodings, and bytes that are not characters.

use encoding_rs::Encoding;

use super::Polluted;
use super::texts::{Dialect, NAMES, ROWS, clean, with_record};

/// The positions of the columns that are not text. A blank around a text is part of it.
const TYPED: [usize; 3] = [0, 2, 3];

pub(super) fn padded() -> Vec<Polluted> {
    let dialect = Dialect::default();
    let mut files = vec![columns_of_spaces()];
    for (at, row) in ROWS.iter().enumerate() {
        for column in TYPED {
            for blank in [" ", "   ", "\t", "\u{a0}", "\u{3000}", "\0"] {
                for (before, after) in [(blank, ""), ("", blank), (blank, blank)] {
                    let mut fields = row.map(|text| dialect.field(text));
                    fields[column] = format!("{before}{}{after}", row[column]);
                    let what = format!("{:?} in row {at}", fields[column]);
                    let file = Polluted::new(what, with_record(at + 1, fields.join(",")));
                    let is_trimmed = blank.trim_matches([' ', '\t']).is_empty();
                    files.push(if is_trimmed { file.with_columns(", trim: true") } else { file });
                }
            }
        }
    }
    files
}

/// Every field is padded with spaces to the width of its column.
fn columns_of_spaces() -> Polluted {
    let record = |row: &[&str; 5]| row.map(|text| format!("{text:<20}")).join("\u{1}");
    let header = NAMES.join("\u{1}");
    let rows: Vec<String> = std::iter::once(header).chain(ROWS.iter().map(record)).collect();
    Polluted::new("columns padded with spaces", Dialect::default().join(&rows))
        .under(r#"delimiter: "\u0001", quote: none"#)
        .with_columns(", trim: true")
}

/// The text in an encoding; `None` if it has characters that the encoding lacks.
pub(super) fn encode(text: &str, label: &str) -> Option<Vec<u8>> {
    match label {
        "utf-16le" => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf-16be" => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        _ => {
            let (bytes, _, lacks) = Encoding::for_label(label.as_bytes()).unwrap().encode(text);
            (!lacks).then(|| bytes.into_owned())
        }
    }
}

/// Labels of encodings that are neither UTF-8 nor stateful.
const LABELS: [&str; 14] = [
    "utf-16le",
    "utf-16be",
    "windows-1250",
    "windows-1252",
    "windows-1254",
    "windows-1258",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-10",
    "iso-8859-15",
    "iso-8859-16",
    "macintosh",
    "gb18030",
];

pub(super) fn encoded() -> Vec<Polluted> {
    let text = String::from_utf8(clean()).unwrap();
    let marked = format!("\u{feff}{text}");
    let mut files = vec![Polluted::new("utf-8 with a mark", marked.clone()).under("encoding: utf-8")];
    for label in LABELS {
        let bytes = encode(&text, label).unwrap_or_else(|| panic!("{label} lacks a character of the rows"));
        files.push(Polluted::new(label, bytes).under(format!("encoding: {label}")));
        if let Some(bytes) = encode(&marked, label) {
            files.push(Polluted::new(format!("{label} with a mark"), bytes).under(format!("encoding: {label}")));
        }
        for (at, row) in ROWS.iter().enumerate() {
            let record = Dialect::default().record(*row);
            let Some(bytes) = encode(&record, label).filter(|bytes| *bytes != record.as_bytes()) else { continue };
            let rest = with_record(at + 1, "@");
            let (before, after) = rest.split_once("@\n").unwrap();
            let bytes = [before.as_bytes(), &bytes, b"\n", after.as_bytes()].concat();
            files.push(Polluted::new(format!("row {at} in {label}"), bytes));
        }
    }
    files
}

/// A byte is damaged, lost, or another.
pub(super) fn damaged() -> Vec<Polluted> {
    let clean = clean();
    let mut files = Vec::new();
    for at in 0..=clean.len() {
        for byte in [0, 0xff] {
            let bytes = [&clean[..at], &[byte], &clean[at..]].concat();
            files.push(Polluted::new(format!("{byte:#x} inserted at {at}"), bytes));
            // One byte of a character for another is a character.
            if clean.get(at).is_some_and(u8::is_ascii) {
                let bytes = [&clean[..at], &[byte], &clean[at + 1..]].concat();
                files.push(Polluted::new(format!("{byte:#x} instead of byte {at}"), bytes));
            }
        }
        if clean.get(at).is_some_and(|byte| !byte.is_ascii()) {
            let bytes = [&clean[..at], &clean[at + 1..]].concat();
            files.push(Polluted::new(format!("byte {at} lost"), bytes));
        }
    }
    files
}

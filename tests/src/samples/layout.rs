//! How the rows of an export become the bytes of a part.

use super::model::Row;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// Zstandard's own default.
const ZSTD_LEVEL: i32 = 3;

/// Encoded lines go to the compressor in pieces of about this many bytes.
const PIECE: usize = 64 * 1024;

/// How the source system of a table writes its exports; what `source` in the table's schema describes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) compression: Compression,
    pub(super) delimiter: u8,
    /// Fields that need it stand in double quotes.
    pub(super) quotes: bool,
    /// An empty text stands in double quotes, so that it is not NULL.
    pub(super) quotes_empty: bool,
    pub(super) header: bool,
    /// What stands for NULL.
    pub(super) null: &'static str,
    /// A byte order mark in front and CR LF behind every line.
    pub(super) windows: bool,
    pub(super) complete: Completeness,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Compression {
    Gzip,
    Zstd,
    None,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Completeness {
    Single,
    Marker { name: &'static str, parts: usize },
    Manifest { parts: usize },
    Count { parts: usize },
}

impl Layout {
    /// What a schema without `source` describes.
    pub(super) const DEFAULT: Self = Self {
        compression: Compression::Gzip,
        delimiter: b',',
        quotes: true,
        quotes_empty: false,
        header: true,
        null: "",
        windows: false,
        complete: Completeness::Single,
    };

    /// How many parts an export has.
    pub(super) fn parts(&self) -> usize {
        match self.complete {
            Completeness::Single => 1,
            Completeness::Marker { parts, .. } | Completeness::Manifest { parts } | Completeness::Count { parts } => {
                parts
            }
        }
    }

    /// What the name of a part ends with.
    pub(super) fn extension(&self) -> String {
        let text = if self.delimiter == b'\t' { "tsv" } else { "csv" };
        match self.compression {
            Compression::Gzip => format!("{text}.gz"),
            Compression::Zstd => format!("{text}.zst"),
            Compression::None => text.to_owned(),
        }
    }

    fn append_line<'a>(&self, line: &mut Vec<u8>, fields: impl Iterator<Item = Option<&'a str>>) {
        for (place, field) in fields.enumerate() {
            if place > 0 {
                line.push(self.delimiter);
            }
            match field {
                None => line.extend_from_slice(self.null.as_bytes()),
                Some(text) if self.must_quote(text) => append_quoted(line, text),
                Some(text) => line.extend_from_slice(text.as_bytes()),
            }
        }
        line.extend_from_slice(if self.windows { b"\r\n" } else { b"\n" });
    }

    fn must_quote(&self, text: &str) -> bool {
        let special = |byte: u8| byte == self.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
        self.quotes && ((self.quotes_empty && text.is_empty()) || text.bytes().any(special))
    }
}

fn append_quoted(line: &mut Vec<u8>, text: &str) {
    line.push(b'"');
    line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    line.push(b'"');
}

/// One part while it is written.
pub(super) struct PartWriter<W: Write> {
    layout: Layout,
    lines: Vec<u8>,
    encoder: Encoder<W>,
}

enum Encoder<W: Write> {
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
    None(W),
}

impl<W: Write> PartWriter<W> {
    /// Begins a part, with its header if the layout has one.
    pub(super) fn new(layout: Layout, columns: &[&str], target: W) -> io::Result<Self> {
        let encoder = match layout.compression {
            // No modification time and no name: the same rows are the same bytes.
            Compression::Gzip => Encoder::Gzip(GzBuilder::new().mtime(0).write(target, flate2::Compression::new(6))),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
            Compression::None => Encoder::None(target),
        };
        let mut lines = Vec::with_capacity(2 * PIECE);
        if layout.windows {
            lines.extend_from_slice("\u{feff}".as_bytes());
        }
        if layout.header {
            layout.append_line(&mut lines, columns.iter().copied().map(Some));
        }
        Ok(Self { layout, lines, encoder })
    }

    /// Writes one row; `order` names the place in the row of each field of the line.
    pub(super) fn row(&mut self, row: &Row, order: &[usize]) -> io::Result<()> {
        self.layout.append_line(&mut self.lines, order.iter().map(|&place| row[place].as_deref()));
        if self.lines.len() >= PIECE { self.drain() } else { Ok(()) }
    }

    /// Writes what is left and the trailer of the compression.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.drain()?;
        match self.encoder {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::None(target) => Ok(target),
        }
    }

    fn drain(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder.write_all(&self.lines)?,
            Encoder::Zstd(encoder) => encoder.write_all(&self.lines)?,
            Encoder::None(target) => target.write_all(&self.lines)?,
        }
        self.lines.clear();
        Ok(())
    }
}

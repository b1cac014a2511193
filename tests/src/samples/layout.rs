//! Writes the rows of an export as the bytes of a part.

use super::row::Row;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use std::io::{self, Write};

/// Zstandard's default level.
const ZSTD_LEVEL: i32 = 3;

/// Lines are passed to the compressor in chunks of about this many bytes.
const CHUNK: usize = 64 * 1024;

/// How the source system writes a table's exports; the schema describes it in `source`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) compression: Compression,
    pub(super) delimiter: u8,
    /// Whether fields that need it are in double quotes.
    pub(super) quotes: bool,
    /// Whether an empty text is in double quotes, so that it is not NULL.
    pub(super) quotes_empty: bool,
    pub(super) header: bool,
    /// The text that means NULL.
    pub(super) null: &'static str,
    /// Whether files begin with a byte order mark and lines end with CR LF.
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
    /// The layout of a schema without `source`.
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

    /// The number of parts of an export.
    pub(super) fn parts(&self) -> usize {
        match self.complete {
            Completeness::Single => 1,
            Completeness::Marker { parts, .. } | Completeness::Manifest { parts } | Completeness::Count { parts } => {
                parts
            }
        }
    }

    /// The extension of a part's name.
    pub(super) fn extension(&self) -> String {
        let text = if self.delimiter == b'\t' { "tsv" } else { "csv" };
        match self.compression {
            Compression::Gzip => format!("{text}.gz"),
            Compression::Zstd => format!("{text}.zst"),
            Compression::None => text.to_owned(),
        }
    }

    fn append_line<'a>(&self, line: &mut Vec<u8>, fields: impl Iterator<Item = Option<&'a str>>) {
        for (index, field) in fields.enumerate() {
            if index > 0 {
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

/// Writes one part.
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
    /// Starts a part, with its header if the layout has one.
    pub(super) fn new(layout: Layout, columns: &[&str], target: W) -> io::Result<Self> {
        let encoder = match layout.compression {
            // No modification time and no name, so that the same rows give the same bytes.
            Compression::Gzip => Encoder::Gzip(GzBuilder::new().mtime(0).write(target, flate2::Compression::new(6))),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Encoder::Zstd(encoder)
            }
            Compression::None => Encoder::None(target),
        };
        let mut lines = Vec::with_capacity(2 * CHUNK);
        if layout.windows {
            lines.extend_from_slice("\u{feff}".as_bytes());
        }
        if layout.header {
            layout.append_line(&mut lines, columns.iter().copied().map(Some));
        }
        Ok(Self { layout, lines, encoder })
    }

    /// Writes one row; `order` lists the row's fields in the order of the line.
    pub(super) fn row(&mut self, row: &Row, order: &[usize]) -> io::Result<()> {
        self.layout.append_line(&mut self.lines, order.iter().map(|&index| row[index].as_deref()));
        if self.lines.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Writes the remaining lines and the trailer of the compression.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        match self.encoder {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::None(target) => Ok(target),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.encoder {
            Encoder::Gzip(encoder) => encoder.write_all(&self.lines)?,
            Encoder::Zstd(encoder) => encoder.write_all(&self.lines)?,
            Encoder::None(target) => target.write_all(&self.lines)?,
        }
        self.lines.clear();
        Ok(())
    }
}

//! What the bytes of all parts show: their compression, their encoding, and which characters occur.

use std::io::{self, Read};
use std::path::Path;

use encoding_rs::WINDOWS_1252;
use memchr::memchr;

use super::inputs::Version;
use super::lookalikes::check_document;
use crate::error::{Error, IoContext as _, Result};
use crate::snapshot::Part;
use crate::snapshot::decoded::{BEGINNING, Decoded, other_encoding};
use crate::snapshot::part::{Inflated, unreadable};
use crate::table::Compression;
use crate::telemetry::Watch;

/// How many bytes are read at a time.
const CHUNK: usize = 128 << 10;

/// How many bytes of text are kept of a part's beginning and of its end.
const KEPT: usize = 8 << 10;

/// The encoding of text that is neither UTF-8 nor UTF-16. Nothing in a file tells code pages of one byte apart.
pub(super) const CODE_PAGE: &str = "windows-1252";

/// Files that are not text, by their first bytes.
const OTHERS: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "a zip archive, or an Excel workbook"),
    (b"BZh", "compressed with bzip2"),
    (b"\xFD7zXZ\0", "compressed with xz"),
    (b"\x04\x22\x4D\x18", "compressed with lz4"),
    (b"PAR1", "a Parquet file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"\xD0\xCF\x11\xE0", "an Excel workbook"),
];

/// What the bytes show.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    pub(super) compression: Compression,
    /// The encoding by its WHATWG name; `None` is UTF-8.
    pub(super) encoding: Option<&'static str>,
    /// How often each byte of the text occurs.
    pub(super) bytes: Box<[u64; 256]>,
    /// The bytes that follow a backslash, where the first of two makes the second literal.
    pub(super) escaped: Escaped,
    /// Whether nothing but this was in the parts.
    pub(super) is_whole: bool,
    /// The ends of each part of each version.
    pub(super) ends: Vec<Vec<Ends>>,
}

/// The text at the beginning and at the end of a part; no end if only the beginning was read.
#[derive(Debug, Default, Clone)]
pub(super) struct Ends {
    pub(super) first: String,
    pub(super) last: String,
}

impl Survey {
    pub(super) fn has(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte)] > 0
    }

    /// The same with records that end like this as lines, and other line breaks as blanks.
    pub(super) fn with_record_end(&self, end: &str) -> Self {
        let lines = |text: &String| text.split(end).map(|line| line.replace(['\n', '\r'], " ")).collect::<Vec<_>>();
        let text = |text: &String| lines(text).join("\n");
        let ends = |ends: &Ends| Ends { first: text(&ends.first), last: text(&ends.last) };
        let mut survey = self.clone();
        survey.ends = self.ends.iter().map(|version| version.iter().map(ends).collect()).collect();
        survey.bytes[usize::from(b'\n')] = self.bytes[usize::from(*end.as_bytes().last().expect("an end has bytes"))];
        survey
    }
}

/// For each byte, whether a backslash is before it.
#[derive(Debug, Clone)]
pub(super) struct Escaped {
    bytes: [bool; 256],
    is_open: bool,
}

impl Default for Escaped {
    fn default() -> Self {
        Self { bytes: [false; 256], is_open: false }
    }
}

impl Escaped {
    fn push(&mut self, chunk: &[u8]) {
        let mut at = 0;
        while at < chunk.len() {
            if std::mem::take(&mut self.is_open) {
                self.bytes[usize::from(chunk[at])] = true;
                at += 1;
            } else {
                let Some(offset) = memchr(b'\\', &chunk[at..]) else { return };
                self.is_open = true;
                at += offset + 1;
            }
        }
    }

    /// Returns whether a backslash is before one of these bytes.
    pub(super) fn any(&self, bytes: &[u8]) -> bool {
        bytes.iter().any(|byte| self.bytes[usize::from(*byte)])
    }
}

/// Checks that bytes are UTF-8, chunk by chunk.
#[derive(Debug, Default)]
struct Utf8 {
    is_invalid: bool,
    /// The beginning of a character whose end is in the next chunk.
    pending: Vec<u8>,
}

impl Utf8 {
    fn push(&mut self, chunk: &[u8]) {
        if self.is_invalid {
            return;
        }
        self.pending.extend_from_slice(chunk);
        match std::str::from_utf8(&self.pending) {
            Ok(_) => self.pending.clear(),
            Err(error) if error.error_len().is_none() => drop(self.pending.drain(..error.valid_up_to())),
            Err(_) => self.is_invalid = true,
        }
    }

    /// Only a text that was cut ends in the middle of a character.
    fn is_valid(&self, is_cut: bool) -> bool {
        !self.is_invalid && (is_cut || self.pending.is_empty())
    }
}

/// The bytes of one part.
struct Inspected {
    compression: Compression,
    encoding: Option<&'static str>,
    is_utf8: bool,
    is_cut: bool,
    has_bom: bool,
    ends: (Vec<u8>, Vec<u8>),
}

/// Reads every byte once, or those of the beginnings.
pub(super) fn survey(versions: &[Version], watch: &Watch) -> Result<Survey> {
    let mut bytes = Box::new([0; 256]);
    let mut escaped = Escaped::default();
    let (mut parts, mut first) = (Vec::new(), None);
    for version in versions {
        let mut inspected = Vec::new();
        for part in &version.export.parts {
            let found = inspect(version, part, (&mut bytes, &mut escaped), watch)?;
            let path = version.export.folder.path(&part.name);
            let shown = (found.compression, found.encoding);
            let (expected, other) = first.get_or_insert_with(|| (shown, path.clone()));
            if *expected != shown {
                return Err(mixed(&path, other));
            }
            inspected.push(found);
        }
        parts.push(inspected);
    }
    let Some(((compression, encoding), _)) = first else { return Err(Error::usage("", "no export is named")) };
    check_characters(&bytes, versions)?;
    let all = || parts.iter().flatten();
    let is_utf8 = encoding.is_some() || all().all(|part| part.is_utf8) || all().any(|part| part.has_bom);
    let encoding = if is_utf8 { encoding } else { Some(CODE_PAGE) };
    let text = |bytes: &[u8]| match is_utf8 {
        true => String::from_utf8_lossy(bytes).into_owned(),
        false => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    };
    let ends = |part: &Inspected| Ends { first: text(&part.ends.0), last: text(&part.ends.1) };
    let ends: Vec<Vec<Ends>> = parts.iter().map(|version| version.iter().map(ends).collect()).collect();
    let is_whole = !all().any(|part| part.is_cut);
    check_documents(versions, &ends)?;
    Ok(Survey { compression, encoding, bytes, escaped, is_whole, ends })
}

/// Refuses parts that are not tables.
fn check_documents(versions: &[Version], ends: &[Vec<Ends>]) -> Result<()> {
    let parts = versions.iter().flat_map(|version| version.export.parts.iter().map(move |part| (version, part)));
    for ((version, part), ends) in parts.zip(ends.iter().flatten()) {
        check_document(&version.export.folder.path(&part.name), &ends.first)?;
    }
    Ok(())
}

/// A schema has one compression and one encoding.
fn mixed(path: &Path, other: &Path) -> Error {
    let problem = format!("its compression or encoding is not that of {}", other.display());
    Error::export(path, problem).help("a schema describes one of each; name files that were written alike")
}

fn check_characters(bytes: &[u64; 256], versions: &[Version]) -> Result<()> {
    let label = &versions[0].export.label;
    if bytes[0] > 0 {
        return Err(Error::export(Path::new(label), "there are NUL bytes in the text").help("export it as text"));
    }
    Ok(())
}

fn inspect(
    version: &Version,
    part: &Part,
    (bytes, escaped): (&mut [u64; 256], &mut Escaped),
    watch: &Watch,
) -> Result<Inspected> {
    let export = &version.export;
    let path = export.folder.path(&part.name);
    let compression = compression(&beginning(export.folder.open(&part.name)?, &path)?, part, &path)?;
    let inflated = || Inflated::new(export.folder.open(&part.name)?, compression).at("cannot read", &path);
    let raw = beginning(inflated()?, &path)?;
    let encoding = other_encoding(&raw, None);
    let mut decoded = Decoded::new(inflated()?, encoding).take(version.limit.unwrap_or(u64::MAX));
    let (mut utf8, mut ends, mut buffer) = (Utf8::default(), (Vec::new(), Vec::new()), vec![0; CHUNK]);
    loop {
        watch.checkpoint(0)?;
        let read = match decoded.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(|error| unreadable(error, &path))?,
        };
        let chunk = &buffer[..read];
        if chunk.is_empty() {
            break;
        }
        chunk.iter().for_each(|byte| bytes[usize::from(*byte)] += 1);
        utf8.push(chunk);
        escaped.push(chunk);
        keep_ends(&mut ends, chunk);
    }
    let is_cut = decoded.limit() == 0;
    if is_cut {
        ends.1.clear();
    } else {
        decoded.into_inner().finish().map_err(|error| unreadable(error, &path))?;
    }
    let has_bom = raw.starts_with(b"\xEF\xBB\xBF");
    Ok(Inspected { compression, encoding, is_utf8: utf8.is_valid(is_cut), is_cut, has_bom, ends })
}

fn keep_ends((first, last): &mut (Vec<u8>, Vec<u8>), chunk: &[u8]) {
    first.extend_from_slice(&chunk[..chunk.len().min(KEPT - first.len().min(KEPT))]);
    last.extend_from_slice(&chunk[chunk.len() - chunk.len().min(KEPT)..]);
    last.drain(..last.len().saturating_sub(KEPT));
}

fn beginning(input: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(BEGINNING as u64).read_to_end(&mut bytes).map_err(|error| unreadable(error, path))?;
    Ok(bytes)
}

/// The compression that the first bytes show. The name must agree, since the engine goes by it.
fn compression(magic: &[u8], part: &Part, path: &Path) -> Result<Compression> {
    if let Some((_, what)) = OTHERS.iter().find(|(beginning, _)| magic.starts_with(beginning)) {
        return Err(
            Error::export(path, format!("it is {what}")).help("a part is text, plain or compressed with gzip or zstd")
        );
    }
    let content = match magic {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Compression::Zstd,
        _ => Compression::None,
    };
    let by_name = match &part.name {
        name if name.ends_with(".gz") => Compression::Gzip,
        name if name.ends_with(".zst") => Compression::Zstd,
        _ => Compression::None,
    };
    if content == by_name {
        return Ok(content);
    }
    let (shown, suffix) = match content {
        Compression::Gzip => ("gzip", "rename it, so that its name ends in `.gz`"),
        Compression::Zstd => ("zstd", "rename it, so that its name ends in `.zst`"),
        Compression::None => ("not compressed", "rename it, so that its name ends in neither `.gz` nor `.zst`"),
    };
    Err(Error::export(path, format!("its name does not fit its content, which is {shown}")).help(suffix))
}

//! Turns the decompressed bytes of a part into UTF-8.
//!
//! A byte that is not a character of the encoding becomes itself after the byte 0xFF, which is in no UTF-8 text: so the
//! field that has it is refused with its column and line, and shown as it is in the file. UTF-8 passes through
//! untouched, and is checked field by field.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding};
use memchr::{memchr_iter, memchr2};

use super::part::{Inflated, NoLineBreak, PartDigest};
use crate::reject::INVALID;

/// How many bytes are decoded at a time.
const CHUNK: usize = 64 << 10;

/// How many bytes at the beginning of a part tell its encoding.
pub(crate) const BEGINNING: usize = 64;

/// The bytes of a part as UTF-8.
pub struct Decoded<R: Read> {
    input: Inflated<R>,
    /// `None` if the part is in UTF-8.
    transcoder: Option<Box<Transcoder>>,
}

struct Transcoder {
    decoder: Decoder,
    /// Whether the encoding leaves bytes without a character, which the WHATWG standard maps to control characters.
    has_gaps: bool,
    raw: Vec<u8>,
    /// The part of `raw` that is not decoded yet.
    pending: (usize, usize),
    beginning: Vec<u8>,
    at_end: bool,
    text: Vec<u8>,
    /// The part of `text` that was not read yet.
    unread: (usize, usize),
    /// Whether the text must contain a line break before it ends: nearly any bytes are characters of UTF-16.
    needs_line_break: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes `input` from the encoding with this label; `None` is UTF-8.
    pub fn new(input: Inflated<R>, encoding: Option<&str>) -> Self {
        let encoding = encoding.and_then(|label| Encoding::for_label(label.as_bytes()));
        Self { input, transcoder: encoding.map(|encoding| Box::new(Transcoder::new(encoding))) }
    }

    /// The first bytes of the part as they are in it, after something was read; `None` if they are passed through.
    pub(crate) fn raw_beginning(&self) -> Option<&[u8]> {
        self.transcoder.as_ref().map(|transcoder| transcoder.beginning.as_slice())
    }

    /// The digest, after everything was read; see [`Inflated::finish`].
    pub fn finish(self) -> io::Result<PartDigest> {
        self.input.finish()
    }
}

impl<R: Read> Read for Decoded<R> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.transcoder {
            None => self.input.read(buffer),
            Some(transcoder) => transcoder.read(&mut self.input, buffer),
        }
    }
}

impl Transcoder {
    fn new(encoding: &'static Encoding) -> Self {
        Self {
            decoder: encoding.new_decoder_with_bom_removal(),
            has_gaps: encoding.name().starts_with("windows-"),
            raw: vec![0; CHUNK],
            pending: (0, 0),
            beginning: Vec::new(),
            at_end: false,
            text: vec![0; 3 * CHUNK + 16],
            unread: (0, 0),
            needs_line_break: encoding.name().starts_with("UTF-16"),
        }
    }

    fn read(&mut self, input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.0 == self.unread.1 && !(self.at_end && self.pending.0 == self.pending.1) {
            if self.pending.0 == self.pending.1 {
                self.fill(input)?;
            }
            self.decode();
            self.check_line_break()?;
        }
        let unread = &self.text[self.unread.0..self.unread.1];
        let length = unread.len().min(buffer.len());
        buffer[..length].copy_from_slice(&unread[..length]);
        self.unread.0 += length;
        Ok(length)
    }

    fn fill(&mut self, input: &mut impl Read) -> io::Result<()> {
        // The beginning is complete in the first chunk, unless the part is shorter.
        let mut end = 0;
        while end < BEGINNING {
            let read = match input.read(&mut self.raw[end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            end += read;
            if read == 0 {
                self.at_end = true;
                break;
            }
        }
        if self.beginning.is_empty() {
            self.beginning = self.raw[..end.min(BEGINNING)].to_vec();
        }
        self.pending = (0, end);
        Ok(())
    }

    /// Text in another encoding that is read as UTF-16 has no line breaks.
    fn check_line_break(&mut self) -> io::Result<()> {
        let text = &self.text[self.unread.0..self.unread.1];
        self.needs_line_break &= memchr2(b'\n', b'\r', text).is_none();
        let is_through = self.at_end && self.pending.0 == self.pending.1;
        if is_through && self.needs_line_break && !self.beginning.is_empty() {
            let encoding = self.decoder.encoding().name().to_lowercase();
            return Err(io::Error::new(io::ErrorKind::InvalidData, NoLineBreak { encoding }));
        }
        Ok(())
    }

    /// Decodes what is pending, up to the end of the text's buffer.
    fn decode(&mut self) {
        let mut written = 0;
        loop {
            let raw = &self.raw[self.pending.0..self.pending.1];
            let text = &mut self.text[written..];
            let (result, read, added) = self.decoder.decode_to_utf8_without_replacement(raw, text, self.at_end);
            self.pending.0 += read;
            written += added;
            match result {
                DecoderResult::Malformed(length, consumed) => {
                    let end = self.pending.0.saturating_sub(consumed.into());
                    let bad = &self.raw[end.saturating_sub(length.into())..end];
                    written += put_invalid(bad, &mut self.text[written..]);
                }
                DecoderResult::InputEmpty | DecoderResult::OutputFull => break,
            }
            if self.text.len() - written < 16 {
                break;
            }
        }
        if self.has_gaps {
            refuse_controls(&mut self.text[..written]);
        }
        self.unread = (0, written);
    }
}

/// Writes the bytes of a sequence that is not a character, at most four, and returns how many bytes that takes. None of
/// them can be a delimiter or a line end.
fn put_invalid(bad: &[u8], text: &mut [u8]) -> usize {
    let mut shown: Vec<u8> = bad.iter().copied().filter(|byte| !byte.is_ascii()).take(4).collect();
    if shown.is_empty() {
        shown.push(INVALID);
    }
    for (pair, byte) in text.chunks_exact_mut(2).zip(&shown) {
        pair.copy_from_slice(&[INVALID, *byte]);
    }
    2 * shown.len()
}

/// The code pages of Windows leave a few bytes without a character; the standard maps them to U+0080 to U+009F, which
/// are C2 80 to C2 9F in UTF-8.
fn refuse_controls(text: &mut [u8]) {
    let leads: Vec<usize> = memchr_iter(0xC2, text).collect();
    for at in leads {
        if text.get(at + 1).is_some_and(|next| (0x80..0xA0).contains(next)) {
            // The character has the number of the byte.
            text[at] = INVALID;
        }
    }
}

/// The encoding that the first bytes of a part show, if it is not the declared one: by a byte order mark, or by the NUL
/// bytes that ASCII characters have in UTF-16.
pub(crate) fn other_encoding(beginning: &[u8], declared: Option<&str>) -> Option<&'static str> {
    let shown = match beginning {
        [0xEF, 0xBB, 0xBF, ..] => "utf-8",
        [0xFF, 0xFE, ..] => "utf-16le",
        [0xFE, 0xFF, ..] => "utf-16be",
        _ => utf16_by_nul(beginning)?,
    };
    (shown != declared.unwrap_or("utf-8")).then_some(shown)
}

/// ASCII characters have a NUL byte in UTF-16, all of them on the same side. A single one can be a mistake in UTF-8.
fn utf16_by_nul(beginning: &[u8]) -> Option<&'static str> {
    let (pairs, _) = beginning.as_chunks::<2>();
    let is_ascii = |pair: &[u8; 2], side: usize| pair[side] == 0 && matches!(pair[1 - side], 1..0x80);
    let count = |side: usize| pairs.iter().filter(|pair| is_ascii(pair, side)).count();
    match (count(0), count(1)) {
        (0, 2..) => Some("utf-16le"),
        (2.., 0) => Some("utf-16be"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Compression;

    fn decode(bytes: &[u8], encoding: &str) -> Vec<u8> {
        let inflated = Inflated::new(bytes, Compression::None).unwrap();
        let mut text = Vec::new();
        Decoded::new(inflated, Some(encoding)).read_to_end(&mut text).unwrap();
        text
    }

    #[test]
    fn text_is_the_same_in_every_encoding() {
        let text = "1,Jana Dvořák\n2,Café €\n".repeat(20_000);
        for name in ["utf-16le", "utf-16be"] {
            for bom in ["", "\u{FEFF}"] {
                let units = (bom.to_owned() + &text).encode_utf16().collect::<Vec<_>>();
                let bytes = units.iter().flat_map(|unit| match name {
                    "utf-16le" => unit.to_le_bytes(),
                    _ => unit.to_be_bytes(),
                });
                assert!(decode(&bytes.collect::<Vec<_>>(), name) == text.as_bytes());
            }
        }
        for name in ["gb18030", "windows-1250"] {
            let encoding = Encoding::for_label(name.as_bytes()).unwrap();
            let text = text.replace('é', "e");
            assert!(decode(&encoding.encode(&text).0, name) == text.as_bytes());
        }
    }

    #[test]
    fn what_is_not_a_character_is_not_utf8() {
        assert_eq!(decode(b"a\x81\x80b", "windows-1252"), b"a\xFF\x81\xE2\x82\xACb");
        assert_eq!(decode(b"a\xD2b", "windows-1253"), b"a\xFF\xD2b");
        assert_eq!(decode(b"a\x82", "shift_jis"), b"a\xFF\x82");
        assert_eq!(decode(b"a\0\x00\xD8b\0\n\0c", "utf-16le"), b"a\xFF\xD8b\n\xFF\xFF");
        assert!(decode(&b"\xA0".repeat(200_000), "shift_jis") == b"\xFF\xA0".repeat(200_000));
    }

    #[test]
    fn another_encoding_is_recognised() {
        assert_eq!(other_encoding(b"\xFF\xFEi\0", None), Some("utf-16le"));
        assert_eq!(other_encoding(b"i\0d\0\n\0", None), Some("utf-16le"));
        assert_eq!(other_encoding(b"\0i\0d\0\n", Some("utf-16le")), Some("utf-16be"));
        assert_eq!(other_encoding(b"\xEF\xBB\xBFid", Some("windows-1252")), Some("utf-8"));
        assert_eq!(other_encoding(b"\xEF\xBB\xBFid", None), None);
        assert_eq!(other_encoding(b"i\0d\0\n\0", Some("utf-16le")), None);
        assert_eq!(other_encoding(b"id,name\n1,a\0\n", None), None);
        assert_eq!(other_encoding(b"", None), None);
    }
}

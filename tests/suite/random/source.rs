//! How a random table is written.

use encoding_rs::Encoding;
use runtime::table::{Completeness, Compression, Escape, Source};

use super::{MANIFEST, SchemaDice, delimiter, pick};

/// The trailers: with a number of rows, or with any text.
pub(super) const TRAILERS: [&str; 3] = [r"^TRL\|([0-9]+)$", r"(\d+) rows? selected\.", "END OF .*"];

impl SchemaDice {
    /// A number that differs for each question.
    fn roll(&self, question: u32) -> u32 {
        let mixed = (self.source ^ question.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
        (mixed ^ mixed >> 13).wrapping_mul(0xc2b2_ae35) >> 8
    }

    /// One of these, in half of all tables; the first one in the others.
    fn rarely<T: Copy>(&self, question: u32, choices: &[T]) -> T {
        if self.roll(0).is_multiple_of(2) { choices[0] } else { pick(choices, self.roll(question)) }
    }

    /// More dice.
    fn more(&self) -> u32 {
        self.source.wrapping_mul(0x9e37_79b1) ^ self.source >> 15
    }

    fn escape(&self) -> Option<Escape> {
        let backslash = Some(Escape::Char(b'\\'));
        let escapes = [None, None, None, None, None, backslash, Some(Escape::Mysql), Some(Escape::Postgres)];
        pick(&escapes, self.more() >> 4)
    }

    pub(super) fn source(&self) -> Source {
        let source = self.with_ends(self.separators());
        let encodings = [None, None, None, None, None, None, Some("utf-16le"), Some("utf-16be")];
        let code_pages = [None, None, None, Some("windows-1252"), Some("windows-1250"), Some("iso-8859-2")];
        let encoding = pick(&encodings, self.source >> 19).or(self.rarely(1, &code_pages));
        Source { encoding: encoding.filter(|_| can_encode(encoding, &delimiter(&source))), ..source }
    }

    /// What separates fields and records, and what is around the export.
    fn separators(&self) -> Source {
        let die = self.source;
        let escape = self.escape();
        let is_quoted = !matches!(escape, Some(Escape::Mysql | Escape::Postgres));
        let quote = pick(&[Some(b'"'), Some(b'"'), Some(b'\''), None], die).filter(|_| is_quoted);
        let long_delimiter = pick(&[None, None, None, None, Some("[|]"), Some("¢"), Some("||")], self.more() >> 8);
        let record_end =
            pick(&[None, None, None, None, None, Some("\r"), Some("\r\n"), Some("~#\n")], self.more() >> 12);
        let nulls: &[&[&'static str]] = &[&[""], &[""], &["", "NULL"], &["\\N"], &["NULL", "n/a", ""], &[]];
        let manifest = Completeness::RedshiftManifest(MANIFEST);
        let complete = [Completeness::Marker("_DONE"), Completeness::Manifest, Completeness::Count(2)];
        Source {
            compression: pick(&[Compression::None, Compression::Gzip, Compression::Zstd], die >> 2),
            delimiter: long_delimiter.map_or(pick(b",;\t|", die >> 4), |text| text.as_bytes()[0]),
            long_delimiter,
            trailing_delimiter: self.more() >> 16 & 7 == 0,
            record_end,
            escape,
            quote,
            header: die & 1 << 7 != 0,
            any_header_case: die & 1 << 7 != 0 && die & 1 << 23 != 0,
            nulls: pick(nulls, die >> 8),
            quoted_nulls: quote.is_none() || die >> 16 & 3 != 0,
            multiline: quote.is_some() && record_end.is_none() && die & 1 << 18 != 0,
            complete: match self.more() >> 29 & 1 {
                0 => self.rarely(2, &[Completeness::Single, complete[0], complete[1], complete[2]]),
                _ => manifest,
            },
            refuse_duplicates: self.more() >> 20 & 7 == 0,
            parts: pick(&[None, None, None, Some("part-?.*")], self.more() >> 24),
            skip_unlisted: die & 1 << 7 != 0 && die >> 19 & 3 == 0,
            ..Source::DEFAULT
        }
    }

    /// The same with lines that are not rows.
    fn with_ends(&self, source: Source) -> Source {
        let first_part_header = source.header && self.rarely(3, &[false, false, true]);
        let [counting, selected, any] = TRAILERS.map(Some);
        let trailers: &[Option<&str>] =
            if first_part_header { &[None, None, any] } else { &[None, None, None, counting, selected, any] };
        let trailer = self.rarely(4, trailers);
        Source {
            first_part_header,
            skip_repeated_header: source.header && self.rarely(5, &[false, false, true]),
            final_newline: self.rarely(6, &[false, false, true]),
            skip_first: self.rarely(7, &[0, 0, 0, 1, 3]),
            skip_last: if trailer.is_none() { self.rarely(8, &[0, 0, 1, 2]) } else { 0 },
            comment: self.rarely(9, &[None, None, None, Some("#"), Some("-- ")]),
            trailer,
            ..source
        }
    }
}

/// Returns whether every character of a text has one in the encoding.
pub(super) fn can_encode(encoding: Option<&str>, text: &str) -> bool {
    match encoding {
        None | Some("utf-16le" | "utf-16be") => true,
        Some(label) => !Encoding::for_label(label.as_bytes()).unwrap().encode(text).2,
    }
}

/// Returns whether Athena may be able to read such exports.
pub(super) fn can_be_on_athena(source: &Source) -> bool {
    let has_rows_only = source.skip_first == 0
        && source.skip_last == 0
        && source.comment.is_none()
        && source.trailer.is_none()
        && !source.first_part_header
        && !source.skip_repeated_header
        && !source.final_newline;
    let is_plain = source.long_delimiter.is_none()
        && !source.trailing_delimiter
        && source.record_end.is_none()
        && source.escape.is_none()
        && source.parts.is_none()
        && !matches!(source.complete, Completeness::RedshiftManifest(_));
    let is_text = !source.multiline && source.quoted_nulls && source.encoding.is_none();
    has_rows_only && is_plain && is_text && !source.skip_unlisted
}

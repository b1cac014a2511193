//! The hash of a schema.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use super::{Column, ColumnType, Completeness, Escape, Numbers, Publish, Source, Table};

impl Table {
    /// The hash of the schema, XXH3-128 as 32 hex digits. It changes whenever the same export could produce a different
    /// delta or different operations.
    ///
    /// It covers the name of the table, the key in its order, the columns in theirs with everything except
    /// `description` and `pii`, `source`, and `before_image`. It does not cover descriptions, `pii`, `guards`,
    /// `expect`, `engine`, or the different ways to write the same thing in YAML: the order of fields, a default that
    /// is spelled out, the order of `nulls` or of a boolean's words.
    pub fn schema_hash(&self) -> String {
        format!("{:032x}", xxh3_128(self.normalised().as_bytes()))
    }

    /// The text that is hashed: one fact per line, with texts as JSON strings so that no two tables give the same text.
    fn normalised(&self) -> String {
        let mut text = format!("table {}\n", quoted(&self.name));
        for column in self.key_columns() {
            text += &format!("key {}\n", quoted(&column.name));
        }
        for column in &self.columns {
            text += &column.normalised();
        }
        text += &self.source.normalised();
        text += &format!("before_image {}\n", self.before_image);
        text
    }
}

impl Column {
    fn normalised(&self) -> String {
        let Self { name, header, ty, nullable, nulls, compare, default, formerly, trim, prefix, numbers, .. } = self;
        let mut text =
            format!("column {} {} nullable {nullable} compare {compare} trim {trim}", quoted(name), ty.name());
        if let Some(header) = header {
            text += &format!(" header {}", quoted(header));
        }
        if let Some(nulls) = nulls {
            text += &format!(" nulls {}", quoted(nulls));
        }
        if let Some(default) = default {
            text += &format!(" default {}", quoted(default));
        }
        if let Some(formerly) = formerly {
            text += &format!(" formerly {}", quoted(formerly));
        }
        if let Some(format) = ty.format() {
            text += &format!(" format {}", quoted(format));
        }
        if let Some(prefix) = prefix {
            text += &format!(" prefix {}", quoted(prefix));
        }
        if let Some(Numbers { decimal_mark, group_mark, sign, strip }) = numbers {
            let group_mark = quoted(&group_mark.map(String::from).unwrap_or_default());
            let (mark, sign, strip) = (quoted(&decimal_mark.to_string()), sign.name(), quoted(strip));
            text += &format!(" decimal_mark {mark} group_mark {group_mark} sign {sign} strip {strip}");
        }
        match ty {
            ColumnType::Boolean { words: Some(words) } => {
                text += &format!(" true {} false {}", quoted(&words.true_values), quoted(&words.false_values));
            }
            ColumnType::Binary(encoding) => text += &format!(" encoding {}", encoding.name()),
            _ => {}
        }
        text + match self.publish {
            Publish::Clear => "\n",
            Publish::Hmac => " hmac\n",
            Publish::Never => " unpublished\n",
        }
    }
}

impl Source {
    fn normalised(&self) -> String {
        let Self { compression, encoding, delimiter, quote, header, nulls, quoted_nulls, multiline, complete, .. } =
            self;
        let complete = match complete {
            Completeness::Single => "single".to_owned(),
            Completeness::Marker(name) => format!("marker {}", quoted(name)),
            Completeness::Manifest => "manifest".to_owned(),
            Completeness::RedshiftManifest(name) => format!("redshift_manifest {}", quoted(name)),
            Completeness::Count(count) => format!("count {count}"),
        };
        let quote = quote.map_or("none".to_owned(), |quote| quote.to_string());
        let mut text = format!(
            "source {} delimiter {delimiter} quote {quote} header {header} nulls {} quoted_nulls {quoted_nulls} \
             multiline {multiline} complete {complete}\n",
            compression.name(),
            quoted(nulls),
        );
        // An option that was added later is only written where it is used, so that other schemas keep their hashes.
        if let Some(encoding) = encoding {
            text += &format!("encoding {}\n", quoted(encoding));
        }
        text + &self.normalised_lines()
    }

    /// Headers, and lines that are not rows.
    fn normalised_lines(&self) -> String {
        let mut text = String::new();
        for (name, is_on) in [
            ("trailing_delimiter", self.trailing_delimiter),
            ("final_newline", self.final_newline),
            ("header in the first part", self.first_part_header),
            ("header in any case", self.any_header_case),
            ("repeated header skipped", self.skip_repeated_header),
            ("unlisted columns skipped", self.skip_unlisted),
            ("duplicates refused", self.refuse_duplicates),
        ] {
            if is_on {
                text += &format!("{name}\n");
            }
        }
        for (name, lines) in [("skip_first", self.skip_first), ("skip_last", self.skip_last)] {
            if lines > 0 {
                text += &format!("{name} {lines}\n");
            }
        }
        let escape = self.escape.map(Escape::name);
        for (name, option) in [
            ("delimiter", &self.long_delimiter),
            ("record_end", &self.record_end),
            ("escape", &escape),
            ("comment", &self.comment),
            ("trailer", &self.trailer),
            ("parts", &self.parts),
        ] {
            if let Some(option) = option {
                text += &format!("{name} {}\n", quoted(option));
            }
        }
        text
    }
}

/// A text or a list of texts as JSON, whose escapes do not depend on the version of a library.
fn quoted<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts are always JSON")
}

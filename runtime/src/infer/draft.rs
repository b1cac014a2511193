//! A schema that is being inferred.

use std::collections::BTreeSet;

use generator::hints::is_for_athena;
use serde_json::{Value as Json, json};

use super::bytes::{CODE_PAGE, Survey};
use super::decide::Column;
use super::frame;
use super::header::Header;
use super::inputs::Inputs;
use super::reading::Marks;
use super::rows::{Counts, Rows};
use super::texts::{list, quoted, type_name};
use super::words;
use crate::epoch::SourceFormat;
use crate::error::{Error, Result};
use crate::table::{Compression, Escape, Source, Type};
use crate::wording::plural;

/// The schema of a table, as its exports show it.
#[derive(Debug)]
pub struct Draft {
    /// The table's name.
    pub table: String,
    /// The schema, with comments.
    pub yaml: String,
    /// The number of rows that were read, in all versions.
    pub rows: u64,
    /// The names of the versions that it describes, and of those that have other columns.
    pub versions: Vec<String>,
    /// The versions that have other columns than the newest.
    pub other_versions: Vec<String>,
    /// The names of the key columns.
    pub key: Vec<String>,
    /// Whether the key is unique in every version.
    pub is_key_unique: bool,
    /// Why some rows were read more than once; empty if none was.
    pub read_again: Vec<&'static str>,
    pub(super) columns: Vec<Column>,
    pub(super) format: SourceFormat,
    /// The words that are NULL where a column does not say it.
    pub(super) nulls: Vec<&'static str>,
    /// The options of the source, each with what the files cannot tell.
    pub(super) source: Vec<(String, Option<String>)>,
    pub(super) seen: Vec<String>,
    pub(super) choices: Vec<String>,
    pub(super) key_choices: Vec<String>,
    /// What Athena cannot read.
    pub(super) not_for_athena: Vec<String>,
}

impl Draft {
    pub(super) fn new(
        inputs: &Inputs,
        survey: &Survey,
        rows: &Rows<'_>,
        counts: &Counts,
        columns: Vec<Column>,
    ) -> Result<Self> {
        let named = |wanted: bool| {
            let versions = inputs.versions.iter().zip(&rows.candidate.has_same);
            versions.filter(move |(_, has_same)| **has_same == wanted).map(|(version, _)| version.name()).collect()
        };
        let mut draft = Self {
            table: inputs.table.clone(),
            yaml: String::new(),
            rows: counts.rows.iter().flatten().sum(),
            versions: named(true),
            other_versions: named(false),
            key: Vec::new(),
            is_key_unique: false,
            read_again: Vec::new(),
            nulls: nulls(&columns),
            columns,
            format: SourceFormat::from_source(&Source::DEFAULT),
            source: Vec::new(),
            seen: Vec::new(),
            choices: Vec::new(),
            key_choices: Vec::new(),
            not_for_athena: Vec::new(),
        };
        draft.describe(inputs);
        draft.add_text(survey, rows);
        draft.add_frame(survey, rows, counts)?;
        draft.add_nulls(rows);
        draft.add_completeness(inputs);
        Ok(draft)
    }

    fn describe(&mut self, inputs: &Inputs) {
        let versions = plural(self.versions.len() as u64, "export");
        self.seen.push(format!("Inferred from {versions} with {} by `tidemark infer`.", plural(self.rows, "row")));
        if !self.other_versions.is_empty() {
            let others = self.other_versions.join(", ");
            self.choices.push(format!("these exports have other columns and are not described: {others}"));
        }
        if !inputs.is_named {
            self.choices.push("the name of the table is that of the file or folder".into());
        }
        if self.columns.iter().any(|column| column.has_replacement) {
            self.not_for_athena.push("U+FFFD".into());
        }
        if self.columns.iter().any(|column| column.numbers.is_some()) {
            self.not_for_athena.push("such numbers".into());
        }
        if self.columns.iter().filter_map(|column| column.format).any(|format| !is_for_athena(format)) {
            self.not_for_athena.push("such dates".into());
        }
    }

    fn option(&mut self, option: impl Into<String>) {
        self.source.push((option.into(), None));
    }

    fn native_option(&mut self, option: &str, what: &str) {
        self.option(option);
        self.not_for_athena.push(what.into());
    }

    /// Compression, encoding, delimiter and quote.
    fn add_text(&mut self, survey: &Survey, rows: &Rows<'_>) {
        match survey.compression {
            Compression::Gzip => {}
            Compression::Zstd => self.native_option("compression: zstd", "zstd"),
            Compression::None => self.option("compression: none"),
        }
        if let Some(encoding) = survey.encoding {
            let choice = "the text is not UTF-8; other code pages, such as windows-1250, are as possible".to_owned();
            self.source.push((format!("encoding: {encoding}"), Some(choice).filter(|_| encoding == CODE_PAGE)));
            self.not_for_athena.push(encoding.into());
        }
        self.add_separators(rows);
        if self.columns.len() == 1 {
            self.choices.push("there is one column, since no delimiter was found".into());
        }
    }

    /// What separates fields and records, and how fields are quoted and escaped.
    fn add_separators(&mut self, rows: &Rows<'_>) {
        let dialect = &rows.choice.format.dialect;
        let delimiter = format!("delimiter: {}", quoted(&dialect.delimiter));
        match dialect.delimiter.as_str() {
            "," => {}
            text if text.len() > 1 => self.native_option(&delimiter, "such a delimiter"),
            _ => self.option(delimiter),
        }
        if rows.choice.shape.has_long_delimiter() {
            self.choices.push("the marks beside the delimiter are taken for texts; they could be a part of it".into());
        }
        if rows.choice.shape.has_single_quotes() {
            self.choices
                .push("single quotes are a part of texts; with `quote: \"'\"` they would be around them".into());
        }
        if dialect.trailing_delimiter {
            let choice = "each row ends with a delimiter; there could also be an empty column behind it".to_owned();
            self.source.push(("trailing_delimiter: true".into(), Some(choice).filter(|_| rows.header == Header::None)));
            self.not_for_athena.push("a delimiter at the end of each row".into());
        }
        if let Some(end) = &dialect.record_end {
            self.native_option(&format!("record_end: {}", quoted(end)), "such ends of records");
        }
        if let Some(escape) = dialect.escape {
            self.add_escape(escape, dialect);
        }
        let usual = Some(b'"').filter(|_| !matches!(dialect.escape, Some(Escape::Mysql | Escape::Postgres)));
        match dialect.quote {
            quote if quote == usual => {}
            Some(quote) => self.option(format!("quote: {}", quoted(&char::from(quote).to_string()))),
            None => self.option("quote: none"),
        }
        if dialect.multiline {
            self.native_option("multiline: true", "line breaks in fields");
        }
    }

    fn add_escape(&mut self, escape: Escape, dialect: &Marks) {
        let (option, reason) = match escape {
            Escape::Char(byte) => (quoted(&char::from(byte).to_string()), "before delimiters, quotes and line breaks"),
            Escape::Mysql => ("mysql".into(), "as MySQL writes them"),
            Escape::Postgres => ("postgres".into(), "as PostgreSQL's COPY writes them"),
        };
        let mark = char::from(escape.byte());
        let choice = match dialect.quote {
            Some(_) => {
                format!("`{mark}` is an escape, since some are {reason}; if it is part of texts, `escape: none`")
            }
            None => format!(
                "`{mark}` is taken for an escape, {reason}; if it is part of texts, write `escape: none`, and if \
                 another program wrote them, its `escape`"
            ),
        };
        self.source.push((format!("escape: {option}"), Some(choice)));
        self.not_for_athena.push("escapes".into());
    }

    /// The header, and lines that are not rows.
    fn add_frame(&mut self, survey: &Survey, rows: &Rows<'_>, counts: &Counts) -> Result<()> {
        match rows.header {
            Header::None => self.option("header: false"),
            Header::EachPart => {}
            Header::FirstPart => self.native_option("header: first_part", "files that were split"),
        }
        if counts.repeated > 0 {
            self.native_option("repeated_header: skip", "repeated headers");
        }
        let frame = rows.choice.format.frame;
        if frame.skip_first > 0 {
            let choice = "no row has as many fields as these lines".to_owned();
            self.source.push((format!("skip_first: {}", frame.skip_first), Some(choice)));
            self.not_for_athena.push("lines above the header".into());
        }
        self.choices.extend(frame::doubts(rows.choice, survey));
        if let Some(comment) = frame.comment {
            let choice = "lines that begin like this are not rows".to_owned();
            self.source.push((format!("comment: {}", quoted(comment)), Some(choice)));
            self.not_for_athena.push("comments".into());
        }
        if frame.has_trailer {
            let counts: Vec<u64> = counts.rows.iter().flatten().copied().collect();
            let Some(trailer) = frame::trailer(survey, &counts) else { return Err(other_trailers(rows)) };
            let choice = "the last line is not a row; a group would count the rows".to_owned();
            self.source.push((format!("trailer: {}", quoted(&trailer)), Some(choice)));
            self.not_for_athena.push("trailers".into());
        }
        Ok(())
    }

    fn add_nulls(&mut self, rows: &Rows<'_>) {
        let dialect = rows.choice.format.dialect.clone();
        let has_own_null = matches!(dialect.escape, Some(Escape::Mysql | Escape::Postgres));
        if has_own_null {
            // The word of such writers is always NULL.
            let own = words::WORDS[words::ESCAPED_NULL];
            let is_empty = self.columns.iter().any(|column| column.nulls.contains(&""));
            self.nulls.retain(|null| *null != own && (is_empty || !null.is_empty()));
            self.nulls.push(own);
        }
        let own = words::WORDS[words::ESCAPED_NULL];
        if dialect.escape.is_none() && self.columns.iter().any(|column| column.nulls.contains(&own)) {
            self.choices.push("programs that write `\\N` for NULL often escape other characters: see `escape`".into());
        }
        let usual = if has_own_null { words::WORDS[words::ESCAPED_NULL] } else { "" };
        if self.nulls != [usual] {
            self.option(format!("nulls: {}", list(&self.nulls)));
        }
        let quoted_are_values = self.columns.iter().any(|column| column.has_quoted_values);
        if quoted_are_values {
            let choice = "a NULL has no quotes, since some texts are quoted although they are empty".to_owned();
            self.source.push(("quoted_nulls: false".into(), Some(choice)));
            self.not_for_athena.push("quoted empty texts".into());
        }
        self.format = SourceFormat {
            encoding: rows.choice.format.encoding.map(Into::into),
            nulls: self.nulls.iter().map(|null| (*null).into()).collect(),
            quoted_nulls: !quoted_are_values,
            ..dialect.to_format()
        };
    }

    /// What tells that an export is complete.
    fn add_completeness(&mut self, inputs: &Inputs) {
        let versions = &inputs.versions;
        let counts: BTreeSet<usize> = versions.iter().map(|version| version.export.parts.len()).collect();
        let marker = versions[0].marker();
        if versions.iter().all(super::inputs::Version::has_manifest) {
            self.option("complete: manifest");
        } else if let Some(marker) = marker.filter(|marker| versions.iter().all(|one| one.sidecars.contains(marker))) {
            self.option(format!("complete: {{ marker: {} }}", quoted(marker)));
        } else if counts != BTreeSet::from([1]) {
            let newest = versions.last().map_or(1, |version| version.export.parts.len());
            let choice = match counts.len() {
                1 => "every export has so many parts",
                _ => "exports have different numbers of parts; a marker or a manifest would say when one is complete",
            };
            self.source.push((format!("complete: {{ count: {newest} }}"), Some(choice.into())));
        }
    }

    /// Says that the first record may be something else.
    pub(super) fn doubt_header(&mut self, header: Header) {
        self.choices.push(match header {
            Header::None => "the first row is taken for a row, not for a header".into(),
            _ => "all columns are text, so the header could be a row; if it is, write `header: false`".into(),
        });
    }

    /// Takes these columns for the key.
    pub(super) fn set_key(&mut self, columns: &[usize]) -> Result<()> {
        for index in columns {
            let column = &mut self.columns[*index];
            if column.ty == Type::Double {
                column.make_text();
            }
            if column.nulls.iter().any(|null| !null.is_empty()) {
                let problem = format!("column `{}` has NULLs, and a key cannot be NULL", column.name);
                return Err(Error::refused(&self.table, problem).help("leave it out of --key"));
            }
            if column.is_nullable() {
                column.make_plain_text();
                column.choices = vec!["the empty text is a value here, since the column is in the key".into()];
            }
        }
        self.key = columns.iter().map(|index| self.columns[*index].name.clone()).collect();
        self.is_key_unique = true;
        Ok(())
    }

    /// Says which columns could be the key instead.
    pub(super) fn mention_other_keys(&mut self, others: &[usize]) {
        if !others.is_empty() {
            let names: Vec<&str> = others.iter().map(|index| self.columns[*index].name.as_str()).collect();
            self.key_choices.push(format!("unique in every export, as are {}", names.join(", ")));
        }
    }

    /// Without a key, all columns together identify a row.
    pub(super) fn set_key_of_all(&mut self) {
        for column in &mut self.columns {
            if column.is_nullable() || column.ty == Type::Double {
                column.make_plain_text();
            }
        }
        self.key = self.columns.iter().map(|column| column.name.clone()).collect();
        self.key_choices.push(
            "no key was found: no column and no few columns are unique in every export. With all columns as the key, \
             equal rows are one, and a change is a DELETE and an INSERT. Write the columns that identify a row"
                .into(),
        );
    }

    /// Turns columns into text. Returns whether that changes anything.
    pub(super) fn widen(&mut self, names: &BTreeSet<String>) -> bool {
        let mut is_changed = false;
        for column in self.columns.iter_mut().filter(|column| names.contains(&column.name)) {
            if column.ty != Type::String {
                column.make_text();
                column.choices.push("some values cannot be read as another type".into());
                is_changed = true;
            }
        }
        is_changed
    }

    /// The same facts for programs.
    pub fn to_json(&self) -> Json {
        let columns = self.columns.iter().map(|column| {
            json!({
                "name": column.name, "header": column.header, "type": type_name(column.ty).replace('"', ""),
                "format": column.format, "nullable": column.is_nullable(), "nulls": column.nulls,
                "distinct": column.distinct, "seen": column.seen, "choices": column.choices,
            })
        });
        let source: Vec<&String> = self.source.iter().map(|(option, _)| option).collect();
        let of_source = self.source.iter().filter_map(|(_, choice)| choice.as_ref());
        let choices: Vec<&String> = self.choices.iter().chain(&self.key_choices).chain(of_source).collect();
        json!({
            "table": self.table, "rows": self.rows, "versions": self.versions, "other_versions": self.other_versions,
            "primary_key": self.key, "unique": self.is_key_unique, "read_again": self.read_again, "columns": columns.collect::<Vec<_>>(),
            "source": source, "choices": choices, "athena": self.not_for_athena.is_empty(), "yaml": self.yaml,
        })
    }
}

/// The words that are NULL in any column whose values allow it; the empty text if there is none.
fn nulls(columns: &[Column]) -> Vec<&'static str> {
    let all: BTreeSet<&str> = columns.iter().flat_map(|column| column.nulls.iter().copied()).collect();
    let nulls: Vec<&str> =
        words::WORDS[..words::TEXT_NULLS].iter().copied().filter(|word| all.contains(word)).collect();
    if nulls.is_empty() { vec![""] } else { nulls }
}

fn other_trailers(rows: &Rows<'_>) -> Error {
    Error::refused(&rows.versions[0].export.label, "the last lines of its parts differ in more than numbers")
        .help("name exports whose last lines are alike")
}

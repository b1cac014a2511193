//! The definition of a table, as the generator writes it: its columns, its key and the format of its exports.
//!
//! Every type here can be built in a `static`, so that a generated module is only data. The generator checks what it
//! writes (`primary_key` names columns, key columns are not nullable, formats suit their types, and so on); the runtime
//! relies on that and does not check it again.

mod expect;
mod target;
mod traits;
mod types;

use serde::{Deserialize, Serialize};

pub use expect::Expect;
pub use target::{History, Target, Tenants};
pub use types::{Encoding, Numbers, Sign, Type};

/// One table, with everything that the runtime knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The table's name: that of a folder of exports, a Glue table and a module of the generated crate.
    pub name: &'static str,
    /// What a row is.
    pub description: Option<&'static str>,
    /// The table's part of its IAM role name, `<stack>-table-<role>`: the name, shortened if it is too long for IAM.
    pub role: &'static str,
    /// XXH3-128 of the normalised schema, 32 hex digits. It changes with everything that could change a delta.
    pub schema: &'static str,
    /// The names of the key columns, in the key's order.
    pub primary_key: &'static [&'static str],
    /// All columns, in the order of the schema; in exports without a header also the order of the fields.
    pub columns: &'static [Column],
    /// How exports of the table are written.
    pub source: Source,
    /// Whether UPDATE and DELETE carry the old values.
    pub before_image: bool,
    /// Whether Athena can compute the delta, too. Then values that Athena cannot read (U+FFFD) are refused everywhere.
    pub athena: bool,
    /// The rules that hold a run for review.
    pub guards: Guards,
    /// When exports should arrive, if that is known.
    pub expect: Option<Expect>,
    /// The table in a database that holds its rows.
    pub target: Target,
    /// The tenants with a definition of their own; [`for_tenant`](Self::for_tenant) finds it.
    pub tenants: &'static [Tenant],
}

/// A tenant whose exports or guards differ from those of others.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenant {
    /// The tenant's name.
    pub name: &'static str,
    /// The table as it is for this tenant: with a source, guards and a hash of its own. Its columns differ only in how
    /// their texts are written.
    pub table: Table,
}

/// One column. [`Column::new`] has the defaults, the other methods change them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column's name, exactly as the header of an export spells it.
    pub name: &'static str,
    /// What the column contains.
    pub description: Option<&'static str>,
    /// The column's name in a header, if that is another.
    pub header: Option<&'static str>,
    /// The type of its values in operations.
    pub ty: Type,
    /// The type its text is read as, if operations have pseudonyms: the HMAC of each value under a key of the tenant.
    pub hmac: Option<Type>,
    /// Whether NULL is a value of the column.
    pub nullable: bool,
    /// The texts that mean NULL in this column; `None` if they are those of the source.
    pub nulls: Option<&'static [&'static str]>,
    /// Whether rows that differ only in this column are an UPDATE.
    pub compare: bool,
    /// Whether its values are masked wherever people can see them.
    pub pii: bool,
    /// Whether spaces and tabs around the text are removed before it is read.
    pub trim: bool,
    /// The layout of a date or timestamp; `None` is ISO 8601.
    pub format: Option<&'static str>,
    /// The text of the column in exports that are older than the column.
    pub default: Option<&'static str>,
    /// The column's name in exports that are older than its present name. In a baseline of a schema without this
    /// column, the column with the old name is read instead. Never set for a key column.
    pub formerly: Option<&'static str>,
    /// The text before the digits of a binary column in hex.
    pub prefix: Option<&'static str>,
    /// How numbers are written; `None` is like `-1234.5`.
    pub numbers: Option<Numbers>,
    /// Whether consumers see the column. Otherwise it is checked, and then dropped. Always true in the key.
    pub publish: bool,
    /// A boolean column's words for true; if empty, `true`, `t` and `1` in any case.
    pub true_values: &'static [&'static str],
    /// A boolean column's words for false; if empty, `false`, `f` and `0` in any case.
    pub false_values: &'static [&'static str],
}

/// How a table's exports are written. [`Source::DEFAULT`] is gzip CSV with a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How each part is compressed.
    pub compression: Compression,
    /// The encoding of the text, by its lower-case WHATWG name; `None` is UTF-8.
    pub encoding: Option<&'static str>,
    /// The byte between two fields, or the first one of `long_delimiter`.
    pub delimiter: u8,
    /// The text between two fields, if that is not one byte.
    pub long_delimiter: Option<&'static str>,
    /// Whether a record ends with a delimiter.
    pub trailing_delimiter: bool,
    /// The end of a record, if that is not any line break.
    pub record_end: Option<&'static str>,
    /// Whether a part ends with the end of a record.
    pub final_newline: bool,
    /// How characters are escaped.
    pub escape: Option<Escape>,
    /// The byte around a field that contains delimiters or quotes; `None` if fields are never quoted.
    pub quote: Option<u8>,
    /// Whether each part starts with the names of its columns.
    pub header: bool,
    /// Whether only the first part has a header.
    pub first_part_header: bool,
    /// Whether a header may name columns in another case.
    pub any_header_case: bool,
    /// Whether records that repeat the header are skipped; otherwise they are refused.
    pub skip_repeated_header: bool,
    /// How many lines at the beginning of a part are not rows.
    pub skip_first: u32,
    /// How many lines at the end of a part are not rows.
    pub skip_last: u32,
    /// What a line begins with that is a comment.
    pub comment: Option<&'static str>,
    /// The regular expression of a part's last line, whose first group is the number of rows.
    pub trailer: Option<&'static str>,
    /// The texts that mean NULL.
    pub nulls: &'static [&'static str],
    /// Whether a quoted field can be NULL.
    pub quoted_nulls: bool,
    /// Whether a quoted field can contain line breaks.
    pub multiline: bool,
    /// How to tell that an export is complete.
    pub complete: Completeness,
    /// Whether columns of a part that the schema does not name are skipped. Never true without a header.
    pub skip_unlisted: bool,
    /// Whether a row that repeats another one in every column is refused.
    pub refuse_duplicates: bool,
    /// The names of the parts, as a glob; `None` if all files are parts whose names do not start with `_` or `.`.
    pub parts: Option<&'static str>,
}

/// How characters are escaped in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// This byte makes the next character literal. With a quote, only in quoted fields.
    Char(u8),
    /// As MySQL's `SELECT … INTO OUTFILE`: `\t`, `\n` and others after a backslash, and `\N` for NULL.
    Mysql,
    /// As the text format of PostgreSQL's COPY: the same with other letters, and octal and hex digits.
    Postgres,
}

impl Escape {
    /// The byte that begins an escape.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Char(byte) => byte,
            Self::Mysql | Self::Postgres => b'\\',
        }
    }
}

/// How the parts of an export are compressed, and the suffix that their names must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// Neither `.gz` nor `.zst`
    None,
}

/// How to tell that an export is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Exactly one part.
    Single,
    /// At least one part, and a file with this name, which starts with `_` or `.`.
    Marker(&'static str),
    /// A file `_manifest.json` that lists the parts with their sizes and, optionally, their row counts.
    Manifest,
    /// A file with this name, which Redshift's UNLOAD wrote, that lists the parts with their sizes.
    RedshiftManifest(&'static str),
    /// Exactly this many parts.
    Count(u32),
}

/// The rules that hold a run before anything is published. `None` switches a rule off; [`Guards::DEFAULT`] has the
/// defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Guards {
    /// The maximum number of deleted rows, divided by the baseline's rows.
    pub max_delete_ratio: Option<f64>,
    /// The maximum number of updated rows, divided by the baseline's rows.
    pub max_update_ratio: Option<f64>,
    /// The maximum number of inserted rows, divided by the baseline's rows.
    pub max_insert_ratio: Option<f64>,
    /// The maximum number of deleted rows.
    pub max_deletes: Option<u64>,
    /// The maximum number of updated rows.
    pub max_updates: Option<u64>,
    /// The maximum number of inserted rows.
    pub max_inserts: Option<u64>,
    /// The minimum number of rows in a snapshot.
    pub min_rows: u64,
    /// The minimum number of rows in a baseline for the ratios to apply.
    pub min_baseline_rows: u64,
    /// The maximum number of days from the date that the version before begins with to the date that a version begins
    /// with.
    pub max_version_jump_days: Option<u64>,
}

impl Table {
    /// The definition that a tenant's exports are read and guarded with.
    #[must_use]
    pub fn for_tenant(&'static self, tenant: &str) -> &'static Self {
        self.tenants.iter().find(|own| own.name == tenant).map_or(self, |own| &own.table)
    }

    /// The `schema` field of operations: `table@hash`.
    pub fn schema_id(&self) -> String {
        format!("{}@{}", self.name, self.schema)
    }

    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns whether the column is part of the primary key.
    pub fn is_key(&self, column: &Column) -> bool {
        self.primary_key.contains(&column.name)
    }
}

impl Column {
    /// A column that is not nullable, is compared, and has no options.
    pub const fn new(name: &'static str, ty: Type) -> Self {
        Self {
            name,
            description: None,
            header: None,
            ty,
            hmac: None,
            nullable: false,
            nulls: None,
            compare: true,
            pii: false,
            trim: false,
            format: None,
            default: None,
            formerly: None,
            prefix: None,
            numbers: None,
            publish: true,
            true_values: &[],
            false_values: &[],
        }
    }

    /// Says what the column contains.
    #[must_use]
    pub const fn description(self, text: &'static str) -> Self {
        Self { description: Some(text), ..self }
    }

    /// The column with this name in headers.
    #[must_use]
    pub const fn header(self, header: &'static str) -> Self {
        Self { header: Some(header), ..self }
    }

    /// Makes NULL a value of the column.
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Sets the texts that mean NULL in this column.
    pub const fn nulls(self, nulls: &'static [&'static str]) -> Self {
        Self { nulls: Some(nulls), ..self }
    }

    /// Makes rows that differ only in this column equal.
    pub const fn not_compared(self) -> Self {
        Self { compare: false, ..self }
    }

    /// Masks the column's values wherever people can see them.
    pub const fn pii(self) -> Self {
        Self { pii: true, ..self }
    }

    /// Removes spaces and tabs around the text.
    pub const fn trim(self) -> Self {
        Self { trim: true, ..self }
    }

    /// Sets the layout of a date or timestamp.
    pub const fn format(self, format: &'static str) -> Self {
        Self { format: Some(format), ..self }
    }

    /// Sets the text of the column in exports that are older than the column.
    pub const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    /// Sets the column's name in exports that are older than its present name.
    pub const fn formerly(self, name: &'static str) -> Self {
        Self { formerly: Some(name), ..self }
    }

    /// Sets the text before the digits of a binary column in hex.
    pub const fn prefix(self, prefix: &'static str) -> Self {
        Self { prefix: Some(prefix), ..self }
    }

    /// Sets how numbers are written.
    pub const fn numbers(self, numbers: Numbers) -> Self {
        Self { numbers: Some(numbers), ..self }
    }

    /// Keeps the column from consumers. It is never compared.
    pub const fn unpublished(self) -> Self {
        Self { publish: false, compare: false, ..self }
    }

    /// Sets a boolean column's words.
    pub const fn words(self, true_values: &'static [&'static str], false_values: &'static [&'static str]) -> Self {
        Self { true_values, false_values, ..self }
    }
}

impl Source {
    /// Gzip CSV with commas, double quotes and a header, one file for each export, and NULL as the empty text.
    pub const DEFAULT: Self = Self {
        compression: Compression::Gzip,
        encoding: None,
        delimiter: b',',
        long_delimiter: None,
        trailing_delimiter: false,
        record_end: None,
        final_newline: false,
        escape: None,
        quote: Some(b'"'),
        header: true,
        first_part_header: false,
        any_header_case: false,
        skip_repeated_header: false,
        skip_first: 0,
        skip_last: 0,
        comment: None,
        trailer: None,
        nulls: &[""],
        quoted_nulls: true,
        multiline: false,
        complete: Completeness::Single,
        skip_unlisted: false,
        refuse_duplicates: false,
        parts: None,
    };
}

impl Guards {
    /// At most a fifth of the rows deleted and half of them updated, at least one row; the ratios apply from 100 rows
    /// in the baseline. At most half a year between the dates of two versions: more than there is between two exports,
    /// and less than there is between a date and the same one with a wrong year.
    pub const DEFAULT: Self = Self {
        max_delete_ratio: Some(0.2),
        max_update_ratio: Some(0.5),
        max_insert_ratio: None,
        max_deletes: None,
        max_updates: None,
        max_inserts: None,
        min_rows: 1,
        min_baseline_rows: 100,
        max_version_jump_days: Some(180),
    };
}

//! What the generator says about a table: its columns, its key and how its exports are read.
//!
//! Every item here can be built in a `static`, so that a generated module is data and nothing else. The generator has
//! checked what it writes (`primary_key` names columns, a key column is never nullable, a format fits its type …); the
//! runtime relies on that and checks it no second time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One table: the whole of what the runtime knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The table's name: a folder of the export tree, a Glue table, a module of the generated crate.
    pub name: &'static str,
    /// The table's part of its IAM role name, `<stack>-table-<role>`: the name, shortened if it is too long for IAM.
    pub role: &'static str,
    /// XXH3-128 of the normalised schema, 32 hex digits. It changes when the same export could give another delta.
    pub schema: &'static str,
    /// The names of the key columns, in the key's order.
    pub primary_key: &'static [&'static str],
    /// All columns, in the order of the schema file; without a header also the order of the fields.
    pub columns: &'static [Column],
    /// How exports of the table are written.
    pub source: Source,
    /// Whether UPDATE and DELETE carry the old values.
    pub before_image: bool,
    /// Whether the delta may run on Athena too, so that a value which its reader mangles (U+FFFD) is refused here as well.
    pub athena: bool,
    /// The rules that can hold a run.
    pub guards: Guards,
}

/// One column. [`Column::new`] gives the defaults, the other methods deviate from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The column's name, exactly as the header of an export spells it.
    pub name: &'static str,
    /// The type its text is read as.
    pub ty: Type,
    /// Whether NULL is a value of the column.
    pub nullable: bool,
    /// Whether a change of this column alone is an UPDATE.
    pub compare: bool,
    /// Whether its values are masked wherever they are shown to a person.
    pub pii: bool,
    /// Whether blanks and tabs around the text are removed before anything else looks at it.
    pub trim: bool,
    /// The layout of a date or timestamp; `None` is ISO 8601.
    pub format: Option<&'static str>,
    /// The text which stands for the column in an export made before the column existed.
    pub default: Option<&'static str>,
    /// The name the column had in exports made before it was renamed. In a baseline made under a schema that did not have
    /// this column yet, the column of the old name is read instead. Never of a key column.
    pub formerly: Option<&'static str>,
    /// A boolean column's own words for true; empty means `true`, `t`, `1` in any case.
    pub true_values: &'static [&'static str],
    /// A boolean column's own words for false; empty means `false`, `f`, `0` in any case.
    pub false_values: &'static [&'static str],
}

/// A column's type, under the name Glue gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `boolean`
    Boolean,
    /// `tinyint`: 8 bits, signed
    Tinyint,
    /// `smallint`: 16 bits, signed
    Smallint,
    /// `int`: 32 bits, signed
    Int,
    /// `bigint`: 64 bits, signed
    Bigint,
    /// `float`: IEEE 754, 32 bits
    Float,
    /// `double`: IEEE 754, 64 bits
    Double,
    /// `decimal(precision,scale)`: 1..=38 digits, `scale` of them behind the point
    Decimal {
        /// All digits.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// `char(n)`: up to n code points, not padded
    Char(u32),
    /// `varchar(n)`: up to n code points
    Varchar(u32),
    /// `string`: UTF-8 of any length
    String,
    /// `binary`
    Binary(Encoding),
    /// `date`, years 0001 to 9999
    Date,
    /// `timestamp`: date and time of day without a zone, to the microsecond
    Timestamp,
    /// `timestamptz`: an instant, to the microsecond, kept in UTC
    Timestamptz,
}

/// How the text of a binary column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648, standard alphabet, padded.
    Base64,
    /// Two hex digits a byte, in any case.
    Hex,
}

/// How a table's exports are written. [`Source::DEFAULT`] is gzip CSV with a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How each part is compressed.
    pub compression: Compression,
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a field that holds delimiters or quotes; `None` when nothing is quoted.
    pub quote: Option<u8>,
    /// Whether each part begins with the names of its columns.
    pub header: bool,
    /// The texts that mean NULL.
    pub nulls: &'static [&'static str],
    /// Whether a quoted field can be NULL.
    pub quoted_nulls: bool,
    /// Whether a quoted field may hold line breaks.
    pub multiline: bool,
    /// How an export is known to be whole.
    pub complete: Completeness,
}

/// How the parts of an export are compressed; their names must end accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `.gz`
    Gzip,
    /// `.zst`
    Zstd,
    /// Neither of the two.
    None,
}

/// How an export is known to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Exactly one part.
    Single,
    /// At least one part, and a file of this name, whose first character is `_` or `.`.
    Marker(&'static str),
    /// A file `_manifest.json` that names the parts, with their sizes and, if it likes, their row counts.
    Manifest,
    /// Exactly this many parts.
    Count(u32),
}

/// The rules that can hold a run before anything is published. [`Guards::DEFAULT`] are the defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Guards {
    /// Deleted rows over the baseline's rows.
    pub max_delete_ratio: Option<f64>,
    /// Updated rows over the baseline's rows.
    pub max_update_ratio: Option<f64>,
    /// Inserted rows over the baseline's rows.
    pub max_insert_ratio: Option<f64>,
    /// Deleted rows.
    pub max_deletes: Option<u64>,
    /// Updated rows.
    pub max_updates: Option<u64>,
    /// Inserted rows.
    pub max_inserts: Option<u64>,
    /// Rows that a snapshot must have.
    pub min_rows: u64,
    /// Rows that a baseline must have for the ratios to be looked at.
    pub min_baseline_rows: u64,
}

impl Table {
    /// What the `schema` field of an operation says: `table@hash`.
    pub fn schema_id(&self) -> String {
        format!("{}@{}", self.name, self.schema)
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether the column is part of the primary key.
    pub fn is_key(&self, column: &Column) -> bool {
        self.primary_key.contains(&column.name)
    }
}

impl Type {
    /// `decimal(precision,scale)`, as a schema writes it.
    pub const fn decimal(precision: u8, scale: u8) -> Self {
        Self::Decimal { precision, scale }
    }
}

impl Column {
    /// A column that is never NULL, is compared, and has neither format, default nor old name.
    pub const fn new(name: &'static str, ty: Type) -> Self {
        Self {
            name,
            ty,
            nullable: false,
            compare: true,
            pii: false,
            trim: false,
            format: None,
            default: None,
            formerly: None,
            true_values: &[],
            false_values: &[],
        }
    }

    /// NULL is a value of the column.
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// A change of this column alone is no UPDATE.
    pub const fn not_compared(self) -> Self {
        Self { compare: false, ..self }
    }

    /// The column's values are masked wherever they are shown to a person.
    pub const fn pii(self) -> Self {
        Self { pii: true, ..self }
    }

    /// Blanks and tabs around the text are removed.
    pub const fn trim(self) -> Self {
        Self { trim: true, ..self }
    }

    /// The layout of a date or timestamp.
    pub const fn format(self, format: &'static str) -> Self {
        Self { format: Some(format), ..self }
    }

    /// The text for rows from before the column existed.
    pub const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    /// The name the column had in exports made before it was renamed.
    pub const fn formerly(self, name: &'static str) -> Self {
        Self { formerly: Some(name), ..self }
    }

    /// A boolean column's own words.
    pub const fn words(self, true_values: &'static [&'static str], false_values: &'static [&'static str]) -> Self {
        Self { true_values, false_values, ..self }
    }
}

impl fmt::Display for Type {
    /// The type under its Glue name, as an error says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Boolean => "boolean",
            Type::Tinyint => "tinyint",
            Type::Smallint => "smallint",
            Type::Int => "int",
            Type::Bigint => "bigint",
            Type::Float => "float",
            Type::Double => "double",
            Type::Decimal { precision, scale } => return write!(f, "decimal({precision},{scale})"),
            Type::Char(length) => return write!(f, "char({length})"),
            Type::Varchar(length) => return write!(f, "varchar({length})"),
            Type::String => "string",
            Type::Binary(Encoding::Base64) => "binary in base64",
            Type::Binary(Encoding::Hex) => "binary in hex",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
            Type::Timestamptz => "timestamptz",
        };
        f.write_str(name)
    }
}

impl Type {
    /// The indefinite article that the type's name takes.
    pub(crate) fn article(self) -> &'static str {
        if self == Type::Int { "an" } else { "a" }
    }
}

impl Source {
    /// Gzip CSV with commas, double quotes and a header, one file an export, NULL as the empty text.
    pub const DEFAULT: Self = Self {
        compression: Compression::Gzip,
        delimiter: b',',
        quote: Some(b'"'),
        header: true,
        nulls: &[""],
        quoted_nulls: true,
        multiline: false,
        complete: Completeness::Single,
    };
}

impl Guards {
    /// At most a fifth deleted, half updated, at least one row; the ratios count from 100 baseline rows on.
    pub const DEFAULT: Self = Self {
        max_delete_ratio: Some(0.2),
        max_update_ratio: Some(0.5),
        max_insert_ratio: None,
        max_deletes: None,
        max_updates: None,
        max_inserts: None,
        min_rows: 1,
        min_baseline_rows: 100,
    };
}

//! A table as the emitters see it. Only validation builds one, so it is always valid: the key names existing columns,
//! no key column is nullable, a format fits its type, and generated names are unique.

mod escape;
pub(crate) mod expect;
mod guards;
mod hash;
mod numbers;
mod publish;
pub mod target;

use crate::names;
pub use escape::Escape;
pub use expect::Expect;
pub use guards::Guards;
pub use numbers::{Numbers, Sign};
pub use publish::Publish;
pub use target::Target;

/// The type of a pseudonym: the hex digits of an HMAC-SHA256.
const PSEUDONYM: ColumnType = ColumnType::Char(64);

/// One table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// The name, also of the folder of its exports and of its schema file.
    pub name: String,
    /// The module of the generated crate, without `r#`.
    pub module: String,
    /// The description from the schema.
    pub description: Option<String>,
    /// The key columns, in the key's order, as indexes into `columns`. Never empty.
    pub primary_key: Vec<usize>,
    /// All columns, in the order of the schema. Never empty.
    pub columns: Vec<Column>,
    /// The format of the exports.
    pub source: Source,
    /// Whether the delta may run on Athena.
    pub athena: bool,
    /// The maximum number of bytes that a query on Athena may read.
    pub max_scan: Option<u64>,
    /// Whether UPDATE and DELETE operations include the old values.
    pub before_image: bool,
    /// The rules that can hold a version before publication.
    pub guards: Guards,
    /// When exports should arrive, if that is known.
    pub expect: Option<Expect>,
    /// The table in a database that holds its rows.
    pub target: Target,
    /// The tenants with a definition of their own, sorted by name.
    pub tenants: Vec<Tenant>,
}

/// A tenant whose exports differ from those of others.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tenant {
    /// The name.
    pub name: String,
    /// The table as it is for this tenant: with a format and guards of its own, and no tenants. Nothing else differs
    /// except for what columns take over from the format.
    pub table: Table,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// The name.
    pub name: String,
    /// The name in the header of an export, if that is another.
    pub header: Option<String>,
    /// The field of the generated structs, without `r#`; unique within the table.
    pub field: String,
    /// The type, with the options that only this type has.
    pub ty: ColumnType,
    /// Whether NULL is a value. Never true in the key.
    pub nullable: bool,
    /// The texts that mean NULL, sorted, if they are not those of the source.
    pub nulls: Option<Vec<String>>,
    /// The description from the schema.
    pub description: Option<String>,
    /// Whether a change of this column alone is an UPDATE. Always true in the key.
    pub compare: bool,
    /// The raw text for rows that were exported before the column existed; a valid value of the type. Never in the key.
    pub default: Option<String>,
    /// The name of the column before it was renamed. Ignoring case, it is neither the name of a column nor the old name
    /// of another one. Never in the key.
    pub formerly: Option<String>,
    /// Whether the values are masked wherever a person could see them.
    pub pii: bool,
    /// Whether spaces and tabs around the text are removed.
    pub trim: bool,
    /// The text before the digits of a binary column in hex.
    pub prefix: Option<String>,
    /// How numbers are written; `None` if they look like `-1234.5`.
    pub numbers: Option<Numbers>,
    /// How operations show its values. A column that they leave out is not compared, is not part of the key, and has
    /// neither a default nor an old name.
    pub publish: Publish,
}

/// A type, with the options that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`
    Boolean {
        /// The column's own words. `None` means `true`, `t`, `1` and `false`, `f`, `0`, ignoring case.
        words: Option<Words>,
    },
    /// `tinyint`
    Tinyint,
    /// `smallint`
    Smallint,
    /// `int`
    Int,
    /// `bigint`
    Bigint,
    /// `float`
    Float,
    /// `double`
    Double,
    /// `decimal(precision,scale)`
    Decimal {
        /// The total number of digits, 1 to 38.
        precision: u8,
        /// The number of digits after the decimal point, at most `precision`.
        scale: u8,
    },
    /// `char(n)`, 1 to 255
    Char(u32),
    /// `varchar(n)`, 1 to 65535
    Varchar(u32),
    /// `string`
    String,
    /// `binary`
    Binary(Encoding),
    /// `date`
    Date {
        /// Its layout; `None` is ISO 8601.
        format: Option<String>,
    },
    /// `timestamp`
    Timestamp {
        /// Its layout; `None` is ISO 8601.
        format: Option<String>,
    },
    /// `timestamptz`
    Timestamptz {
        /// Its layout; `None` is ISO 8601.
        format: Option<String>,
    },
}

/// A boolean column's own words: two sorted lists that have no word in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The words for true.
    pub true_values: Vec<String>,
    /// The words for false.
    pub false_values: Vec<String>,
}

/// The text encoding of a binary column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `base64`
    Base64,
    /// `hex`
    Hex,
}

/// The format of the exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The compression of each part.
    pub compression: Compression,
    /// The encoding of the text, by its lower-case WHATWG name; `None` is UTF-8.
    pub encoding: Option<String>,
    /// The byte between two fields, or the first one of `long_delimiter`.
    pub delimiter: u8,
    /// The text between two fields, if that is not one byte.
    pub long_delimiter: Option<String>,
    /// Whether a record ends with a delimiter.
    pub trailing_delimiter: bool,
    /// The end of a record, if that is not any line break.
    pub record_end: Option<String>,
    /// Whether a part ends with the end of a record.
    pub final_newline: bool,
    /// How characters are escaped.
    pub escape: Option<Escape>,
    /// The byte around a quoted field; `None` if fields are never quoted.
    pub quote: Option<u8>,
    /// Whether each part starts with a header line.
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
    pub comment: Option<String>,
    /// The regular expression of a part's last line, whose first group is the number of rows.
    pub trailer: Option<String>,
    /// The texts that mean NULL, sorted.
    pub nulls: Vec<String>,
    /// Whether a quoted field can be NULL. Always true without a quote.
    pub quoted_nulls: bool,
    /// Whether a quoted field may contain line breaks. Never true without a quote.
    pub multiline: bool,
    /// How to tell that an export is complete.
    pub complete: Completeness,
    /// Whether columns that the schema does not name are skipped. Never true without a header.
    pub skip_unlisted: bool,
    /// Whether a row that repeats another one in every column is refused.
    pub refuse_duplicates: bool,
    /// The names of the parts, as a glob; `None` if all files are parts.
    pub parts: Option<String>,
}

/// The compression of the parts of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `gzip`
    Gzip,
    /// `zstd`
    Zstd,
    /// `none`
    None,
}

/// How to tell that an export is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Exactly one part.
    Single,
    /// A file with this name is in the folder of the parts. The name starts with `_` or `.`.
    Marker(String),
    /// `_manifest.json` lists the parts.
    Manifest,
    /// A file with this name, which Redshift's UNLOAD wrote, lists the parts.
    RedshiftManifest(String),
    /// Exactly this many parts, at least one.
    Count(u32),
}

impl Default for Source {
    fn default() -> Self {
        Self {
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
            nulls: vec![String::new()],
            quoted_nulls: true,
            multiline: false,
            complete: Completeness::Single,
            skip_unlisted: false,
            refuse_duplicates: false,
            parts: None,
        }
    }
}

impl Table {
    /// The table's part of its IAM role name, which is `<stack>-table-<role>`.
    pub fn role(&self) -> String {
        names::role(&self.name)
    }

    /// The key columns, in the key's order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.primary_key.iter().map(|index| &self.columns[*index])
    }

    /// The texts that mean NULL in a column.
    pub fn nulls_of<'a>(&'a self, column: &'a Column) -> &'a [String] {
        column.nulls.as_ref().unwrap_or(&self.source.nulls)
    }

    /// Returns whether the column is part of the key.
    pub fn is_key(&self, column: &Column) -> bool {
        self.key_columns().any(|key| key.name == column.name)
    }

    /// The columns outside the key that are published, in the order of the schema.
    pub fn value_columns(&self) -> impl Iterator<Item = &Column> {
        let values = self.columns.iter().enumerate().filter(|(index, _)| !self.primary_key.contains(index));
        values.map(|(_, column)| column).filter(|column| column.is_published())
    }

    /// The columns that are checked but not published, in the order of the schema.
    pub fn unpublished_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_published())
    }
}

impl Column {
    /// Returns whether consumers see the column.
    pub fn is_published(&self) -> bool {
        self.publish != Publish::Never
    }

    /// The type that its values have for consumers.
    pub fn published_type(&self) -> &ColumnType {
        match self.publish {
            Publish::Hmac => &PSEUDONYM,
            Publish::Clear | Publish::Never => &self.ty,
        }
    }
}

impl Source {
    /// The text between two fields.
    pub fn delimiter(&self) -> String {
        self.long_delimiter.clone().unwrap_or_else(|| char::from(self.delimiter).to_string())
    }
}

impl ColumnType {
    /// The type by its Glue name, as in a schema.
    pub fn name(&self) -> String {
        match self {
            Self::Boolean { .. } => "boolean".to_owned(),
            Self::Tinyint => "tinyint".to_owned(),
            Self::Smallint => "smallint".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Bigint => "bigint".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Double => "double".to_owned(),
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::Char(length) => format!("char({length})"),
            Self::Varchar(length) => format!("varchar({length})"),
            Self::String => "string".to_owned(),
            Self::Binary(_) => "binary".to_owned(),
            Self::Date { .. } => "date".to_owned(),
            Self::Timestamp { .. } => "timestamp".to_owned(),
            Self::Timestamptz { .. } => "timestamptz".to_owned(),
        }
    }

    /// The layout of a date or timestamp if it is not ISO 8601.
    pub fn format(&self) -> Option<&str> {
        match self {
            Self::Date { format } | Self::Timestamp { format } | Self::Timestamptz { format } => format.as_deref(),
            _ => None,
        }
    }

    /// Returns whether every text is a value of this type, including the empty text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Char(_) | Self::Varchar(_) | Self::String)
    }

    /// Returns whether the type is an IEEE 754 floating-point number.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }
}

impl Encoding {
    /// The name as in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
        }
    }
}

impl Compression {
    /// The name as in a schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }
}

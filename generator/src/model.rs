//! A table as every emitter sees it. Only validation builds one, so what it holds is right: the key names columns, no
//! key column is nullable, a format fits its type, generated names are free.

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

/// One table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Table {
    /// The name: also the folder of its exports, and the stem of its schema file.
    pub name: String,
    /// The module of the generated crate, without `r#`.
    pub module: String,
    /// What the table holds, in the words of the schema.
    pub description: Option<String>,
    /// The key columns, in the key's order, as indexes into `columns`. Never empty.
    pub primary_key: Vec<usize>,
    /// All columns, in the order of the schema. Never empty.
    pub columns: Vec<Column>,
    /// How exports are written.
    pub source: Source,
    /// Whether the delta may run on Athena.
    pub athena: bool,
    /// How many bytes a statement on Athena may read.
    pub max_scan: Option<u64>,
    /// Whether UPDATE and DELETE carry the old values.
    pub before_image: bool,
    /// The rules that can hold a run.
    pub guards: Guards,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Column {
    /// The name, as the header of an export spells it.
    pub name: String,
    /// The field of the generated structs, without `r#`; unique in its table.
    pub field: String,
    /// What its text is read as, with the options that only this type has.
    pub ty: ColumnType,
    /// Whether NULL is a value. Never true in the key.
    pub nullable: bool,
    /// What it holds, in the words of the schema.
    pub description: Option<String>,
    /// Whether a change of this column alone is an UPDATE. Always true in the key.
    pub compare: bool,
    /// The raw text for rows from before the column existed; its type can read it. Never in the key.
    pub default: Option<String>,
    /// The name it had before it was renamed: a legal name that no column of the table has and that no other column
    /// claims, in any case. Never in the key.
    pub formerly: Option<String>,
    /// Whether its values are masked wherever a person sees them.
    pub pii: bool,
    /// Whether blanks around the text are removed.
    pub trim: bool,
}

/// A type, with the options that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`
    Boolean {
        /// The column's own words; `None` is `true`, `t`, `1` and `false`, `f`, `0` in any case.
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
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits behind the point, at most `precision`.
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

/// A boolean column's own words: two lists that share no word, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The words for true.
    pub true_values: Vec<String>,
    /// The words for false.
    pub false_values: Vec<String>,
}

/// How the text of a binary column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `base64`
    Base64,
    /// `hex`
    Hex,
}

/// How exports are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How each part is compressed.
    pub compression: Compression,
    /// The byte between two fields.
    pub delimiter: u8,
    /// The byte around a field; `None` when nothing is quoted.
    pub quote: Option<u8>,
    /// Whether each part begins with the names of its columns.
    pub header: bool,
    /// The texts that mean NULL, sorted.
    pub nulls: Vec<String>,
    /// Whether a quoted field can be NULL. Always true without a quote.
    pub quoted_nulls: bool,
    /// Whether a quoted field may hold line breaks. Never true without a quote.
    pub multiline: bool,
    /// How an export is known to be whole.
    pub complete: Completeness,
}

/// How the parts of an export are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// `gzip`
    Gzip,
    /// `zstd`
    Zstd,
    /// `none`
    None,
}

/// How an export is known to be whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Exactly one part.
    Single,
    /// A file of this name stands beside the parts; it starts with `_` or `.`.
    Marker(String),
    /// `_manifest.json` names the parts.
    Manifest,
    /// Exactly this many parts, at least one.
    Count(u32),
}

/// The rules that can hold a run; `None` is switched off.
#[derive(Debug, Clone, PartialEq)]
pub struct Guards {
    /// Deleted rows over the baseline's, 0 to 1.
    pub max_delete_ratio: Option<f64>,
    /// Updated rows over the baseline's, 0 to 1.
    pub max_update_ratio: Option<f64>,
    /// Inserted rows over the baseline's.
    pub max_insert_ratio: Option<f64>,
    /// Deleted rows.
    pub max_deletes: Option<u64>,
    /// Updated rows.
    pub max_updates: Option<u64>,
    /// Inserted rows.
    pub max_inserts: Option<u64>,
    /// Rows that a snapshot must have.
    pub min_rows: u64,
    /// Rows that a baseline must have for the ratios to count.
    pub min_baseline_rows: u64,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            compression: Compression::Gzip,
            delimiter: b',',
            quote: Some(b'"'),
            header: true,
            nulls: vec![String::new()],
            quoted_nulls: true,
            multiline: false,
            complete: Completeness::Single,
        }
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            max_delete_ratio: Some(0.2),
            max_update_ratio: Some(0.5),
            max_insert_ratio: None,
            max_deletes: None,
            max_updates: None,
            max_inserts: None,
            min_rows: 1,
            min_baseline_rows: 100,
        }
    }
}

impl Table {
    /// The schema's hash, XXH3-128 as 32 hex digits: it changes when the same export could give another delta or other
    /// operations.
    ///
    /// Into it go the table's name, the key in its order, the columns in theirs with everything but `description` and
    /// `pii`, `source`, and `before_image`. Descriptions, `pii`, `guards` and `engine` stay out, and so does every way
    /// of writing the same thing in YAML: the order of fields, a default that is spelled out, the order of `nulls` and of
    /// a boolean's words.
    pub fn schema_hash(&self) -> String {
        format!("{:032x}", xxh3_128(self.normalised().as_bytes()))
    }

    /// The text that is hashed: one fact a line, texts as JSON strings, so that no value can pass for another.
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

    /// The key columns, in the key's order.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.primary_key.iter().map(|index| &self.columns[*index])
    }

    /// The columns outside the key, in the order of the schema.
    pub fn value_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().enumerate().filter(|(index, _)| !self.primary_key.contains(index)).map(|(_, column)| column)
    }
}

impl Column {
    fn normalised(&self) -> String {
        let Self { name, ty, nullable, compare, default, formerly, trim, .. } = self;
        let mut text =
            format!("column {} {} nullable {nullable} compare {compare} trim {trim}", quoted(name), ty.name());
        if let Some(default) = default {
            text += &format!(" default {}", quoted(default));
        }
        if let Some(formerly) = formerly {
            text += &format!(" formerly {}", quoted(formerly));
        }
        if let Some(format) = ty.format() {
            text += &format!(" format {}", quoted(format));
        }
        match ty {
            ColumnType::Boolean { words: Some(words) } => {
                text += &format!(" true {} false {}", quoted(&words.true_values), quoted(&words.false_values));
            }
            ColumnType::Binary(encoding) => text += &format!(" encoding {}", encoding.name()),
            _ => {}
        }
        text + "\n"
    }
}

impl ColumnType {
    /// The type under the name Glue gives it, as the schema would write it.
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

    /// The layout of a date or timestamp that is not ISO 8601.
    pub fn format(&self) -> Option<&str> {
        match self {
            Self::Date { format } | Self::Timestamp { format } | Self::Timestamptz { format } => format.as_deref(),
            _ => None,
        }
    }

    /// Whether every text is a value, the empty one too.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Char(_) | Self::Varchar(_) | Self::String)
    }

    /// Whether it is an IEEE float.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }
}

impl Encoding {
    /// The name, as the schema writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Hex => "hex",
        }
    }
}

impl Compression {
    /// The name, as the schema writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }
}

impl Source {
    fn normalised(&self) -> String {
        let Self { compression, delimiter, quote, header, nulls, quoted_nulls, multiline, complete } = self;
        let complete = match complete {
            Completeness::Single => "single".to_owned(),
            Completeness::Marker(name) => format!("marker {}", quoted(name)),
            Completeness::Manifest => "manifest".to_owned(),
            Completeness::Count(count) => format!("count {count}"),
        };
        let quote = quote.map_or("none".to_owned(), |quote| quote.to_string());
        format!(
            "source {} delimiter {delimiter} quote {quote} header {header} nulls {} quoted_nulls {quoted_nulls} \
             multiline {multiline} complete {complete}\n",
            compression.name(),
            quoted(nulls),
        )
    }
}

/// A text or a list of texts as JSON, whose escapes are the same in every release of every library.
fn quoted<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts are always JSON")
}

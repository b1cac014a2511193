//! A mistake in a schema, as data. [`human`] and [`json`] render it.

mod render;

use std::fmt;
use std::ops::Range;

pub use render::{Look, human, json};

/// Where something stands in its file, in bytes.
pub type Span = Range<usize>;

/// One mistake in one schema, or in the schemas as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of mistake.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// The file's path below the root.
    pub file: String,
    /// The places it concerns, the one at fault first; none when it concerns no place within the file.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place that a diagnostic points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The bytes that are underlined.
    pub span: Span,
    /// What stands beside the line; may be empty.
    pub text: String,
}

impl Diagnostic {
    /// A mistake at a place. Which file that is, is filled in where the file is known.
    pub fn new(code: Code, span: &Span, message: impl Into<String>) -> Self {
        let labels = vec![Label { span: span.clone(), text: String::new() }];
        Self { code, message: message.into(), file: String::new(), labels, help: None }
    }

    /// A mistake of a whole file or folder.
    pub fn of_file(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), file: file.into(), labels: Vec::new(), help: None }
    }

    /// The words beside the place at fault.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Another place of the same file that explains the first.
    #[must_use]
    pub fn also(mut self, span: &Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the file it was found in.
    #[must_use]
    pub fn in_file(mut self, path: &str) -> Self {
        self.file = path.to_owned();
        self
    }

    /// The order in which people read: by file, then by place.
    pub(crate) fn reading_order(&self) -> (&str, usize, Code) {
        (&self.file, self.labels.first().map_or(0, |label| label.span.start), self.code)
    }
}

/// Writes the enum of codes, the list of all and their names from one table.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// The kind of a mistake. Each has a directory of its name in `tests/diagnostics/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The name under which the code is shown.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// The schema folder holds no schema.
    NoSchemas = "no-schemas",
    /// A file is not UTF-8.
    NotUtf8 = "not-utf8",
    /// A file holds no YAML node.
    EmptySchema = "empty-schema",
    /// A file is not YAML.
    BrokenYaml = "broken-yaml",
    /// A file holds more than one YAML document.
    SeveralDocuments = "several-documents",
    /// A field has a value of the wrong YAML kind: text for a number, a list for a text …
    WrongKind = "wrong-kind",
    /// A field that does not exist.
    UnknownField = "unknown-field",
    /// A field that stands twice in one mapping.
    DuplicateField = "duplicate-field",
    /// A field that must be there is not.
    MissingField = "missing-field",
    /// A value that is none of the words the field knows.
    UnknownValue = "unknown-value",
    /// A number outside its bounds.
    OutOfRange = "out-of-range",
    /// A table's or column's name does not follow the pattern.
    InvalidName = "invalid-name",
    /// A name that is kept for Tidemark or that Rust has taken.
    ReservedName = "reserved-name",
    /// Two tables or columns that differ, but not in generated code.
    CollidingNames = "colliding-names",
    /// A file that is not named after its table.
    MisnamedFile = "misnamed-file",
    /// A table that two files describe.
    DuplicateTable = "duplicate-table",
    /// A table without columns.
    NoColumns = "no-columns",
    /// Two columns of one name; case does not count.
    DuplicateColumn = "duplicate-column",
    /// A primary key without columns.
    EmptyKey = "empty-key",
    /// A primary key that names a column the table does not have.
    UnknownKeyColumn = "unknown-key-column",
    /// A primary key that names a column twice.
    DuplicateKeyColumn = "duplicate-key-column",
    /// A key column that is nullable.
    NullableKey = "nullable-key",
    /// A key column of type `float` or `double`.
    FloatKey = "float-key",
    /// A key column that is not compared.
    UncomparedKey = "uncompared-key",
    /// A column type that does not exist.
    UnknownType = "unknown-type",
    /// A type with parameters that it does not take, or without those it needs.
    TypeParameters = "type-parameters",
    /// A decimal with more digits than there are, or a scale beyond its precision.
    DecimalBounds = "decimal-bounds",
    /// A `char` or `varchar` that is too short or too long.
    LengthBounds = "length-bounds",
    /// An option that the column's type does not have.
    OptionOfOtherType = "option-of-other-type",
    /// A `format` that cannot be read without doubt.
    InvalidFormat = "invalid-format",
    /// `true_values` without `false_values`, or the other way round.
    UnpairedWords = "unpaired-words",
    /// A list that must hold something.
    EmptyList = "empty-list",
    /// A text that stands twice where it could mean two things, or needs to stand once only.
    RepeatedText = "repeated-text",
    /// A `default` on a key column.
    DefaultOnKey = "default-on-key",
    /// A `default` that the column's type cannot read.
    UnreadableDefault = "unreadable-default",
    /// A `formerly` on a key column.
    FormerlyOnKey = "formerly-on-key",
    /// A `formerly` that is the name of a column today; case does not count.
    FormerlyIsColumn = "formerly-is-column",
    /// A `formerly` that two columns claim; case does not count.
    FormerlyTwice = "formerly-twice",
    /// A delimiter that cannot part fields.
    InvalidDelimiter = "invalid-delimiter",
    /// A quote that cannot enclose fields.
    InvalidQuote = "invalid-quote",
    /// A text for NULL that no field can hold.
    ImpossibleNull = "impossible-null",
    /// A marker file with a name that it cannot have.
    InvalidMarker = "invalid-marker",
    /// Options that contradict each other.
    Contradiction = "contradiction",
    /// Something that Athena cannot read, in a table that is open to Athena.
    NotForAthena = "not-for-athena",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! A mistake in a schema, as data; [`render`](crate::render) shows it to people and machines.

use std::fmt;
use std::ops::Range;

/// A range of bytes in a file.
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
    /// The spans it concerns, the one at fault first. Empty if it concerns the file as a whole.
    pub labels: Vec<Label>,
    /// The next step.
    pub help: Option<String>,
}

/// A span that a diagnostic points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The bytes that are underlined.
    pub span: Span,
    /// The note next to the underline; may be empty.
    pub text: String,
}

impl Diagnostic {
    /// A mistake at a span. [`in_file`](Self::in_file) adds the file.
    pub fn new(code: Code, span: &Span, message: impl Into<String>) -> Self {
        let labels = vec![Label { span: span.clone(), text: String::new() }];
        Self { code, message: message.into(), file: String::new(), labels, help: None }
    }

    /// A mistake of a whole file or folder.
    pub fn for_file(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), file: file.into(), labels: Vec::new(), help: None }
    }

    /// Sets the note at the span at fault.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds another span of the same file that explains the first.
    #[must_use]
    pub fn also(mut self, span: &Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span: span.clone(), text: text.into() });
        self
    }

    /// Sets the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the file.
    #[must_use]
    pub fn in_file(mut self, path: &str) -> Self {
        self.file = path.to_owned();
        self
    }

    /// The order in which people read: by file, then by position.
    pub(crate) fn reading_order(&self) -> (&str, usize, Code) {
        (&self.file, self.labels.first().map_or(0, |label| label.span.start), self.code)
    }
}

/// Defines the enum of codes, the list of all codes, and their names from one table.
macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// The kind of a mistake. Each has a directory of the same name in `tests/diagnostics/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The name of the code in messages.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }
        }
    };
}

codes! {
    /// The schema folder has no schema.
    NoSchemas = "no-schemas",
    /// A file is not UTF-8.
    NotUtf8 = "not-utf8",
    /// A file has no content.
    EmptySchema = "empty-schema",
    /// A file is not valid YAML.
    BrokenYaml = "broken-yaml",
    /// A file's aliases stand for more values than any schema has.
    AliasBomb = "alias-bomb",
    /// A file has more than one YAML document.
    SeveralDocuments = "several-documents",
    /// A field has a value of the wrong YAML kind: text instead of a number, a list instead of text …
    WrongKind = "wrong-kind",
    /// An unknown field.
    UnknownField = "unknown-field",
    /// A field occurs twice in one mapping.
    DuplicateField = "duplicate-field",
    /// A required field is missing.
    MissingField = "missing-field",
    /// A value that is not one of the words that the field accepts.
    UnknownValue = "unknown-value",
    /// A number is out of range.
    OutOfRange = "out-of-range",
    /// The name of a table or column does not match the pattern.
    InvalidName = "invalid-name",
    /// A name is reserved for Tidemark or by Rust.
    ReservedName = "reserved-name",
    /// Two tables or columns have different names, but the same name in generated code.
    CollidingNames = "colliding-names",
    /// A file is not named after its table.
    MisnamedFile = "misnamed-file",
    /// Two files describe the same table.
    DuplicateTable = "duplicate-table",
    /// A table has no columns.
    NoColumns = "no-columns",
    /// Two columns have the same name, ignoring case.
    DuplicateColumn = "duplicate-column",
    /// A primary key has no columns.
    EmptyKey = "empty-key",
    /// A primary key names a column that the table does not have.
    UnknownKeyColumn = "unknown-key-column",
    /// A primary key names a column twice.
    DuplicateKeyColumn = "duplicate-key-column",
    /// A key column is nullable.
    NullableKey = "nullable-key",
    /// A key column has the type `float` or `double`.
    FloatKey = "float-key",
    /// A key column is excluded from comparison.
    UncomparedKey = "uncompared-key",
    /// A glob that no part can match, or that is not a glob.
    InvalidParts = "invalid-parts",
    /// A key column is not published.
    UnpublishedKey = "unpublished-key",
    /// A warning: the values of a `pii` column are published as they are.
    PrivateInClear = "private-in-clear",
    /// An unknown column type.
    UnknownType = "unknown-type",
    /// A type has parameters that it does not take, or lacks the ones it needs.
    TypeParameters = "type-parameters",
    /// A decimal has too many digits, or a scale larger than its precision.
    DecimalBounds = "decimal-bounds",
    /// A `char` or `varchar` is too short or too long.
    LengthBounds = "length-bounds",
    /// An option that the type of the column does not have.
    OptionOfOtherType = "option-of-other-type",
    /// A `format` is invalid or ambiguous.
    InvalidFormat = "invalid-format",
    /// A time of day or a duration that cannot be read.
    InvalidTime = "invalid-time",
    /// `true_values` without `false_values`, or the other way round.
    UnpairedWords = "unpaired-words",
    /// A list is empty that must not be.
    EmptyList = "empty-list",
    /// A text is repeated where it would be ambiguous or redundant.
    RepeatedText = "repeated-text",
    /// A key column has a `default`.
    DefaultOnKey = "default-on-key",
    /// A `default` is not a value of the column's type.
    UnreadableDefault = "unreadable-default",
    /// A key column has a `formerly`.
    FormerlyOnKey = "formerly-on-key",
    /// A `formerly` is the current name of a column, ignoring case.
    FormerlyIsColumn = "formerly-is-column",
    /// Two columns have the same `formerly`, ignoring case.
    FormerlyTwice = "formerly-twice",
    /// A delimiter that cannot separate fields.
    InvalidDelimiter = "invalid-delimiter",
    /// A quote that cannot enclose fields.
    InvalidQuote = "invalid-quote",
    /// The end of a record that cannot separate records.
    InvalidRecordEnd = "invalid-record-end",
    /// A NULL marker that no field can contain.
    ImpossibleNull = "impossible-null",
    /// A comment that could be the beginning of a row.
    InvalidComment = "invalid-comment",
    /// A trailer that is not a regular expression, or not that of a whole line.
    InvalidTrailer = "invalid-trailer",
    /// A text that cannot be stripped from numbers.
    InvalidStrip = "invalid-strip",
    /// A word of a boolean column that no field can contain.
    UnreadableWord = "unreadable-word",
    /// An invalid name for a marker file.
    InvalidMarker = "invalid-marker",
    /// A warning: `\N` is NULL, but there is no `escape`.
    UnescapedNull = "unescaped-null",
    /// A tenant overrides nothing, or an option with what the table has anyway.
    IneffectiveOverride = "ineffective-override",
    /// A definition to import that is neither a table of Glue nor a data contract, or lacks what each of them has.
    UnreadableDefinition = "unreadable-definition",
    /// SQL to import in which a statement, a comment or a text has no end, or a column no type.
    BrokenSql = "broken-sql",
    /// A table to import whose columns are somewhere else.
    UnknownColumns = "unknown-columns",
    /// A file to import without tables.
    NoTables = "no-tables",
    /// A table to import that the schema language has no words for.
    UndescribableTable = "undescribable-table",
    /// A warning: what looks like a table to import is inside a text.
    HiddenTable = "hidden-table",
    /// Options that contradict each other.
    Contradiction = "contradiction",
    /// A table that may run on Athena uses something that Athena does not support.
    NotForAthena = "not-for-athena",
}

impl Code {
    /// Returns whether the input is valid all the same.
    pub fn is_warning(self) -> bool {
        matches!(self, Self::UnescapedNull | Self::HiddenTable | Self::PrivateInClear)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

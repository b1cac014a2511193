//! The types of columns.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A column's type, with its name in Glue.
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
    /// `decimal(precision,scale)`: 1 to 38 digits, `scale` of them after the point
    Decimal {
        /// The number of digits.
        precision: u8,
        /// The number of digits after the point.
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

/// How the numbers of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The character before the fraction.
    pub decimal_mark: char,
    /// The character between groups of three digits; a number may also have none.
    pub group_mark: Option<char>,
    /// Where the sign is.
    pub sign: Sign,
    /// Texts before or after the number that are not part of it; longer ones first.
    pub strip: &'static [&'static str],
}

/// Where the sign of a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// `-1`
    Leading,
    /// `1-`
    Trailing,
    /// `(1)` is negative.
    Parentheses,
}

/// How the text of a binary column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// RFC 4648, standard alphabet, padded.
    Base64,
    /// Two hex digits for each byte, in any case.
    Hex,
}

impl Type {
    /// The type of a pseudonym: 64 lower-case hex digits.
    pub(crate) const PSEUDONYM: Self = Self::Char(64);

    /// `decimal(precision,scale)`, as in a schema.
    pub const fn decimal(precision: u8, scale: u8) -> Self {
        Self::Decimal { precision, scale }
    }

    /// Returns whether a column of this type can have a `format`.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Date | Self::Timestamp | Self::Timestamptz)
    }

    /// The indefinite article that the type's name takes.
    pub(crate) fn article(self) -> &'static str {
        if self == Type::Int { "an" } else { "a" }
    }
}

impl fmt::Display for Type {
    /// Writes the type's name in Glue, and the encoding of a binary column.
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

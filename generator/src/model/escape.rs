//! How characters are escaped.

/// How characters are escaped in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// This byte makes the next character literal.
    Char(u8),
    /// `mysql`
    Mysql,
    /// `postgres`
    Postgres,
}

impl Escape {
    /// The byte that begins an escape.
    pub fn byte(self) -> u8 {
        match self {
            Self::Char(byte) => byte,
            Self::Mysql | Self::Postgres => b'\\',
        }
    }

    /// The name as in a schema.
    pub fn name(self) -> String {
        match self {
            Self::Char(byte) => char::from(byte).to_string(),
            Self::Mysql => "mysql".into(),
            Self::Postgres => "postgres".into(),
        }
    }
}

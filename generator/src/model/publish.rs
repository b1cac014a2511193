//! How operations show a column.

/// How operations show the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// The values.
    Clear,
    /// Pseudonyms: the HMAC of each value under a key of the tenant. Such a column has no default.
    Hmac,
    /// Nothing: the values are checked, and then dropped.
    Never,
}

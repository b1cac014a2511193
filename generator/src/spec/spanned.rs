//! Values with their position.

use std::ops::Deref;

use crate::diagnostic::Span;

/// A value and its span.
#[derive(Debug, Clone)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A field that may be absent.
pub(crate) type Optional<T> = Option<Spanned<T>>;

/// A limit that can be switched off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// `none`, or null.
    Off,
    At(f64),
}

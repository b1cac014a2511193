//! What a type of a database becomes in a schema.

/// A type of a schema, with its options and what the definition leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) ty: String,
    /// Fields of the column, with values as YAML.
    pub(super) options: Vec<(String, String)>,
    pub(super) choices: Vec<String>,
    /// Whether the definition names no precision, so that whole numbers and fractions are possible.
    pub(super) is_open_decimal: bool,
}

impl Mapped {
    pub(super) fn new(ty: impl Into<String>) -> Self {
        Self { ty: ty.into(), options: Vec::new(), choices: Vec::new(), is_open_decimal: false }
    }

    pub(super) fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn choice(mut self, choice: impl Into<String>) -> Self {
        self.choices.push(choice.into());
        self
    }

    /// Text, because no type equals the one of the definition.
    pub(super) fn text(choice: impl Into<String>) -> Self {
        Self::new("string").choice(choice)
    }

    /// The same column in a key, where no value may be a floating-point number.
    pub(super) fn in_key(mut self) -> Self {
        if self.is_open_decimal {
            self.ty = "decimal(38,0)".into();
            self.choices = vec!["the definition has no precision; in a key it is taken for a whole number".into()];
        } else if matches!(self.ty.as_str(), "float" | "double") {
            self.ty = "string".into();
            self.choices.push("a floating-point number cannot identify rows, so its text does".into());
        }
        self
    }
}

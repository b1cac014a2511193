//! A currency or a percent sign that all values of a column have beside a number.

use generator::hints::symbol;

use super::numbers::{Best, Numbers};

/// The numbers of a column whose values have the same symbol, such as `12,50 €`.
#[derive(Debug, Clone, Default)]
pub(super) struct Symbols {
    symbol: Option<String>,
    /// The values without it.
    numbers: Numbers,
    /// Whether a value is no number with that symbol.
    is_over: bool,
}

impl Symbols {
    pub(super) fn add(&mut self, text: &str) {
        if self.is_over {
            return;
        }
        let found = symbol(text).filter(|found| is_unit(text, found));
        self.is_over = match (found, &self.symbol) {
            (Some(found), None) => {
                self.symbol = Some(found.into());
                false
            }
            (Some(found), Some(known)) => found != known,
            (None, _) => true,
        };
        if let Some(found) = found.filter(|_| !self.is_over) {
            self.numbers.add(text.replacen(found, "", 1).trim());
            self.is_over = self.numbers.is_over();
        }
    }

    /// The symbol and the numbers, if every value has both.
    pub(super) fn best(&self) -> Option<(&str, Best)> {
        let symbol = self.symbol.as_deref().filter(|_| !self.is_over)?;
        Some((symbol, self.numbers.best()?))
    }
}

/// Returns whether a text is a sign, such as `€` or `%`, or a currency's code, which has a blank beside it: otherwise
/// `ABC12` would be a number.
fn is_unit(text: &str, symbol: &str) -> bool {
    let is_sign = || !symbol.contains(char::is_alphanumeric) && !symbol.contains(['#', '/', ':', '*', '&', '@', '=']);
    let is_code = || symbol.len() == 3 && symbol.bytes().all(|byte| byte.is_ascii_uppercase());
    let has_blank = || {
        let (before, after) = text.split_once(symbol).unwrap_or_default();
        before.ends_with(char::is_whitespace) || after.starts_with(char::is_whitespace)
    };
    is_sign() || is_code() && has_blank()
}

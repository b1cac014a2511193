//! What a database cannot hold is found while planning: a version that is PUBLISHING has to be finished.

use memchr::memmem;

use crate::operation::{ChangeLine, Scalar, key_bytes};
use crate::plan::Demand;

/// The largest key, as the bytes of its JSON. An entry of PostgreSQL's index has at most 2,704 bytes, the tenant (up to
/// 128) and the header among them. <https://www.postgresql.org/docs/current/btree.html>
const MAX_KEY: usize = 2_500;

/// Why a sink with this demand cannot take an operation; `None` if it can.
pub(crate) fn refusal(demand: Demand, line: &[u8]) -> Option<String> {
    match demand {
        Demand::Postgres => {
            let key = key_bytes(line)?.len();
            if key > MAX_KEY {
                return Some(format!("its key has {key} bytes, but an index of PostgreSQL takes at most {MAX_KEY}"));
            }
            has_nul(line).then(|| "a text has a NUL, which PostgreSQL cannot hold".into())
        }
    }
}

/// Returns whether a value of an operation has a NUL, which JSON always escapes.
fn has_nul(line: &[u8]) -> bool {
    if memmem::find(line, br"\u0000").is_none() {
        return false;
    }
    // The backslash may be one of the text's own.
    let Some(line) = ChangeLine::parse(line) else { return false };
    let fields = line.key.0.iter().chain(line.after.iter().flat_map(|after| &after.0));
    fields.into_iter().any(|(_, value)| matches!(value, Scalar::Text(text) if text.contains('\0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, text: &str) -> Vec<u8> {
        format!(r#"{{"op":"INSERT","id":"0","key":{{"id":"{key}"}},"after":{{"v":"{text}"}},"hash":"1"}}"#).into_bytes()
    }

    #[test]
    fn postgres_takes_neither_nul_nor_a_long_key() {
        for (key, text, is_refused) in [
            ("a", "b", false),
            ("a", r"b\u0000", true),
            (r"a\u0000", "b", true),
            ("a", r"b\\u0000", false),
            ("a", r"b\\\u0000", true),
            (&"k".repeat(2_491), "b", false),
            (&"k".repeat(2_492), "b", true),
        ] {
            let refusal = refusal(Demand::Postgres, &line(key, text));
            assert_eq!(refusal.is_some(), is_refused, "{key} {text}: {refusal:?}");
        }
    }
}

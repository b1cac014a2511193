//! Checks the encoding of the exports.

use encoding_rs::Encoding;

use crate::diagnostic::{Code, Diagnostic};
use crate::spec::Spanned;
use crate::wording::{excerpt, nearest};

/// The names of common encodings, as suggestions.
const COMMON: &[&str] = &[
    "utf-8",
    "utf-16le",
    "utf-16be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "macintosh",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "big5",
    "gbk",
    "gb18030",
];

/// The encoding with this label, by its lower-case name; `None` for UTF-8.
pub(super) fn encoding(label: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    // Encodings that browsers replace as a whole cannot be decoded.
    let Some(encoding) = Encoding::for_label_no_replacement(label.as_bytes()) else {
        let message = format!("unknown encoding `{}`", excerpt(label));
        let diagnostic = Diagnostic::new(Code::UnknownValue, &label.span, message);
        diagnostics.push(match nearest(label, COMMON.iter().copied()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.help(
                "use a label of the WHATWG standard (https://encoding.spec.whatwg.org), for example `windows-1252`",
            ),
        });
        return None;
    };
    (encoding != encoding_rs::UTF_8).then(|| encoding.name().to_ascii_lowercase())
}

/// Returns whether a label means UTF-8, or nothing.
pub(super) fn is_utf8(label: &str) -> bool {
    Encoding::for_label_no_replacement(label.as_bytes()).is_none_or(|encoding| encoding == encoding_rs::UTF_8)
}

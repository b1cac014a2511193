//! Comments, quoted names and texts of SQL, which a statement does not end in.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::import::dialect::Dialect;

/// A line that begins a table.
static TABLE_LINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?im)^[ \t\u{a0}\u{feff}]*create\s+(\w+\s+){0,3}table\b").expect("a valid expression")
});

/// A script, and who wrote it.
pub(super) struct Lexical<'a> {
    pub(super) text: &'a str,
    pub(super) dialect: Dialect,
}

/// What begins at a byte of a script.
pub(super) enum Piece<'a> {
    /// A comment, a quoted name or a text, up to a byte.
    Quoted(usize),
    Word(&'a str),
    Mark(char),
}

/// Returns whether a character is white space or as good as that: a byte order mark is where scripts were joined.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#')
}

impl<'a> Lexical<'a> {
    /// What begins at `at`, which is before the end.
    pub(super) fn piece(&self, at: usize) -> Result<Piece<'a>, Diagnostic> {
        if let Some(end) = self.skip(at)? {
            return Ok(Piece::Quoted(end));
        }
        let first = self.text[at..].chars().next().unwrap_or('\0');
        let is_word = first == '_' || first.is_alphanumeric() && !first.is_ascii_digit();
        Ok(if is_word { Piece::Word(self.word(at)) } else { Piece::Mark(first) })
    }

    /// A statement, character by character the same, whose blanks outside quotes are blanks to `sqlparser` too: it
    /// takes some of them for letters.
    pub(super) fn with_plain_blanks(&self, statement: &Span) -> Result<Cow<'a, str>, Diagnostic> {
        let sql = &self.text[statement.clone()];
        if sql.is_ascii() {
            return Ok(Cow::Borrowed(sql));
        }
        let (mut plain, mut at) = (String::with_capacity(sql.len()), statement.start);
        while at < statement.end {
            let (length, is_plain) = match self.piece(at)? {
                Piece::Quoted(end) => (end - at, true),
                Piece::Word(word) => (word.len(), true),
                Piece::Mark(mark) => (mark.len_utf8(), mark.is_ascii() || !is_blank(mark)),
            };
            self.refuse_within_word(at, statement)?;
            plain.push_str(if is_plain { &self.text[at..at + length] } else { " " });
            at += length;
        }
        Ok(Cow::Owned(plain))
    }

    /// Refuses an invisible character that makes two words of what looks like one.
    pub(super) fn refuse_within_word(&self, at: usize, statement: &Span) -> Result<(), Diagnostic> {
        let (before, rest) = (&self.text[statement.start..at], &self.text[at..statement.end]);
        let Some(first) = rest.chars().next().filter(|c| is_invisible(*c)) else { return Ok(()) };
        let is_letter = |c: char| is_of_word(c) || !c.is_ascii() && !is_blank(c);
        if !before.ends_with(is_letter) || !rest.trim_start_matches(is_invisible).starts_with(is_letter) {
            return Ok(());
        }
        let message = format!("an invisible character, U+{:04X}, is within a word", u32::from(first));
        Err(Diagnostic::new(Code::BrokenSql, &(at..at + first.len_utf8()), message)
            .label("here")
            .help("remove it, or write a blank if two words are meant"))
    }

    /// The end of the comment, the quoted name or the text that begins at `at`, if one does.
    pub(super) fn skip(&self, at: usize) -> Result<Option<usize>, Diagnostic> {
        let rest = &self.text[at..];
        let is = |dialect| self.dialect == dialect;
        let first = rest.as_bytes()[0];
        let quoted = |quote: char, escapes| self.quoted(at, quote, escapes).map(Some);
        match first {
            b'-' if rest.starts_with("--") => Ok(Some(at + self.line(at).len())),
            b'#' if is(Dialect::Mysql) => Ok(Some(at + self.line(at).len())),
            b'/' if rest.starts_with("/*") => self.comment(at).map(Some),
            b'\'' if is(Dialect::Oracle) && self.follows(at, 'q') => self.alternative(at).map(Some),
            b'\'' => quoted('\'', is(Dialect::Mysql) || (is(Dialect::Postgres) && self.follows(at, 'e'))),
            b'"' => quoted('"', is(Dialect::Mysql)),
            b'`' if is(Dialect::Mysql) || is(Dialect::Hive) => quoted('`', false),
            b'[' if is(Dialect::SqlServer) => quoted(']', false),
            b'$' if is(Dialect::Postgres) => self.dollar_quoted(at),
            _ => Ok(None),
        }
    }

    /// Returns whether the text at `at` has this prefix, as in `E'…'`.
    fn follows(&self, at: usize, prefix: char) -> bool {
        let mut before = self.text[..at].chars().rev();
        before.next().is_some_and(|c| c.eq_ignore_ascii_case(&prefix))
            && before.next().is_none_or(|c| !c.is_alphanumeric() && c != '_' || matches!(c, 'n' | 'N'))
    }

    /// The end of what is quoted; the quote is doubled inside.
    fn quoted(&self, at: usize, quote: char, escapes: bool) -> Result<usize, Diagnostic> {
        let mut chars = self.text[at + 1..].char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            if escapes && c == '\\' {
                chars.next();
            } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
                return Ok(at + 1 + offset + quote.len_utf8());
            }
        }
        Err(self.unclosed(at, &format!("`{}`", &self.text[at..=at])))
    }

    /// The end of `'[text]'`, whose closing bracket matches the opening one.
    fn alternative(&self, at: usize) -> Result<usize, Diagnostic> {
        let open = self.text[at + 1..].chars().next().unwrap_or('\'');
        let close = match open {
            '[' => ']',
            '{' => '}',
            '(' => ')',
            '<' => '>',
            other => other,
        };
        let start = (at + 1 + open.len_utf8()).min(self.text.len());
        let found = self.text[start..].find(&format!("{close}'"));
        found.map(|offset| start + offset + close.len_utf8() + 1).ok_or_else(|| self.unclosed(at, "`'`"))
    }

    fn comment(&self, at: usize) -> Result<usize, Diagnostic> {
        let nests = matches!(self.dialect, Dialect::Postgres | Dialect::SqlServer);
        let (bytes, mut depth, mut end) = (self.text.as_bytes(), 1, at + 2);
        while end < bytes.len() {
            if bytes[end..].starts_with(b"*/") {
                depth -= 1;
                end += 2;
                if depth == 0 {
                    return Ok(end);
                }
            } else if nests && bytes[end..].starts_with(b"/*") {
                depth += 1;
                end += 2;
            } else {
                end += 1;
            }
        }
        Err(self.unclosed(at, "`/*`"))
    }

    /// The end of `$tag$ … $tag$`.
    fn dollar_quoted(&self, at: usize) -> Result<Option<usize>, Diagnostic> {
        let rest = &self.text[at + 1..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if !rest[length..].starts_with('$') || rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let tag = &self.text[at..at + length + 2];
        let start = at + tag.len();
        let end = self.text[start..].find(tag).map(|offset| start + offset + tag.len());
        end.map(Some).ok_or_else(|| self.unclosed(at, &format!("`{tag}`")))
    }

    /// The word at `at`.
    pub(super) fn word(&self, at: usize) -> &'a str {
        let rest = &self.text[at..];
        &rest[..rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())]
    }

    /// The next word, if nothing but white space is before it.
    pub(super) fn next_word(&self, at: usize) -> &'a str {
        let rest = &self.text[at..];
        self.word(at + rest.len() - rest.trim_start_matches(is_blank).len())
    }

    /// The rest of the line at `at`, without its line break.
    pub(super) fn line(&self, at: usize) -> &'a str {
        let rest = &self.text[at..];
        &rest[..rest.find('\n').unwrap_or(rest.len())]
    }

    /// Where the rows of a COPY end: after a line `\.`.
    pub(super) fn after_copied(&self, at: usize, statement: &Span) -> Result<usize, Diagnostic> {
        let mut end = at;
        for line in self.text[at..].split_inclusive('\n') {
            end += line.len();
            if line.trim_end() == "\\." {
                return Ok(end);
            }
        }
        let message = "the rows of this COPY have no end, so tables after them would be missed";
        Err(Diagnostic::new(Code::BrokenSql, statement, message).help("end the rows with a line `\\.`, or remove them"))
    }

    /// Says that a line within a text looks like the beginning of a table.
    pub(super) fn hidden_table(&self, span: Span) -> Option<Diagnostic> {
        let text = &self.text[span.clone()];
        if !text.contains('\n') {
            return None;
        }
        let found = TABLE_LINE.find(text)?;
        let table = span.start + found.start()..span.start + found.end();
        let message = "this line looks like a table, but it is inside a text";
        let diagnostic = Diagnostic::new(Code::HiddenTable, &table, message).label("not read");
        let help = "if the text should have ended before, name the database: --dialect";
        Some(diagnostic.also(&(span.start..span.start + 1), "the text begins here").help(help))
    }

    fn unclosed(&self, at: usize, what: &str) -> Diagnostic {
        let end = at + self.text[at..].chars().next().map_or(0, char::len_utf8);
        Diagnostic::new(Code::BrokenSql, &(at..end), format!("{what} is never closed"))
            .label("begins here")
            .help(format!("close it; if {} did not write this file, name the database: --dialect", self.dialect.name()))
    }
}

//! Tables from `CREATE TABLE`, and what other statements of a script or dump say about them.
//!
//! A statement is not parsed as a whole: each database has clauses that no grammar covers, and a dump of one table must
//! not fail for the storage of another. What a schema needs is found among the tokens, and the rest is skipped.

mod alter;
mod column;
mod comment;
mod create;
mod lexical;
mod script;
mod split;
mod tokens;

use super::dialect::Dialect;
use crate::diagnostic::{Diagnostic, Span};
use crate::source::Source;
use lexical::{Lexical, is_blank};
use script::{Contents, KINDS};
use tokens::{Cursor, tokenize};

/// Reads a script.
pub(super) fn read(source: &Source, dialect: Option<Dialect>) -> Contents {
    let text = source.text.as_str();
    let dialect = dialect.unwrap_or_else(|| Dialect::guess(text));
    let mut contents = Contents { tables: Vec::new(), skipped: Vec::new(), diagnostics: Vec::new(), dialect };
    if let Some(offset) = source.not_utf8 {
        contents.diagnostics.push(crate::yaml::not_utf8(source, offset));
        return contents;
    }
    match split::split(text, dialect) {
        Ok(script) => {
            contents.diagnostics.extend(script.warnings);
            for statement in script.statements {
                if let Err(diagnostic) = read_statement(&mut contents, source, &statement) {
                    contents.diagnostics.push(diagnostic);
                }
            }
        }
        Err(diagnostic) => contents.diagnostics.push(diagnostic),
    }
    contents
}

/// Reads one statement, if it says something about tables.
fn read_statement(contents: &mut Contents, source: &Source, statement: &Span) -> Result<(), Diagnostic> {
    let words = leading_words(&source.text, statement, contents.dialect)?;
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    let kinds = words.iter().skip(1).take_while(|word| KINDS.contains(&word.as_str())).count();
    let what = match (word(0), word(1)) {
        ("create", _) if word(1 + kinds) == "table" => create::table,
        ("alter", "table") => alter::table,
        ("comment", "on") => comment::on,
        ("exec" | "execute", _) => comment::extended_property,
        _ => return Ok(()),
    };
    let parts = tokenize(&source.text, statement, contents.dialect)?;
    what(contents, source, Cursor::new(&parts))
}

/// The first words of a statement in lower case; comments are left out.
fn leading_words(text: &str, statement: &Span, dialect: Dialect) -> Result<Vec<String>, Diagnostic> {
    const MAX_WORDS: usize = 8;
    let lexical = Lexical { text, dialect };
    let (mut words, mut at) = (Vec::new(), statement.start);
    while at < statement.end && words.len() < MAX_WORDS {
        let is_comment = text[at..].starts_with("--") || text[at..].starts_with("/*");
        let word = lexical.word(at);
        let first = text[at..].chars().next().unwrap_or(' ');
        lexical.refuse_within_word(at, statement)?;
        // A foreign character among the words is a mistake, and is found where the statement is read.
        if is_blank(first) || word.is_empty() && !first.is_ascii() {
            at += first.len_utf8();
        } else if let Some(end) = if is_comment { lexical.skip(at)? } else { None } {
            at = end;
        } else if word.is_empty() {
            break;
        } else {
            words.push(word.to_lowercase());
            at += word.len();
        }
    }
    Ok(words)
}

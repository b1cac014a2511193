//! Finds the statements of a script or dump. Nothing is parsed here: a dump contains much that is not SQL.

use super::lexical::{Lexical, Piece};
use crate::diagnostic::{Diagnostic, Span};
use crate::import::dialect::Dialect;

/// Statements that name a right instead of beginning another statement.
const RIGHTS: &[&str] = &["grant", "revoke", "deny", "audit", "noaudit"];

/// The statements of a script, and what looks like one but is not.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) statements: Vec<Span>,
    pub(super) warnings: Vec<Diagnostic>,
}

pub(super) fn split(text: &str, dialect: Dialect) -> Result<Script, Diagnostic> {
    let mut splitter = Splitter {
        lexical: Lexical { text, dialect },
        at: 0,
        start: None,
        first: "",
        depth: 0,
        script: Script::default(),
    };
    splitter.run()?;
    Ok(splitter.script)
}

struct Splitter<'a> {
    lexical: Lexical<'a>,
    at: usize,
    /// Where the current statement begins, if it has a word.
    start: Option<usize>,
    /// Its first word.
    first: &'a str,
    depth: usize,
    script: Script,
}

impl<'a> Splitter<'a> {
    fn run(&mut self) -> Result<(), Diagnostic> {
        let text = self.lexical.text;
        let mut is_line_start = true;
        while self.at < text.len() {
            if is_line_start && self.skip_command() {
                continue;
            }
            let piece = self.lexical.piece(self.at)?;
            // A byte order mark begins a script that was joined to another one.
            is_line_start = matches!(piece, Piece::Mark('\n' | '\u{feff}'));
            match piece {
                Piece::Quoted(end) => {
                    if text.as_bytes()[self.at] == b'\'' {
                        self.script.warnings.extend(self.lexical.hidden_table(self.at..end));
                    }
                    // A line comment ends before its line break.
                    self.at = end;
                }
                Piece::Word(word) => self.word(word),
                Piece::Mark(mark) => self.mark(mark)?,
            }
        }
        self.finish();
        Ok(())
    }

    fn mark(&mut self, mark: char) -> Result<(), Diagnostic> {
        match mark {
            '(' => self.depth += 1,
            ')' => self.depth = self.depth.saturating_sub(1),
            ';' => {
                self.finish();
                self.at += 1;
                return self.skip_copied();
            }
            _ => {}
        }
        self.at += mark.len_utf8();
        Ok(())
    }

    /// Ends the current statement.
    fn finish(&mut self) {
        if let Some(start) = self.start.take() {
            self.script.statements.push(start..self.at);
        }
        self.depth = 0;
    }

    fn word(&mut self, word: &'a str) {
        let begins = match self.start {
            None => true,
            Some(_) => self.depth == 0 && self.begins_statement(word),
        };
        if begins {
            self.finish();
            (self.start, self.first) = (Some(self.at), word);
        }
        self.at += word.len();
    }

    /// Returns whether a word within a statement begins another one: not all scripts end statements with a semicolon.
    fn begins_statement(&self, word: &str) -> bool {
        let next = || self.lexical.next_word(self.at + word.len());
        let begins = match word.to_ascii_lowercase().as_str() {
            "create" | "exec" | "execute" => true,
            "copy" => self.lexical.dialect == Dialect::Postgres,
            "alter" => next().eq_ignore_ascii_case("table"),
            "comment" => next().eq_ignore_ascii_case("on"),
            _ => false,
        };
        begins && !RIGHTS.contains(&self.first.to_ascii_lowercase().as_str())
    }

    /// Skips a line that is a command of a client.
    fn skip_command(&mut self) -> bool {
        let line = self.lexical.line(self.at);
        let content = line.trim();
        let first = content.split(char::is_whitespace).next().unwrap_or_default().to_ascii_lowercase();
        let ends = match self.lexical.dialect {
            Dialect::SqlServer => first == "go",
            Dialect::Oracle => content == "/",
            Dialect::Postgres => content.starts_with('\\') && self.depth == 0,
            _ => false,
        };
        let is_start = self.start.is_none();
        let is_command = match self.lexical.dialect {
            Dialect::Mysql => is_start && first == "delimiter",
            Dialect::Oracle => is_start && matches!(first.as_str(), "prompt" | "rem" | "remark"),
            _ => false,
        };
        if ends {
            self.finish();
        }
        if ends || is_command {
            self.at += line.len();
            // The line break is left, unless the file ends here.
            self.at += usize::from(self.at < self.lexical.text.len());
        }
        ends || is_command
    }

    /// Skips the rows after `COPY … FROM stdin;`.
    fn skip_copied(&mut self) -> Result<(), Diagnostic> {
        let Some(statement) = self.script.statements.last() else { return Ok(()) };
        if self.lexical.dialect == Dialect::Postgres
            && statement.end + 1 == self.at
            && self.first.eq_ignore_ascii_case("copy")
            && self.lexical.text[statement.clone()].to_ascii_lowercase().contains("from stdin")
        {
            self.at = self.lexical.after_copied(self.at, statement)?;
        }
        Ok(())
    }
}

//! The tokens of one statement, as `sqlparser` finds them in the dialect of a database.

use sqlparser::dialect::{Dialect as Lexer, HiveDialect, MsSqlDialect, MySqlDialect, OracleDialect, PostgreSqlDialect};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::lexical::Lexical;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::import::dialect::Dialect;

/// A token and the bytes of the script that it is in.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) token: Token,
    pub(super) span: Span,
    /// How many parts further on the parenthesis that begins here is closed.
    closes_after: Option<usize>,
}

/// Finds the tokens of a statement; white space and comments are left out.
pub(super) fn tokenize(text: &str, statement: &Span, dialect: Dialect) -> Result<Vec<Part>, Diagnostic> {
    let lexer: &dyn Lexer = match dialect {
        Dialect::Mysql => &MySqlDialect {},
        Dialect::SqlServer => &MsSqlDialect {},
        Dialect::Oracle => &OracleDialect {},
        Dialect::Hive => &HiveDialect {},
        Dialect::Postgres | Dialect::Generic => &PostgreSqlDialect {},
    };
    let sql = Lexical { text, dialect }.with_plain_blanks(statement)?;
    let mut positions = Positions::new(&text[statement.clone()], statement.start);
    match Tokenizer::new(lexer, &sql).tokenize_with_location() {
        Ok(tokens) => {
            let mut parts: Vec<Part> = tokens.into_iter().filter_map(|token| positions.part(token)).collect();
            pair_parentheses(&mut parts);
            Ok(parts)
        }
        Err(error) => {
            let at = positions.offset(error.location).min(statement.end);
            Err(Diagnostic::new(Code::BrokenSql, &(at..at), "this statement cannot be read from here on")
                .label("not a token of SQL")
                .help(format!("if {} did not write this file, name the database: --dialect", dialect.name())))
        }
    }
}

fn pair_parentheses(parts: &mut [Part]) {
    let mut open = Vec::new();
    for index in 0..parts.len() {
        match parts[index].token {
            Token::LParen => open.push(index),
            Token::RParen => {
                if let Some(start) = open.pop() {
                    parts[start].closes_after = Some(index - start);
                }
            }
            _ => {}
        }
    }
}

/// Finds the bytes of locations. The tokens come in order, so a statement is walked along once.
struct Positions<'a> {
    sql: &'a str,
    base: usize,
    /// Where the walk has come to.
    byte: usize,
    location: Location,
}

impl<'a> Positions<'a> {
    fn new(sql: &'a str, base: usize) -> Self {
        Self { sql, base, byte: 0, location: Location::new(1, 1) }
    }

    fn part(&mut self, token: TokenWithSpan) -> Option<Part> {
        let is_blank = matches!(token.token, Token::Whitespace(_) | Token::EOF);
        (!is_blank).then(|| {
            let span = self.offset(token.span.start)..self.offset(token.span.end);
            Part { token: token.token, span, closes_after: None }
        })
    }

    /// The byte of the script at a location, whose line and column start at 1.
    fn offset(&mut self, location: Location) -> usize {
        if location < self.location {
            *self = Self::new(self.sql, self.base);
        }
        for c in self.sql[self.byte..].chars() {
            if self.location >= location {
                break;
            }
            self.byte += c.len_utf8();
            self.location = match c {
                '\n' => Location::new(self.location.line + 1, 1),
                _ => Location::new(self.location.line, self.location.column + 1),
            };
        }
        self.base + self.byte
    }
}

/// Types that have types in angle brackets.
const NESTED_TYPES: &[&str] = &["array", "map", "struct", "uniontype"];

/// Walks along tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) parts: &'a [Part],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(parts: &'a [Part]) -> Self {
        Self { parts }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<&'a Part> {
        let (first, rest) = self.parts.split_first()?;
        self.parts = rest;
        Some(first)
    }

    /// The token at `index` as an unquoted word in lower case, or nothing.
    pub(super) fn word(&self, index: usize) -> String {
        match self.parts.get(index).map(|part| &part.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_lowercase(),
            _ => String::new(),
        }
    }

    /// Returns whether these words are next.
    pub(super) fn is(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, word)| self.word(index) == *word)
    }

    /// Skips these words if they are next.
    pub(super) fn eat(&mut self, words: &[&str]) -> bool {
        let is_next = self.is(words);
        if is_next {
            self.parts = &self.parts[words.len()..];
        }
        is_next
    }

    /// Skips this token if it is next.
    pub(super) fn eat_mark(&mut self, token: &Token) -> bool {
        let is_next = self.parts.first().is_some_and(|part| part.token == *token);
        if is_next {
            self.parts = &self.parts[1..];
        }
        is_next
    }

    /// What is in the parentheses that begin here, without them; `None` if none begin here or they are not closed.
    pub(super) fn parentheses(&mut self) -> Option<Self> {
        let end = self.parts.first()?.closes_after.filter(|end| *end < self.parts.len())?;
        let inside = Self { parts: &self.parts[1..end] };
        self.parts = &self.parts[end + 1..];
        Some(inside)
    }

    /// The parts between commas that are not in parentheses, nor in a type such as `map<string,int>`.
    pub(super) fn items(&self) -> Vec<Self> {
        let (mut parentheses, mut angles, mut is_nested_type) = (0, 0, false);
        let parts = self.parts.split(|part| {
            match &part.token {
                Token::LParen => parentheses += 1,
                Token::RParen => parentheses -= 1,
                Token::Lt if is_nested_type || angles > 0 => angles += 1,
                Token::Gt if angles > 0 => angles -= 1,
                Token::ShiftRight if angles > 0 => angles = (angles - 2).max(0),
                _ => {}
            }
            is_nested_type = matches!(&part.token, Token::Word(word) if word.quote_style.is_none()
                && NESTED_TYPES.contains(&word.value.to_lowercase().as_str()));
            parentheses == 0 && angles == 0 && part.token == Token::Comma
        });
        parts.map(|parts| Self { parts }).filter(|item| !item.is_empty()).collect()
    }

    /// A name, in the case in which the database keeps it.
    pub(super) fn name(&mut self, dialect: Dialect) -> Option<String> {
        let name = match &self.parts.first()?.token {
            Token::Word(word) if word.quote_style.is_some() => word.value.clone(),
            Token::Word(word) => match dialect {
                Dialect::Postgres => word.value.to_lowercase(),
                Dialect::Oracle => word.value.to_uppercase(),
                _ => word.value.clone(),
            },
            Token::DoubleQuotedString(text) => text.clone(),
            _ => return None,
        };
        self.parts = &self.parts[1..];
        Some(name)
    }

    /// A name with its schema and database.
    pub(super) fn qualified_name(&mut self, dialect: Dialect) -> Option<(Vec<String>, Span)> {
        let mut span = self.parts.first()?.span.clone();
        let mut names = vec![self.name(dialect)?];
        loop {
            let mut ahead = *self;
            if !ahead.eat_mark(&Token::Period) {
                return Some((names, span));
            }
            span.end = ahead.parts.first().map_or(span.end, |part| part.span.end);
            names.push(ahead.name(dialect)?);
            *self = ahead;
        }
    }

    /// A text in any of its spellings.
    pub(super) fn text(&mut self) -> Option<String> {
        let text = match &self.parts.first()?.token {
            Token::SingleQuotedString(text)
            | Token::NationalStringLiteral(text)
            | Token::EscapedStringLiteral(text)
            | Token::UnicodeStringLiteral(text)
            | Token::DoubleQuotedString(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            Token::QuoteDelimitedStringLiteral(text) | Token::NationalQuoteDelimitedStringLiteral(text) => {
                text.value.clone()
            }
            _ => return None,
        };
        self.parts = &self.parts[1..];
        Some(text)
    }
}

//! Names use the words of the glossary, not private ones.

use proc_macro2::{TokenStream, TokenTree};

use super::rulebook::{Exceptions, Rulebook};
use super::sources::{self, Sources};
use super::violation::Violation;

/// The names in which a word is private language. Elsewhere it may be plain English.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The name of a struct, an enum, a trait or a type.
    Type,
    /// The name of a variant.
    Variant,
    /// The name of a function.
    Function,
    /// The name of a module, and so of a file or folder.
    Module,
    /// A name of any kind.
    Name,
    /// A name of any kind, or part of one in snake case.
    Word,
    /// A [`Self::Word`] in the source of the engines.
    EngineWord,
}

use Use::{EngineWord, Function, Module, Name, Type, Variant, Word};

/// The source of the engines.
const ENGINES: &str = "runtime/src/engine";

/// A private word, the names in which it is private, and the word to use instead.
const WORDS: &[(&str, &[Use], &str)] = &[
    ("side_by_side", &[Word], "merge_join"),
    ("in_any_order", &[Word], "hash_join"),
    ("hits", &[Module], "row_spool"),
    ("Hits", &[Type], "RowSpool"),
    ("images", &[Module], "image_spool"),
    ("Images", &[Type], "ImageSpool"),
    ("leftovers", &[EngineWord], "unmatched"),
    ("Leftovers", &[Type], "Unmatched"),
    ("same", &[Module, Function], "identical"),
    ("Fed", &[Type], "MappedBatch"),
    ("Feed", &[Type], "ReaderThread"),
    ("Spare", &[Type], "BatchPool"),
    ("Olds", &[Type], "BaselineScan"),
    ("Taken", &[Type], "HashedRow"),
    ("Looks", &[Type], "SecondPass"),
    ("Irregular", &[Variant], "Fallback"),
    ("Found", &[Type], "DeltaSummary, Discovery or Occurrence"),
    ("Written", &[Type], "SourceFormat, WriteOutcome or OutputTotals"),
    ("Place", &[Type], "S3Uri or ColumnSource"),
    ("places", &[Module], "field_map or args"),
    ("Desk", &[Type], "StagingDir"),
    ("desk", &[Word], "staging"),
    ("look", &[Module, Function], "inspect"),
    ("Looked", &[Type], "InspectedColumn"),
    ("looked", &[Word], "inspected"),
    ("notes", &[Module], "sidecars"),
    ("Twin", &[Type], "Alias"),
    ("twin", &[Word], "alias"),
    ("twins", &[Word], "aliases"),
    ("mended", &[Word], "patches"),
    ("Told", &[Type], "OnProgress"),
    ("told", &[Word], "reported"),
    ("Lines", &[Type], "LineSink"),
    ("Room", &[Type], "Resources"),
    ("Against", &[Type], "ComparisonBase"),
    ("Flaw", &[Type], "CsvError"),
    ("flaw", &[Word], "error"),
    ("Account", &[Type], "Deployment"),
    ("account", &[Module], "deployment"),
    ("Waiting", &[Type], "WaitMode"),
    ("Turned", &[Type], "DeltaProgress"),
    ("Statement", &[Type], "QueryExecution"),
    ("breathe", &[Word], "checkpoint"),
    ("rest", &[Function], "sleep"),
    ("say", &[Function], "message"),
    ("give_up", &[Word], "cancel"),
    ("alone", &[Function], "with_lease"),
    ("wake", &[Function], "start_execution"),
    ("most", &[Name], "max_…"),
    ("of", &[Function], "from_…"),
    ("unless_wanted", &[Word], "env_override"),
];

/// Returns every name in Rust and Python that contains a private word, and every exception that is not needed.
pub fn check(sources: &Sources, rulebook: &Rulebook) -> Vec<Violation> {
    let mut exceptions = Exceptions::new(rulebook, "vocabulary");
    let mut violations = Vec::new();
    for (path, text) in &sources.files {
        for (name, place, line) in names_of(path, text) {
            if let Some((word, better)) = private(path, &name, place)
                && !exceptions.covers(&format!("{path}::{name}"))
            {
                let message = format!("`{word}` is private language; say {better} (ARCHITECTURE.md, glossary)");
                let found =
                    Violation::new(path, line, if word == name { message } else { format!("{name}: {message}") });
                if !violations.contains(&found) {
                    violations.push(found);
                }
            }
        }
    }
    violations.extend(exceptions.unneeded());
    violations
}

/// The private word in a name, and the word to use instead.
fn private(path: &str, name: &str, place: Use) -> Option<(&'static str, &'static str)> {
    let padded = format!("_{name}_");
    let found = WORDS.iter().find(|(word, uses, _)| {
        let as_named = (uses.contains(&place) || uses.contains(&Name)) && *word == name;
        let as_prefix = match *word {
            "of" => place == Function && name.starts_with("of_"),
            "most" => name.starts_with("most_"),
            _ => false,
        };
        let is_word = uses.contains(&Word) || (uses.contains(&EngineWord) && path.starts_with(ENGINES));
        let as_part = is_word && padded.contains(&format!("_{word}_"));
        as_named || as_prefix || as_part
    });
    found.map(|(word, _, better)| (*word, *better))
}

/// The names in a file, with their use and line. The parts of the file's path come first.
fn names_of(path: &str, text: &str) -> Vec<(String, Use, usize)> {
    let mut names: Vec<(String, Use, usize)> =
        path.split('/').map(|part| (part.split('.').next().unwrap_or_default().replace('-', "_"), Module, 0)).collect();
    if path.ends_with(".rs") {
        let tokens = text.parse().unwrap_or_else(|error| panic!("{path}: cannot parse: {error}"));
        add_names(tokens, false, &mut names);
    } else if sources::is_python(path) {
        add_python_names(text, &mut names);
    }
    names
}

/// Adds every identifier. The keyword in front of it tells its use.
fn add_names(tokens: TokenStream, in_enum: bool, names: &mut Vec<(String, Use, usize)>) {
    let mut keyword = String::new();
    let mut enum_follows = false;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let name = ident.to_string();
                let place = match keyword.as_str() {
                    "struct" | "enum" | "trait" | "type" | "union" => Type,
                    "fn" => Function,
                    "mod" => Module,
                    _ if in_enum => Variant,
                    _ => Name,
                };
                enum_follows |= name == "enum";
                names.push((name.clone(), place, ident.span().start().line));
                keyword = name;
            }
            TokenTree::Group(group) => {
                let body = group.delimiter() == proc_macro2::Delimiter::Brace;
                add_names(group.stream(), enum_follows && body, names);
                enum_follows &= !body;
                keyword.clear();
            }
            _ => keyword.clear(),
        }
    }
}

/// Adds every identifier outside comments and strings.
fn add_python_names(text: &str, names: &mut Vec<(String, Use, usize)>) {
    for (index, line) in python_code(text).lines().enumerate() {
        let mut keyword = "";
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()) {
            let place = match keyword {
                "def" => Function,
                "class" => Type,
                _ => Name,
            };
            names.push((word.to_owned(), place, index + 1));
            keyword = word;
        }
    }
}

/// Python code without its comments and strings. Lines keep their numbers.
fn python_code(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    let mut quote = "";
    while let Some(character) = rest.chars().next() {
        let mark = ["\"\"\"", "'''", "\"", "'", "#"].into_iter().find(|mark| rest.starts_with(mark)).unwrap_or("");
        let mut consumed = character.len_utf8();
        if quote.is_empty() {
            if mark.is_empty() {
                code.push(character);
            } else {
                (quote, consumed) = (mark, mark.len());
                code.push(' ');
            }
        } else if (quote == "#" && character == '\n') || (quote != "#" && rest.starts_with(quote)) {
            consumed = if quote == "#" { 1 } else { quote.len() };
            quote = "";
            code.extend((character == '\n').then_some('\n'));
        } else if character == '\n' {
            code.push('\n');
        } else if character == '\\' && quote != "#" {
            consumed += rest[consumed..].chars().next().map_or(0, char::len_utf8);
        }
        rest = &rest[consumed..];
    }
    code
}

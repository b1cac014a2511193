//! A module imports only from lower layers.
//!
//! Each line is a layer. The words on one line do not import each other. A word can name several modules, which may
//! import each other: `sink/{mod,file}` names two, and `value/` everything in the folder, including its `mod.rs`. Where
//! two words name a module, the longer one counts.

use std::collections::BTreeMap;

use super::imports::Imports;
use super::rulebook::Block;
use super::violation::Violation;

/// The layers of a package.
#[derive(Debug)]
struct Layers {
    /// The position of each module and, with `/` at its end, each folder.
    positions: BTreeMap<String, Position>,
    /// Modules and folders that are listed more than once.
    twice: Vec<String>,
}

/// A line, and a word on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: usize,
    word: usize,
}

/// Returns every import that does not point down, every module that is not listed, and every listed module that does
/// not exist.
pub fn check(imports: &Imports, block: &Block) -> Vec<Violation> {
    let layers = Layers::read(&block.lines);
    let page = &block.page;
    let mut violations: Vec<Violation> =
        layers.twice.iter().map(|word| Violation::new(page, 0, format!("the layers list {word} twice"))).collect();
    let mut used = Vec::new();
    for (module, file) in &imports.files {
        match layers.find(module) {
            Some((word, _)) => used.push(word),
            None => violations.push(Violation::new(file, 0, format!("{module} is not on a layer; list it in {page}"))),
        }
    }
    let unused = layers.positions.keys().filter(|word| !used.contains(&word.as_str()));
    violations
        .extend(unused.map(|word| Violation::new(page, 0, format!("the layers list {word}, which does not exist"))));
    for ((from, to), arrow) in &imports.arrows {
        let (Some((_, above)), Some((_, below))) = (layers.find(from), layers.find(to)) else { continue };
        let fault = match above.line.cmp(&below.line) {
            std::cmp::Ordering::Less => continue,
            std::cmp::Ordering::Equal if above.word == below.word => continue,
            std::cmp::Ordering::Equal => "which is on the same layer",
            std::cmp::Ordering::Greater => "which is on a higher layer",
        };
        let names = arrow.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("{from} imports {to}, {fault}: {names}");
        violations.push(Violation::new(&imports.files[from], arrow.line, message));
    }
    violations
}

impl Layers {
    fn read(lines: &[String]) -> Self {
        let mut layers = Self { positions: BTreeMap::new(), twice: Vec::new() };
        for (line, text) in lines.iter().enumerate() {
            for (word, braced) in words(text).into_iter().enumerate() {
                for module in expand(&braced) {
                    let module = module.strip_suffix("/mod").map_or(module.clone(), str::to_owned);
                    if layers.positions.insert(module.clone(), Position { line, word }).is_some() {
                        layers.twice.push(module);
                    }
                }
            }
        }
        layers
    }

    /// The longest word that names a module, and its position.
    fn find(&self, module: &str) -> Option<(&str, Position)> {
        let exact = self.positions.get_key_value(module);
        let folders = self.positions.iter().rev().filter(|(word, _)| {
            word.ends_with('/') && (module.starts_with(word.as_str()) || word.strip_suffix('/') == Some(module))
        });
        exact.or_else(|| folders.max_by_key(|(word, _)| word.len())).map(|(word, position)| (word.as_str(), *position))
    }
}

/// The words of a line. Spaces inside braces do not separate words.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut depth = 0_usize;
    for character in line.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !character.is_whitespace() {
            words.last_mut().expect("the list starts with one").push(character);
        } else if depth == 0 {
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Expands `a/{b,c/{d,e}}` to `a/b`, `a/c/d` and `a/c/e`.
fn expand(word: &str) -> Vec<String> {
    let Some(open) = word.find('{') else { return vec![word.to_owned()] };
    let close = matching_brace(word, open);
    let mut expanded = Vec::new();
    for choice in split_at_commas(&word[open + 1..close]) {
        expanded.extend(expand(&format!("{}{choice}{}", &word[..open], &word[close + 1..])));
    }
    expanded
}

fn matching_brace(word: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (index, character) in word.char_indices().skip_while(|(index, _)| *index < open) {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return index,
            '}' => depth -= 1,
            _ => {}
        }
    }
    panic!("`{word}` has an unclosed brace");
}

fn split_at_commas(text: &str) -> Vec<String> {
    let mut choices = vec![String::new()];
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if character == ',' && depth == 0 {
            choices.push(String::new());
        } else {
            choices.last_mut().expect("the list starts with one").push(character);
        }
    }
    choices
}

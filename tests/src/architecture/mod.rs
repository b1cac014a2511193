//! Checks that the source tree keeps its shape: which module may import which, how long things may be, what they are
//! called.
//!
//! Each rule is a function from [`Sources`] to the [`Violation`]s it finds, so that it can be tested on a tree of a few
//! lines. Everything specific to this repository, such as the layers and the exceptions, is in the [`Rulebook`].

pub mod cycles;
pub mod imports;
pub mod layers;
pub mod manifests;
pub mod message_text;
mod modules;
pub mod rulebook;
pub mod sizes;
pub mod sources;
mod syntax;
#[cfg(test)]
mod tests;
pub mod violation;
pub mod vocabulary;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use imports::Imports;
pub use rulebook::Rulebook;
pub use sources::Sources;
pub use violation::Violation;

/// The pages that can contain blocks of the rulebook.
const PAGES: [&str; 2] = ["ARCHITECTURE.md", "tests/architecture.md"];

/// A rule that the source tree keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Modules do not import each other in a circle.
    Cycles,
    /// Modules import only from lower layers.
    Layers,
    /// Functions, files and comment lines are short.
    Sizes,
    /// Names come from the glossary.
    Vocabulary,
    /// The text of a message is never searched.
    MessageText,
    /// Crates depend on each other in one direction.
    Crates,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 6] =
        [Self::Cycles, Self::Layers, Self::Sizes, Self::Vocabulary, Self::MessageText, Self::Crates];
}

/// A source tree and the rulebook it is checked against.
#[derive(Debug)]
pub struct Repository {
    sources: Sources,
    rulebook: Rulebook,
}

impl Repository {
    /// Reads the repository in a folder.
    ///
    /// # Errors
    /// The first file or folder that cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut rulebook = Rulebook::default();
        for page in PAGES {
            match fs::read_to_string(root.join(page)) {
                Ok(text) => rulebook.add(page, &text),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { sources: Sources::read(root)?, rulebook })
    }

    /// Returns everything that breaks a rule, sorted by file and line.
    pub fn check(&self, rule: Rule) -> Vec<Violation> {
        let (sources, rulebook) = (&self.sources, &self.rulebook);
        let mut violations = match rule {
            Rule::Cycles => self.packages().flat_map(|(_, imports)| cycles::check(&imports)).collect(),
            Rule::Layers => self
                .packages()
                .flat_map(|(folder, imports)| layers::check(&imports, &rulebook.layers[folder]))
                .collect(),
            Rule::Sizes => sizes::check(sources, rulebook),
            Rule::Vocabulary => vocabulary::check(sources, rulebook),
            Rule::MessageText => message_text::check(sources, rulebook),
            Rule::Crates => manifests::check(sources, rulebook),
        };
        violations.sort();
        violations
    }

    /// The imports of each package that has layers, by its folder.
    fn packages(&self) -> impl Iterator<Item = (&str, Imports)> {
        self.rulebook.layers.keys().map(|folder| (folder.as_str(), Imports::from_package(&self.sources, folder)))
    }
}

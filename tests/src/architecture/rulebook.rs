//! The layers and exceptions of this repository, read from fenced blocks in its Markdown pages.
//!
//! * A `layers FOLDER` block lists the modules of the package in FOLDER from top to bottom; see [`super::layers`].
//! * A `crates` block has a line `NAME -> NAMES` for each member of the workspace, with the members it may depend on.
//! * An `exceptions RULE` block has a line `KEY REASON` for each exception to `sizes`, `vocabulary` or `message-text`.

use std::collections::{BTreeMap, BTreeSet};

use super::violation::Violation;

/// The contents of all blocks.
#[derive(Debug, Default)]
pub struct Rulebook {
    /// The layers by the folder of their package.
    pub layers: BTreeMap<String, Block>,
    /// The members that each member may depend on.
    pub crates: BTreeMap<String, Vec<String>>,
    exceptions: BTreeMap<String, Vec<String>>,
}

/// The lines of a block.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// The page it is on, from the root of the repository.
    pub page: String,
    /// Its lines, except empty ones.
    pub lines: Vec<String>,
}

impl Rulebook {
    /// Reads the blocks of a page.
    pub fn add(&mut self, page: &str, markdown: &str) {
        let mut block: Option<&str> = None;
        for line in markdown.lines() {
            match (line.strip_prefix("```"), block) {
                (Some(_), Some(_)) => block = None,
                (Some(info), None) => block = Some(info.trim()),
                (None, Some(info)) if !line.trim().is_empty() => self.add_line(page, info, line.trim()),
                _ => {}
            }
        }
    }

    fn add_line(&mut self, page: &str, info: &str, line: &str) {
        match info.split_once(' ') {
            Some(("layers", folder)) => {
                let block = self.layers.entry(folder.to_owned()).or_default();
                page.clone_into(&mut block.page);
                block.lines.push(line.to_owned());
            }
            Some(("exceptions", rule)) => self.exceptions.entry(rule.to_owned()).or_default().push(line.to_owned()),
            _ if info == "crates" => {
                let (name, others) = line.split_once("->").unwrap_or((line, ""));
                let others = others.split_whitespace().map(str::to_owned).collect();
                self.crates.insert(name.trim().to_owned(), others);
            }
            _ => {}
        }
    }
}

/// The exceptions to a rule, and which of them are in use.
#[derive(Debug)]
pub struct Exceptions<'a> {
    rule: &'a str,
    lines: &'a [String],
    used: BTreeSet<&'a str>,
}

impl<'a> Exceptions<'a> {
    /// The exceptions to one rule.
    pub fn new(rulebook: &'a Rulebook, rule: &'a str) -> Self {
        Self { rule, lines: rulebook.exceptions.get(rule).map_or(&[], Vec::as_slice), used: BTreeSet::new() }
    }

    /// Returns whether there is an exception for a key. An exception needs a reason.
    pub fn covers(&mut self, key: &str) -> bool {
        let line = self.lines.iter().find(|line| line.split_once(' ').is_some_and(|(listed, _)| listed == key));
        line.is_some_and(|line| {
            self.used.insert(line);
            true
        })
    }

    /// Returns the exceptions that cover nothing, or have no reason.
    pub fn unneeded(self) -> Vec<Violation> {
        let unneeded = self.lines.iter().filter(|line| !self.used.contains(line.as_str()));
        unneeded
            .map(|line| {
                Violation::new(line, 0, format!("this exception to `{}` is not needed, or has no reason", self.rule))
            })
            .collect()
    }
}

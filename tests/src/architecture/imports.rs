//! Which module of a package imports which: an arrow from each file to every file whose names it mentions.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Macro, Meta, Path, Visibility};

use super::modules::{Package, Target};
use super::sources::Sources;
use super::syntax;

/// Stands for the name where a module itself is imported.
const WHOLE_MODULE: &str = "(the module)";

/// The arrows of a package.
#[derive(Debug, Default)]
pub struct Imports {
    /// The files by module, such as `change_set/s3`, `lib` or `main`; `a/mod.rs` is `a`.
    pub files: BTreeMap<String, String>,
    /// The arrows by the module that imports and the module that is imported.
    pub arrows: BTreeMap<(String, String), Arrow>,
}

/// Why one module depends on another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrow {
    /// The names that it imports or mentions.
    pub names: BTreeSet<String>,
    /// The first line with one of them.
    pub line: usize,
}

impl Imports {
    /// Reads the package in a folder.
    ///
    /// A module that only declares and re-exports its children does not import them. Mentioning a re-exported name
    /// imports the child that defines it.
    pub fn from_package(sources: &Sources, folder: &str) -> Self {
        let package = Package::read(sources, folder);
        let mut imports = Self::default();
        for (index, module) in package.modules.iter().enumerate() {
            imports.files.insert(module.id.clone(), module.file.clone());
            for found in &module.uses {
                if let Some(target) = package.resolve(index, &found.path)
                    && !(found.public && package.is_below(target.module, index))
                {
                    imports.add(&package, index, &target, found.line);
                }
            }
            let mut paths = PathCollector::default();
            module.items.iter().for_each(|item| paths.visit_item(item));
            for (path, line) in paths.paths {
                if let Some(target) = package.resolve(index, &path) {
                    imports.add(&package, index, &target, line);
                }
            }
        }
        for arrow in imports.arrows.values_mut().filter(|arrow| arrow.names.len() > 1) {
            arrow.names.remove(WHOLE_MODULE);
        }
        imports
    }

    fn add(&mut self, package: &Package, from: usize, target: &Target, line: usize) {
        let (from, to) = (&package.modules[from], &package.modules[target.module]);
        if from.owner == to.owner {
            return;
        }
        let arrow = self.arrows.entry((from.id.clone(), to.id.clone())).or_default();
        let name = if target.name.is_empty() { WHOLE_MODULE } else { &target.name };
        arrow.names.insert(name.to_owned());
        if arrow.line == 0 || line < arrow.line {
            arrow.line = line;
        }
    }
}

/// Collects the paths that a module mentions, including those in macros and attributes, without its child modules.
#[derive(Default)]
struct PathCollector {
    paths: Vec<(Vec<String>, usize)>,
}

impl<'ast> Visit<'ast> for PathCollector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(_) | Item::Use(_)) && !syntax::is_test(syntax::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    /// The path in `pub(crate)` or `pub(in …)` is not an import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast Path) {
        if let Some(first) = path.segments.first()
            && path.leading_colon.is_none()
        {
            let words = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.paths.push((words, first.ident.span().start().line));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.add_tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.add_tokens(list.tokens.clone());
        }
    }
}

impl PathCollector {
    /// Macros and attributes are not parsed. Every `a::b` in them counts as a path, and so does the text in
    /// `#[serde(with = "crate::float")]`.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        let mut after_dot = false;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(word) => {
                    if colons != 2 || path.is_empty() {
                        self.finish(&mut path, line);
                        line = word.span().start().line;
                    }
                    if !after_dot {
                        path.push(word.to_string());
                    }
                    (colons, after_dot) = (0, false);
                }
                other => {
                    self.finish(&mut path, line);
                    (colons, after_dot) = (0, matches!(&other, TokenTree::Punct(punct) if punct.as_char() == '.'));
                    match other {
                        TokenTree::Group(group) => self.add_tokens(group.stream()),
                        TokenTree::Literal(literal) => self.add_text(&literal.to_string(), literal.span().start().line),
                        _ => {}
                    }
                }
            }
        }
        self.finish(&mut path, line);
    }

    fn finish(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        // `pub(crate)` in a macro is not an import.
        if path.iter().any(|word| !matches!(word.as_str(), "crate" | "self" | "super")) {
            self.paths.push((path, line));
        }
    }

    fn add_text(&mut self, literal: &str, line: usize) {
        let text = literal.trim_matches('"');
        let is_path = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if (text.starts_with("crate::") || text.starts_with("super::")) && is_path(text) {
            self.paths.push((text.split("::").map(str::to_owned).collect(), line));
        }
    }
}

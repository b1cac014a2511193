//! Functions, files and comment lines are short enough to read at a glance.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{ImplItemFn, ItemFn, ItemImpl, ItemMod, Signature, TraitItemFn};

use super::rulebook::{Exceptions, Rulebook};
use super::sources::{self, Sources};
use super::syntax;
use super::violation::Violation;

/// The longest function, from its signature to its closing brace.
const FUNCTION_LINES: usize = 40;
/// The longest file.
const FILE_LINES: usize = 400;
/// The longest comment line: the width that rustfmt.toml sets for code.
const COMMENT_WIDTH: usize = 120;

/// Returns every function, file and comment line that is too long, and every exception that is not needed.
pub fn check(sources: &Sources, rulebook: &Rulebook) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut exceptions = Exceptions::new(rulebook, "sizes");
    let mut report = |key: String, found: Violation| {
        if !exceptions.covers(&key) {
            violations.push(found);
        }
    };
    for (path, text) in &sources.files {
        if path.ends_with(".toml") || path.starts_with("generated/") {
            continue;
        }
        let lines = text.lines().count();
        if lines > FILE_LINES {
            report(
                path.clone(),
                Violation::new(path, 0, format!("{lines} lines; split it, so that it has at most {FILE_LINES}")),
            );
        }
        for (name, line, lines) in functions(path, text) {
            if lines > FUNCTION_LINES {
                let message = format!("fn {name} has {lines} lines; split it, so that it has at most {FUNCTION_LINES}");
                report(format!("{path}::{name}"), Violation::new(path, line, message));
            }
        }
        for (line, width) in wide_comments(path, text) {
            let message = format!("comment line of {width} characters; wrap it at {COMMENT_WIDTH}");
            report(path.clone(), Violation::new(path, line, message));
        }
    }
    violations.extend(exceptions.unneeded());
    violations
}

/// The name, first line and number of lines of each function. A method's name starts with its type.
fn functions(path: &str, text: &str) -> Vec<(String, usize, usize)> {
    let mut functions = FunctionCollector::default();
    if path.ends_with(".rs") {
        functions.visit_file(&syntax::parse(path, text));
    }
    functions.found
}

#[derive(Default)]
struct FunctionCollector {
    found: Vec<(String, usize, usize)>,
    owner: String,
}

impl FunctionCollector {
    fn add(&mut self, signature: &Signature, end: usize) {
        let start = signature.span().start().line;
        self.found.push((format!("{}{}", self.owner, signature.ident), start, end + 1 - start));
    }
}

impl<'ast> Visit<'ast> for FunctionCollector {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let outer = std::mem::take(&mut self.owner);
        visit::visit_item_mod(self, item);
        self.owner = outer;
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let outer = self.owner.clone();
        if let syn::Type::Path(path) = &*item.self_ty
            && let Some(last) = path.path.segments.last()
        {
            self.owner = format!("{}::", last.ident);
        }
        visit::visit_item_impl(self, item);
        self.owner = outer;
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.add(&item.sig, item.block.span().end().line);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.add(&item.sig, item.block.span().end().line);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body.span().end().line);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// The line number and width of each comment line that is too wide.
fn wide_comments(path: &str, text: &str) -> Vec<(usize, usize)> {
    let mark = if sources::is_python(path) { "#" } else { "//" };
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line, line.chars().count()));
    lines
        .filter(|(_, line, width)| *width > COMMENT_WIDTH && line.trim_start().starts_with(mark))
        .map(|(number, _, width)| (number, width))
        .collect()
}

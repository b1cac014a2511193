//! Behaviour never depends on the wording of a message.
//!
//! A text counts as a message if it comes from `.to_string()`, `format!` or `.message()`, directly or through a
//! variable, or if its variable or field has a name such as `message`. This heuristic finds the usual cases, not all.

use std::collections::BTreeSet;

use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary, ExprMethodCall, ImplItemFn, Item, ItemFn, Lit, Local, Macro, Member, Pat, Token};

use super::rulebook::{Exceptions, Rulebook};
use super::sources::Sources;
use super::syntax;
use super::violation::Violation;

/// The folders to check. Tests may compare printed output.
const FOLDERS: [&str; 3] = ["generator/src/", "runtime/src/", "samples/consumer/src/"];

/// Names of variables and fields that hold a message.
const MESSAGES: [&str; 10] =
    ["cause", "complaint", "error", "help", "hint", "message", "note", "reason", "refused", "words"];

/// Methods that search a text.
const SEARCHES: [&str; 11] = [
    "contains",
    "ends_with",
    "eq_ignore_ascii_case",
    "find",
    "matches",
    "rfind",
    "rsplit_once",
    "split_once",
    "starts_with",
    "strip_prefix",
    "strip_suffix",
];

/// Methods whose result is the same text.
const SAME_TEXT: [&str; 13] = [
    "as_bytes",
    "as_deref",
    "as_ref",
    "as_str",
    "clone",
    "to_ascii_lowercase",
    "to_lowercase",
    "to_owned",
    "trim",
    "trim_end",
    "trim_start",
    "unwrap_or",
    "unwrap_or_default",
];

/// Returns every search or comparison of the text of a message, and every exception that is not needed.
pub fn check(sources: &Sources, rulebook: &Rulebook) -> Vec<Violation> {
    let mut exceptions = Exceptions::new(rulebook, "message-text");
    let mut violations = Vec::new();
    for (path, text) in FOLDERS.iter().flat_map(|folder| sources.matching(folder, ".rs")) {
        let mut searches = Searches::default();
        searches.visit_file(&syntax::parse(path, text));
        for (function, line, how) in searches.found {
            if !exceptions.covers(&format!("{path}::{function}")) {
                let message =
                    format!("{how} the text of a message in {function}; decide by a field instead, such as the kind");
                violations.push(Violation::new(path, line, message));
            }
        }
    }
    violations.extend(exceptions.unneeded());
    violations
}

/// Collects the searches in a file.
#[derive(Default)]
struct Searches {
    /// The function, the line and the operation.
    found: Vec<(String, usize, String)>,
    function: String,
    /// Variables of the function that hold messages.
    holders: BTreeSet<String>,
}

impl Searches {
    fn in_function(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        let outer = (std::mem::replace(&mut self.function, name), std::mem::take(&mut self.holders));
        visit(self);
        (self.function, self.holders) = outer;
    }

    /// Returns whether an expression is the text of a message.
    fn is_message(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Reference(inner) => self.is_message(&inner.expr),
            Expr::Paren(inner) => self.is_message(&inner.expr),
            Expr::Unary(inner) => self.is_message(&inner.expr),
            Expr::MethodCall(call) => {
                let method = call.method.to_string();
                let is_text_of = SAME_TEXT.contains(&method.as_str()) && self.is_message(&call.receiver);
                is_text_of || (call.args.is_empty() && matches!(method.as_str(), "to_string" | "message"))
            }
            Expr::Macro(call) => call.mac.path.is_ident("format"),
            Expr::Path(path) => path.path.get_ident().is_some_and(|name| {
                let name = name.to_string();
                MESSAGES.contains(&name.as_str()) || self.holders.contains(&name)
            }),
            Expr::Field(field) => {
                matches!(&field.member, Member::Named(name) if MESSAGES.contains(&name.to_string().as_str()))
            }
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Searches {
    fn visit_item(&mut self, item: &'ast Item) {
        if !syntax::is_test(syntax::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.in_function(item.sig.ident.to_string(), |searches| visit::visit_item_fn(searches, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.in_function(item.sig.ident.to_string(), |searches| visit::visit_impl_item_fn(searches, item));
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let (Pat::Ident(name), Some(value)) = (&local.pat, &local.init)
            && self.is_message(&value.expr)
        {
            self.holders.insert(name.ident.to_string());
        }
        visit::visit_local(self, local);
    }

    /// Macros such as `format!` take expressions.
    fn visit_macro(&mut self, call: &'ast Macro) {
        if let Ok(arguments) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            let mut inner = Self { found: Vec::new(), function: self.function.clone(), holders: self.holders.clone() };
            arguments.iter().for_each(|argument| inner.visit_expr(argument));
            self.found.append(&mut inner.found);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let method = call.method.to_string();
        if SEARCHES.contains(&method.as_str()) && self.is_message(&call.receiver) {
            self.found.push((self.function.clone(), call.method.span().start().line, format!("`{method}` searches")));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let is_comparison = matches!(binary.op, BinOp::Eq(_) | BinOp::Ne(_));
        let (left, right) = (&*binary.left, &*binary.right);
        let is_made = |side: &Expr| self.is_message(side) && matches!(side, Expr::MethodCall(_) | Expr::Macro(_));
        let is_text = |side: &Expr| matches!(side, Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)));
        let is_compared = |one: &Expr, other: &Expr| is_made(one) || (self.is_message(one) && is_text(other));
        if is_comparison && (is_compared(left, right) || is_compared(right, left)) {
            self.found.push((self.function.clone(), binary.span().start().line, "`==` compares".to_owned()));
        }
        visit::visit_expr_binary(self, binary);
    }
}

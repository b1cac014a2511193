//! Matches whole texts against regular expressions.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use regex::Regex;

/// Returns whether the regular expression matches the whole text.
pub fn matches(pattern: &str, text: &str) -> bool {
    with_regex(&whole(pattern), |regex| regex.is_match(text))
}

/// The named groups of a regular expression that matches the whole text.
pub fn captures(pattern: &str, text: &str) -> Option<BTreeMap<String, String>> {
    with_regex(&whole(pattern), |regex| {
        let captures = regex.captures(text)?;
        let names = regex.capture_names().flatten();
        Some(names.filter_map(|name| Some((name.into(), captures.name(name)?.as_str().into()))).collect())
    })
}

/// The pattern of a whole text.
fn whole(pattern: &str) -> String {
    format!(r"(?s)\A(?:{pattern})\z")
}

/// Compiled expressions are cached: compiling one takes longer than matching a million texts.
pub(super) fn with_regex<R>(pattern: &str, use_it: impl FnOnce(&Regex) -> R) -> R {
    thread_local! {
        static CACHE: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    CACHE.with_borrow_mut(|cache| {
        let regex = cache
            .entry(pattern.into())
            .or_insert_with(|| Regex::new(pattern).expect("the patterns of the reference are regular expressions"));
        use_it(regex)
    })
}

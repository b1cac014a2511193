//! The source tree keeps the rules of ARCHITECTURE.md and tests/architecture.md.

use std::path::Path;

use tests::architecture::{Repository, Rule};

fn assert_kept(rule: Rule) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let violations = Repository::read(&root).unwrap().check(rule);
    let list: String = violations.iter().map(|violation| format!("\n  {violation}")).collect();
    assert!(violations.is_empty(), "{} violations of {rule:?}:{list}", violations.len());
}

#[test]
fn modules_have_no_import_cycles() {
    assert_kept(Rule::Cycles);
}

#[test]
fn modules_import_only_from_lower_layers() {
    assert_kept(Rule::Layers);
}

#[test]
fn functions_files_and_comment_lines_are_short() {
    assert_kept(Rule::Sizes);
}

#[test]
fn names_contain_no_private_language() {
    assert_kept(Rule::Vocabulary);
}

#[test]
fn message_text_is_never_searched() {
    assert_kept(Rule::MessageText);
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    assert_kept(Rule::Crates);
}

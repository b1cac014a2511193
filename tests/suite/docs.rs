//! docs/faults.md and the tests must agree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Every test of this suite, as `module::name`.
fn tests() -> BTreeSet<String> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let test = Regex::new(r"#\[test\]\s+fn (\w+)").unwrap();
    let mut tests = BTreeSet::new();
    for path in sources(&suite) {
        let module = path.strip_prefix(&suite).unwrap().with_extension("");
        let module = module.to_string_lossy().replace('/', "::");
        let text = fs::read_to_string(&path).unwrap();
        tests.extend(test.captures_iter(&text).map(|name| format!("{module}::{}", &name[1])));
    }
    tests
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn faults_page_names_only_existing_tests() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md")).unwrap();
    let named: BTreeSet<String> =
        Regex::new(r"`((?:\w+::)+\w+)`").unwrap().captures_iter(&page).map(|name| name[1].to_owned()).collect();
    assert!(named.len() > 50, "{named:?}");
    let tests = tests();
    let missing: Vec<&String> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "docs/faults.md names tests that do not exist: {missing:#?}");
}

#[test]
fn faults_page_names_every_fault_test() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md")).unwrap();
    let fault_modules = ["breakpoints::", "processes::", "histories::", "pipeline::", "streams::"];
    let fault_tests = tests().into_iter().filter(|test| fault_modules.iter().any(|module| test.starts_with(module)));
    let unnamed: Vec<String> = fault_tests.filter(|test| !page.contains(test.as_str())).collect();
    assert!(unnamed.is_empty(), "docs/faults.md does not name these tests: {unnamed:#?}");
}

//! Every mistake that a schema can contain, as its author sees it: one directory per code in `tests/diagnostics/`.
//!
//! `BLESS=1 cargo test --release -p tests diagnostics` rewrites the expected texts; review the diff.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use generator::diagnostic::{Code, Diagnostic};
use generator::import::Selection;
use generator::render::{Color, human_for, json};
use generator::source::{self, Source};
use serde_json::Value;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("diagnostics")
}

/// What the author of the case sees: of its schemas, or of the definitions in `import/`.
fn diagnostics_of(case: &Path) -> (Vec<Source>, Vec<Diagnostic>) {
    let definitions = case.join("import");
    if definitions.is_dir() {
        return imported(&definitions);
    }
    let sources = source::read_all(case).unwrap();
    let diagnostics = generator::read(&sources).map_or_else(|mistakes| mistakes, |schemas| schemas.warnings);
    (sources, diagnostics)
}

/// The diagnostics as the command line shows them.
fn shown(diagnostics: &[Diagnostic], sources: &[Source]) -> String {
    let is_import = sources.iter().any(|source| source.path.starts_with("import/"));
    human_for(diagnostics, sources, Color::Never, if is_import { "file" } else { "schema" })
}

fn imported(folder: &Path) -> (Vec<Source>, Vec<Diagnostic>) {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let read = |name: &String| Source::from_bytes(format!("import/{name}"), &fs::read(folder.join(name)).unwrap());
    let sources: Vec<Source> = names.iter().map(read).collect();
    let diagnostics = match generator::import(&sources, &Selection::default()) {
        Ok(import) => import.warnings,
        Err(diagnostics) => diagnostics,
    };
    (sources, diagnostics)
}

#[test]
fn every_code_has_a_directory_and_vice_versa() {
    let codes: BTreeSet<String> = Code::ALL.iter().map(Code::to_string).collect();
    let directories: BTreeSet<String> =
        fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(directories, codes);
}

#[test]
fn every_diagnostic_matches_its_expected_text() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut differences = Vec::new();
    for code in Code::ALL {
        let case = cases().join(code.name());
        let (sources, diagnostics) = diagnostics_of(&case);
        assert!(
            diagnostics.iter().any(|diagnostic| diagnostic.code == *code),
            "the case for {code} does not produce it"
        );
        let text = shown(&diagnostics, &sources);
        if bless {
            fs::write(case.join("expected.txt"), &text).unwrap();
        }
        let expected = fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        if text != expected {
            differences.push(format!("== {code}: expected\n{expected}\n== {code}: actual\n{text}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_diagnostic_has_help_or_a_label() {
    for code in Code::ALL {
        for diagnostic in diagnostics_of(&cases().join(code.name())).1 {
            let has_label = diagnostic.labels.iter().any(|label| !label.text.is_empty());
            assert!(diagnostic.help.is_some() || has_label, "{diagnostic:?}");
        }
    }
}

#[test]
fn diagnostics_are_in_source_order_with_spans_inside_their_file() {
    for code in Code::ALL {
        let (sources, diagnostics) = diagnostics_of(&cases().join(code.name()));
        let location = |diagnostic: &Diagnostic| {
            (diagnostic.file.clone(), diagnostic.labels.first().map_or(0, |label| label.span.start))
        };
        assert!(diagnostics.is_sorted_by_key(location), "{code}");
        assert_spans_are_inside(&diagnostics, &sources);
    }
}

#[test]
fn json_reports_the_same_diagnostics_with_lines_and_columns() {
    for code in Code::ALL {
        let (sources, diagnostics) = diagnostics_of(&cases().join(code.name()));
        let objects: Vec<Value> = serde_json::from_str(&json(&diagnostics, &sources)).unwrap();
        let text = shown(&diagnostics, &sources);
        assert_eq!(objects.len(), diagnostics.len());
        for object in objects {
            let location = match object["line"].as_u64() {
                Some(line) => format!("{}:{line}:{}", object["file"].as_str().unwrap(), object["column"]),
                None => object["file"].as_str().unwrap().to_owned(),
            };
            assert!(text.contains(&format!("--> {location}\n")), "{location} is missing from\n{text}");
            let level = if code.is_warning() { "warning" } else { "error" };
            assert!(text.contains(&format!("{level}[{}]: ", object["code"].as_str().unwrap())));
        }
    }
}

#[test]
fn json_contains_every_field() {
    let source = Source::new("schemas/t.yaml", "table: t\nprimary_key: [id]\ncolumns: [{ name: id, type: integr }]\n");
    let diagnostics = generator::read(std::slice::from_ref(&source)).unwrap_err();
    let objects: Value = serde_json::from_str(&json(&diagnostics, &[source])).unwrap();
    let expected = serde_json::json!([{
        "code": "unknown-type", "message": "unknown column type `integr`", "file": "schemas/t.yaml",
        "line": 3, "column": 29, "end_line": 3, "end_column": 35, "help": null,
        "labels": [{ "text": "did you mean `int`?", "line": 3, "column": 29, "end_line": 3, "end_column": 35 }]
    }]);
    assert_eq!(objects, expected);
}

/// Panics if a label's span is outside its file, so that it could not be underlined.
pub(crate) fn assert_spans_are_inside(diagnostics: &[Diagnostic], sources: &[Source]) {
    for diagnostic in diagnostics {
        for label in &diagnostic.labels {
            let source = sources
                .iter()
                .find(|source| source.path == diagnostic.file)
                .expect("a diagnostic names one of the sources");
            assert!(source.text.get(label.span.clone()).is_some(), "{diagnostic:?}");
        }
    }
}

//! The files of csv-spectrum, with what a reader should make of each.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::rows;
use crate::engines::native_delta;
use crate::workspace::add_to_summary;

/// The file whose JSON has other rows than it has. It contains quotes in the middle of a field.
const OF_OTHER_ROWS: &str = "location_coordinates";

#[test]
fn every_file_of_csv_spectrum_is_read_right_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora/csv-spectrum");
    let mut right = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "csv") {
            continue;
        }
        let (text, name) = (fs::read(&path).unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let expected: Vec<Json> =
            serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap_or_default();
        let read = rows(table(&text), &text, native_delta);
        if name == OF_OTHER_ROWS {
            assert_eq!(read, None, "a quote in the middle of a field is refused");
            continue;
        }
        let read: Vec<Json> = read.unwrap_or_else(|| panic!("{name} is refused")).into_iter().map(merged).collect();
        assert_eq!(read.len(), expected.len(), "{name}");
        assert!(expected.iter().all(|row| read.contains(row)), "{name}: {read:?}, but {expected:?}");
        right += 1;
    }
    assert_eq!(right, 11);
    add_to_summary("csv-spectrum: 11 files read right, 1 refused, none misread");
}

/// A table of text whose key is the first column.
fn table(text: &[u8]) -> &'static runtime::table::Table {
    let header = String::from_utf8_lossy(text);
    let names: Vec<String> = header.lines().next().unwrap().split(',').map(|name| name.replace(' ', "_")).collect();
    let columns: String = names
        .iter()
        .map(|name| format!("  - {{ name: {name}, type: string, header: \"{}\" }}\n", name.replace('_', " ")))
        .collect();
    tests::table::parse(&format!(
        "table: t\nprimary_key: [{}]\ncolumns:\n{columns}source: {{ compression: none, multiline: true, nulls: [] }}\n\
         engine: {{ athena: false }}\n",
        names[0]
    ))
    .unwrap()
}

/// The columns of a row, those of its key first.
fn merged((key, row): (String, Json)) -> Json {
    let mut fields: serde_json::Map<String, Json> = serde_json::from_str(&key).unwrap();
    fields.extend(row.as_object().unwrap().clone());
    fields.into()
}

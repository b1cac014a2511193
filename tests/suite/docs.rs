//! What the pages say must be true: of the tests, the wire format, the schema language, and each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value as Json;
use xxhash_rust::xxh3::xxh3_128;
use xxhash_rust::xxh64::xxh64;

use crate::workspace::Workspace;

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A file of the checkout.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The code blocks of a page in one language. Blocks inside a list lose its indentation.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = Regex::new(&format!(r"(?ms)^( *)```{language}\n(.*?)^ *```$")).unwrap();
    let unindented = |text: &str, indent: &str| {
        text.lines().map(|line| format!("{}\n", line.strip_prefix(indent).unwrap_or(line))).collect()
    };
    fence.captures_iter(page).map(|block| unindented(&block[2], &block[1])).collect()
}

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
fn the_faults_page_names_only_existing_tests() {
    let page = read("docs/faults.md");
    let named: BTreeSet<String> =
        Regex::new(r"`((?:\w+::)+\w+)`").unwrap().captures_iter(&page).map(|name| name[1].to_owned()).collect();
    assert!(named.len() > 50, "{named:?}");
    let tests = tests();
    let missing: Vec<&String> = named.difference(&tests).collect();
    assert!(missing.is_empty(), "docs/faults.md names tests that do not exist: {missing:#?}");
}

#[test]
fn the_faults_page_names_every_fault_test() {
    let page = read("docs/faults.md");
    let of_faults = ["adoption::", "breakpoints::", "processes::", "histories::", "pipeline::", "streams::"];
    let injecting = tests().into_iter().filter(|test| of_faults.iter().any(|module| test.starts_with(module)));
    let unnamed: Vec<String> = injecting.filter(|test| !page.contains(test.as_str())).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

/// Every record on a page, as the one line that it is on the wire. The pages show the sequences of a registry that was
/// created when 2027 began; the first is 1 here.
fn records(page: &str) -> Vec<String> {
    let blocks = blocks(page, "json");
    let lines = blocks.iter().map(|block| block.lines().map(str::trim_start).collect::<String>());
    lines.map(|line| line.replace("\"sequence\":179879040000", "\"sequence\":")).collect()
}

#[test]
fn records_on_the_pages_are_lines_that_the_samples_publish() {
    let workspace = Workspace::new();
    assert_eq!(workspace.tidemark(&["run", &root().join("samples/exports").to_string_lossy()]).status, 0);
    let output = workspace.output();
    let published: BTreeSet<String> = output.values().flat_map(|lines| lines.lines()).map(str::to_owned).collect();
    for (page, number) in [("README.md", 1), ("docs/wire-format.md", 3)] {
        let records = records(&read(page));
        assert_eq!(records.len(), number, "{page}");
        for record in records {
            assert!(published.contains(&record), "{page}: {record}");
        }
    }
}

#[test]
fn the_bytes_on_the_wire_format_page_have_the_hashes_of_its_operation() {
    let page = read("docs/wire-format.md");
    let operation: Json = serde_json::from_str(&records(&page)[0]).unwrap();
    let texts = blocks(&page, "text");
    let [row, _, identity] = texts.as_slice() else { panic!("{texts:?}") };
    assert_eq!(operation["hash"], xxh64(row.trim_end().as_bytes(), 0).cast_signed().to_string());
    assert_eq!(operation["id"], format!("{:032x}", xxh3_128(identity.trim_end().as_bytes())));
    let key = r#"{"region":"ap-south","order_id":120}"#;
    let prose = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(prose.contains(&format!("`{key}`, it is `{:032x}`", xxh3_128(key.as_bytes()))));
    assert!(records(&page)[0].contains(key));
}

#[test]
fn the_vectors_on_the_wire_format_page_are_golden() {
    let golden: Vec<Json> = serde_json::from_str(&read("tests/golden/rows.json")).unwrap();
    let line = Regex::new(r"(?m)^\| `([^`]+)`.* \| `(\d+:[^`]+)` \| `(-?\d+)` \| `([0-9a-f]{32})` \|$").unwrap();
    let page = read("docs/wire-format.md");
    let vectors: Vec<_> = line.captures_iter(&page).collect();
    assert_eq!(vectors.len(), 22);
    for vector in vectors {
        let [ty, row_bytes, hash, id] = [1, 2, 3, 4].map(|group| vector[group].to_owned());
        let is_it = |golden: &&Json| {
            golden["schema"].as_str().unwrap().contains(&format!("type: \"{ty}\""))
                && [&golden["row_bytes"], &golden["hash"], &golden["insert"]] == [&row_bytes, &hash, &id]
        };
        assert!(golden.iter().any(|golden| is_it(&golden)), "{}", &vector[0]);
    }
}

#[test]
fn the_reader_on_the_wire_format_page_is_the_one_in_the_samples() {
    let samples = ["samples/check_end.py", "samples/row_hash.py"].map(read);
    assert_eq!(blocks(&read("docs/wire-format.md"), "python"), samples);
}

#[test]
fn the_schema_page_lists_every_field_and_type() {
    let page = read("docs/schema.md");
    let schema: Json = serde_json::from_str(&read("schemas/table.schema.json")).unwrap();
    let columns = &schema["properties"]["columns"]["items"]["properties"];
    let of = |name: &str| &schema["properties"][name]["properties"];
    for fields in
        [&schema["properties"], columns, of("source"), of("engine"), of("operations"), of("guards"), of("target")]
    {
        for field in fields.as_object().unwrap().keys() {
            let row = Regex::new(&format!(r"(?m)^\| [^|]*`{field}`[^|]* \|")).unwrap();
            assert!(row.is_match(&page), "no row for `{field}`");
        }
    }
    for ty in columns["type"]["anyOf"][0]["enum"].as_array().unwrap() {
        let name = ty.as_str().unwrap().split('(').next().unwrap();
        assert!(Regex::new(&format!(r"(?m)^\| [^|]*`{name}[`(]")).unwrap().is_match(&page), "no row for `{name}`");
    }
}

#[test]
fn the_schemas_on_the_pages_are_valid() {
    for page in ["README.md", "docs/schema.md"] {
        let schemas = blocks(&read(page), "yaml");
        assert_eq!(schemas.len(), 1, "{page}");
        for schema in schemas {
            tests::table::parse(&schema).unwrap_or_else(|mistakes| panic!("{page}: {mistakes}"));
        }
    }
}

#[test]
fn contributing_lists_every_module_with_tests() {
    let table = Regex::new(r"(?ms)^\| module \|.*?\n\n").unwrap();
    let contributing = read("CONTRIBUTING.md");
    let rows = table.find(&contributing).unwrap().as_str().lines().skip(2);
    let name = Regex::new(r"`(\w+)`").unwrap();
    let listed: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| name.captures_iter(cell).map(|name| name[1].to_owned()).collect::<Vec<_>>())
        .collect();
    let modules: BTreeSet<String> = tests().iter().map(|test| test.split("::").next().unwrap().to_owned()).collect();
    assert_eq!(listed, modules);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = pages();
    assert!(pages.len() > 8, "{pages:?}");
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut broken = BTreeMap::new();
    for page in &pages {
        let text = read(page);
        for target in link.captures_iter(&text).map(|link| link[1].to_owned()) {
            if !target.contains("://") && !leads_somewhere(page, &target) {
                broken.entry(page).or_insert_with(Vec::new).push(target);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_links_of_the_architecture_page_lead_to_the_names_they_show() {
    let page = read("ARCHITECTURE.md");
    let link = Regex::new(r"\[`(\w+)`\]\(([^)#]+)\)").unwrap();
    let links: Vec<_> = link.captures_iter(&page).map(|link| (link[1].to_owned(), link[2].to_owned())).collect();
    assert!(links.len() > 40, "{links:?}");
    let wrong: Vec<_> = links.iter().filter(|(name, path)| !shows(name, &root().join(path))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns whether a file or folder has the name, or defines an item of the name.
fn shows(name: &str, path: &Path) -> bool {
    let file_name = path.file_name().unwrap().to_str().unwrap();
    let item = Regex::new(&format!(r"\b(fn|struct|enum|trait|const|static|mod) {name}\b")).unwrap();
    file_name.split('.').next() == Some(name) || fs::read_to_string(path).is_ok_and(|text| item.is_match(&text))
}

/// Every page, by its path in the checkout.
fn pages() -> Vec<String> {
    let folders = ["", "docs/", "infra/", "samples/", "tests/stack/"];
    let names = |folder: &&str| {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        entries.map(|name| format!("{folder}{}", name.to_string_lossy())).collect::<Vec<_>>()
    };
    folders.iter().flat_map(names).filter(|path| path.ends_with(".md")).collect()
}

/// Whether a relative link names a file or folder and, with `#`, a heading in it.
fn leads_somewhere(page: &str, target: &str) -> bool {
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let file = match path {
        "" => root().join(page),
        path => root().join(page).parent().unwrap().join(path),
    };
    match heading {
        None => file.exists(),
        Some(heading) => fs::read_to_string(file).is_ok_and(|text| anchors(&text).contains(heading)),
    }
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    headings.map(|text| text.to_lowercase().replace(' ', "-").chars().filter(|c| kept(*c)).collect()).collect()
}

#[test]
fn each_line_about_an_exporter_is_a_case() {
    let page = read("docs/schema.md");
    let row =
        Regex::new(r"(?m)^\| .* \| `(\{ [^`]* \})`.* \| \[(writer-[a-z-]+)\]\(\.\./tests/cases/(writer-[a-z-]+)\) \|$");
    let mut written = BTreeSet::new();
    for row in row.unwrap().captures_iter(&page) {
        let schema = read(&format!("tests/cases/{}/schema.yaml", &row[2]));
        let declared = row[1].replace("\\|", "|");
        assert!(schema.contains(&format!("source: {declared}\n")), "{} declares another source", &row[2]);
        assert_eq!(row[2], row[3]);
        written.insert(row[2].to_owned());
    }
    let cases = fs::read_dir(root().join("tests/cases")).unwrap().map(|entry| entry.unwrap().file_name());
    let cases = cases.map(|name| name.into_string().unwrap()).filter(|name| name.starts_with("writer-"));
    assert_eq!(written, cases.collect());
}

//! The pages of a report in a real browser: Chromium opens them from the disk, and axe checks that everybody can use
//! them.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::limits::command;
use crate::workspace::{Workspace, gunzip};

/// Where the checks and the versions of their packages are.
const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");

/// The browsers that are looked for, in this order; `TIDEMARK_BROWSER` names another.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The folder with the checks and their packages, which npm installs once for each set of versions.
fn checks() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let lock = fs::read(Path::new(CHECKS).join("package-lock.json")).unwrap();
        let cache = env::var_os("TIDEMARK_CACHE").map(PathBuf::from);
        let cache = cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap()).join(".cache/tidemark"));
        let folder = cache.join(format!("browser-{:016x}", xxh3_64(&lock)));
        fs::create_dir_all(&folder).unwrap();
        // Another test run may be installing the same.
        let guard = File::create(folder.join("lock")).unwrap();
        guard.lock().unwrap();
        for file in ["package.json", "package-lock.json", "check.mjs"] {
            fs::copy(Path::new(CHECKS).join(file), folder.join(file)).unwrap();
        }
        if !folder.join("installed").exists() {
            let output = command("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .output();
            let output = output.expect("npm is needed: apt-get install nodejs npm");
            assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
            fs::write(folder.join("installed"), "").unwrap();
        }
        folder
    });
    &FOLDER
}

fn browser() -> PathBuf {
    if let Some(browser) = env::var_os("TIDEMARK_BROWSER") {
        return browser.into();
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap()).collect();
    let candidates = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| path.exists()).expect("Chromium is needed: apt-get install chromium")
}

/// The samples, with a table of many columns and versions, and an hour in which nothing came.
fn workspace() -> Workspace {
    let workspace = Workspace::from_schemas();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for entry in fs::read_dir(root.join("schemas")).unwrap().map(Result::unwrap) {
        let schema = fs::read(entry.path()).unwrap();
        workspace.write(&format!("schemas/{}", entry.file_name().to_str().unwrap()), &schema);
    }
    let columns: String =
        (0..200).map(|n| format!("  - {{ name: column_{n:03}, type: int, description: \"Number {n}\" }}\n")).collect();
    let schema = format!(
        "table: wide\nprimary_key: [column_000]\ncolumns:\n{columns}engine: {{ athena: false }}\nexpect: {{ every: 1h, by: \"00:00\", window: 1h, tenants: [globex] }}\n"
    );
    workspace.write("schemas/wide.yaml", schema.as_bytes());
    let header = (0..200).map(|n| format!("column_{n:03}")).collect::<Vec<_>>().join(",");
    for version in 1..=30 {
        let rows: String =
            (0..version + 5).map(|row| format!("{row}{}\n", format!(",{version}").repeat(199))).collect();
        workspace.export(&format!("acme/wide/V{version}"), &format!("{header}\n{rows}"));
    }
    for tenant in ["acme", "globex"] {
        let samples = root.join("samples/exports").join(tenant);
        for table in fs::read_dir(samples).unwrap().map(Result::unwrap) {
            copy(&table.path(), &workspace.path(&format!("exports/{tenant}")).join(table.file_name()));
        }
    }
    // An export that was cut off.
    let last = gunzip(&workspace.path("exports/acme/orders/20260103_V0002/orders.csv.gz"));
    let half: String = last.split_inclusive('\n').take(last.lines().count() / 2).collect();
    workspace.export("acme/orders/20260104_V0001", &half);
    assert_eq!(workspace.run().status, 1, "the version that was cut off is held");
    workspace
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// `UPDATE_SCREENSHOTS=1` also takes the pictures in `docs` again.
#[test]
fn everybody_can_use_the_pages_and_none_makes_a_request() {
    let workspace = workspace();
    assert_eq!(workspace.tidemark(&["report", "-o", "report"]).status, 0);
    let mut node = command("node");
    node.arg(checks().join("check.mjs")).arg(workspace.path("report")).arg(browser());
    if env::var_os("UPDATE_SCREENSHOTS").is_some() {
        node.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"));
    }
    let output = node.output().expect("Node is needed: apt-get install nodejs npm");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["problems"], Value::Array(Vec::new()), "{found:#}");
    assert!(found["pages"].as_u64().unwrap() > 16, "{found}");
    assert_eq!(found["expanded"], 3, "the versions and the columns of the wide table: {found}");
}

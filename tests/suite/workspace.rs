//! A temporary workspace: exports, a registry and published operations in one folder, and the real command line over
//! them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::json_output;
use crate::limits::{self, command};
use crate::sequences::Sequences;

/// The user id of `nobody` on Linux.
const NOBODY: &str = "65534";

/// The folder of a test, removed on drop.
pub(crate) struct Workspace {
    root: TempDir,
    as_nobody: Cell<bool>,
    program: &'static str,
}

/// The result of a command.
pub(crate) struct CommandOutput {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self::in_folder(TempDir::new().unwrap())
    }

    fn in_folder(root: TempDir) -> Self {
        limits::start();
        fs::create_dir(root.path().join("exports")).unwrap();
        Self { root, as_nobody: Cell::new(false), program: env!("CARGO_BIN_EXE_tidemark-under-test") }
    }

    /// A workspace whose tables are the schemas in its folder `schemas`, which can change between two commands.
    pub(crate) fn from_schemas() -> Self {
        Self { program: env!("CARGO_BIN_EXE_tidemark-from-schemas"), ..Self::new() }
    }

    /// A workspace for the program that people install, which has no tables of its own.
    pub(crate) fn installed() -> Self {
        Self { program: env!("CARGO_BIN_EXE_tidemark-installed"), ..Self::new() }
    }

    /// Moves the (still empty) workspace to a disk in memory, if there is one: for tests that need many small
    /// workspaces.
    pub(crate) fn in_memory(self) -> Self {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return self;
        }
        Self { program: self.program, ..Self::in_folder(TempDir::new_in(memory).unwrap()) }
    }

    /// A `tidemark` command in the workspace's folder, to be spawned.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = if self.as_nobody.get() {
            let mut command = command("setpriv");
            command.args([&format!("--reuid={NOBODY}"), "--clear-groups", "--", self.program]);
            command
        } else {
            command(self.program)
        };
        command.args(arguments).current_dir(self.root.path());
        // The preferences of whoever runs the tests must not change the output.
        for preference in ["RUST_LOG", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(preference);
        }
        command
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, relative: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes the only part of an export, `TENANT/TABLE/VERSION`, as gzip.
    pub(crate) fn export(&self, version: &str, text: &str) -> PathBuf {
        self.write(&format!("exports/{version}/part.csv.gz"), &gzip(text.as_bytes()))
    }

    /// Runs `tidemark` in the workspace's folder. In its output, `~` replaces the folder's name, `tidemark` the
    /// program's, and the first sequence is 1.
    pub(crate) fn tidemark(&self, arguments: &[&str]) -> CommandOutput {
        self.tidemark_with_env(arguments, &[])
    }

    pub(crate) fn tidemark_with_env(&self, arguments: &[&str], environment: &[(&str, &str)]) -> CommandOutput {
        let output = self.command(arguments).envs(environment.iter().copied()).output().unwrap();
        json_output::check(arguments, &output.stdout);
        let sequences = self.sequences();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap().replace(self.program, "tidemark");
            let text = text.replace(&*self.root.path().to_string_lossy(), "~");
            sequences.map_or_else(|| text.clone(), |sequences| sequences.in_output(&text))
        };
        CommandOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs later commands as `nobody` if the tests run as root: file permissions do not restrict root.
    pub(crate) fn drop_root(&self) {
        let is_root = command("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if is_root {
            let mut chown = command("chown");
            assert!(chown.args(["-R", NOBODY]).arg(self.root.path()).status().unwrap().success());
            self.as_nobody.set(true);
        }
    }

    /// `tidemark run exports`.
    pub(crate) fn run(&self) -> CommandOutput {
        self.tidemark(&["run", "exports"])
    }

    /// The exit status and the JSON of `tidemark run exports --format json`.
    pub(crate) fn run_json(&self) -> (i32, Value) {
        let output = self.tidemark(&["run", "exports", "--format", "json"]);
        let json = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout));
        (output.status, json)
    }

    /// The sequences of the workspace's registry, once it exists.
    pub(crate) fn sequences(&self) -> Option<Sequences> {
        Sequences::read(&self.path(".tidemark/registry.sqlite"))
    }

    /// The published records of a version, `TENANT/TABLE/VERSION`; empty if it was not published.
    pub(crate) fn published(&self, version: &str) -> Vec<Value> {
        let text: String = self.parts(version).iter().map(|part| gunzip(part)).collect();
        let Some(sequences) = self.sequences() else { return ndjson(&text) };
        ndjson(&sequences.in_json(&text))
    }

    /// The published parts of a version, sorted.
    pub(crate) fn parts(&self, version: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("out").join(version)) else { return Vec::new() };
        let mut parts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        parts.sort();
        parts
    }

    /// What is published, as the lines of each part; and every other file, except for marks, which differ from registry
    /// to registry.
    pub(crate) fn output(&self) -> BTreeMap<String, String> {
        let sequences = self.sequences().unwrap();
        let mut output = BTreeMap::new();
        for path in files(&self.path("out")).into_keys().filter(|path| !path.ends_with("mark.json")) {
            let lines = gunzip(&self.path("out").join(&path));
            output.insert(sequences.in_names(&path.to_string_lossy()), sequences.in_json(&lines));
        }
        output
    }

    /// The status of each version of a table in the registry.
    pub(crate) fn statuses(&self, key: &str) -> BTreeMap<String, String> {
        let output = self.tidemark(&["history", key, "--format", "json"]);
        let versions: Vec<Value> = serde_json::from_str(&output.stdout).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        versions.iter().map(|version| (text(&version["version"]), text(&version["status"]))).collect()
    }
}

impl CommandOutput {
    /// Everything as one text, for comparison with an approved snapshot. Times and durations are masked.
    pub(crate) fn transcript(&self) -> String {
        let stdout = mask_times(&self.stdout);
        format!("exit status {}\n--- stdout\n{stdout}\n--- stderr\n{}", self.status, self.stderr)
    }
}

/// Every file below a folder, with its bytes; empty if the folder does not exist.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Reports how much a test tried: on stderr, even if the test passes, and in the summary at the end of the run.
pub(crate) fn add_to_summary(text: &str) {
    static SUMMARY: LazyLock<Mutex<File>> =
        LazyLock::new(|| Mutex::new(File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/summary.txt")).unwrap()));
    let line = format!("{text}\n");
    SUMMARY.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()).unwrap();
    // The test harness would capture the output of `eprintln!`.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn ndjson(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Replaces times, dates and numbers of seconds with `#`: `0.3 s` becomes `#.# s`.
fn mask_times(text: &str) -> String {
    let is_time = |word: &str| word.ends_with('Z') && word.len() == 9 && word.contains(':');
    let is_date = |word: &str| word.len() == 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-';
    let is_seconds = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let words = text.split_inclusive([' ', '\n']).map(|piece| {
        let word = piece.trim_end();
        let masked = match word {
            word if is_time(word) => "##:##:##Z",
            word if is_date(word) => "####-##-##",
            word if is_seconds(word) => "#.#",
            word => word,
        };
        format!("{masked}{}", &piece[word.len()..])
    });
    words.collect()
}

//! A temporary machine: a tree of exports, a registry, a folder of operations, and the real command line over them.

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

/// The user `nobody` of every Linux.
const NOBODY: &str = "65534";

/// The machine; it goes away with its value.
pub(crate) struct World {
    root: TempDir,
    as_nobody: Cell<bool>,
    program: &'static str,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::in_folder(TempDir::new().unwrap())
    }

    fn in_folder(root: TempDir) -> Self {
        fs::create_dir(root.path().join("exports")).unwrap();
        Self { root, as_nobody: Cell::new(false), program: env!("CARGO_BIN_EXE_tidemark-under-test") }
    }

    /// A machine whose tables are those of its folder `schemas`, which may change between two commands.
    pub(crate) fn of_schemas() -> Self {
        Self { program: env!("CARGO_BIN_EXE_tidemark-of-schemas"), ..Self::new() }
    }

    /// The same machine on a disk in memory where there is one: for tests that make many small ones.
    pub(crate) fn in_memory(self) -> Self {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return self;
        }
        Self { program: self.program, ..Self::in_folder(TempDir::new_in(memory).unwrap()) }
    }

    /// The program with arguments, to be started in the machine's folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = if self.as_nobody.get() {
            let mut command = Command::new("setpriv");
            command.args([&format!("--reuid={NOBODY}"), "--clear-groups", "--", self.program]);
            command
        } else {
            Command::new(self.program)
        };
        command.args(arguments).current_dir(self.root.path());
        // What whoever runs the tests prefers is not what they are about.
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

    /// Runs `tidemark` in the machine's folder. What it says has the folder's name taken out.
    pub(crate) fn tidemark(&self, arguments: &[&str]) -> Said {
        self.tidemark_with(arguments, &[])
    }

    pub(crate) fn tidemark_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = self.command(arguments).envs(environment.iter().copied()).output().unwrap();
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&*self.root.path().to_string_lossy(), "~");
        Said { status: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// From now on commands run as somebody whom permissions bind: root may read and write everything.
    pub(crate) fn give_up_root(&self) {
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        if is_root {
            let mut chown = Command::new("chown");
            assert!(chown.args(["-R", NOBODY]).arg(self.root.path()).status().unwrap().success());
            self.as_nobody.set(true);
        }
    }

    /// `tidemark run exports`.
    pub(crate) fn run(&self) -> Said {
        self.tidemark(&["run", "exports"])
    }

    /// The outcomes of `tidemark run exports --format json` and its exit status.
    pub(crate) fn run_json(&self) -> (i32, Value) {
        let said = self.tidemark(&["run", "exports", "--format", "json"]);
        (said.status, serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.stdout)))
    }

    /// The published operations of a version, `TENANT/TABLE/VERSION`; nothing when there are none.
    pub(crate) fn published(&self, version: &str) -> Vec<Value> {
        let folder = self.path("out").join(version);
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut parts: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        parts.sort();
        parts.iter().flat_map(|part| ndjson(&gunzip(part))).collect()
    }

    /// The status of each version of a table in the registry.
    pub(crate) fn statuses(&self, key: &str) -> BTreeMap<String, String> {
        let said = self.tidemark(&["history", key, "--format", "json"]);
        let versions: Vec<Value> = serde_json::from_str(&said.stdout).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        versions.iter().map(|version| (text(&version["version"]), text(&version["status"]))).collect()
    }
}

impl Said {
    /// Everything as one text to be held against what was seen and approved; durations are taken out.
    pub(crate) fn transcript(&self) -> String {
        let stdout = without_durations(&self.stdout);
        format!("exit status {}\n--- stdout\n{stdout}\n--- stderr\n{}", self.status, self.stderr)
    }
}

/// Every file below a folder, with its bytes; none where there is no such folder.
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

/// Says how much was tried, also where the output of tests that pass is not shown; and for the summary behind them.
pub(crate) fn tell(what: &str) {
    static TOLD: LazyLock<Mutex<File>> =
        LazyLock::new(|| Mutex::new(File::create(concat!(env!("CARGO_TARGET_TMPDIR"), "/told.txt")).unwrap()));
    let line = format!("{what}\n");
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes()).unwrap();
    // Not through `eprintln!`, which is what the test harness keeps to itself.
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

/// `0.3 s` becomes `# s`, and a moment becomes `#`.
fn without_durations(text: &str) -> String {
    let is_time = |word: &str| word.ends_with('Z') && word.len() == 9 && word.contains(':');
    let is_day = |word: &str| word.len() == 10 && word.as_bytes()[4] == b'-' && word.as_bytes()[7] == b'-';
    let is_seconds = |word: &str| word.contains('.') && word.parse::<f64>().is_ok();
    let words = text.split_inclusive([' ', '\n']).map(|piece| {
        let word = piece.trim_end();
        let masked = match word {
            word if is_time(word) => "##:##:##Z",
            word if is_day(word) => "####-##-##",
            word if is_seconds(word) => "#.#",
            word => word,
        };
        format!("{masked}{}", &piece[word.len()..])
    });
    words.collect()
}

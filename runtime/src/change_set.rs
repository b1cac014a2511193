//! A change set: all operations from a baseline to a snapshot, durable before any of them is published.
//!
//! On disk it is a folder of gzip NDJSON parts, whose lines are the operations as they will be published but for their
//! sequence, which is 0 until the version begins to be published. Its plan says what it leads from and to, and how
//! much it does; the plan's hash names it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::breakpoint::Breakpoint;
use crate::engine::Found;
use crate::epoch::Drift;
use crate::error::{IoContext as _, Result};
use crate::operation::Head;
use crate::row::write_text;
use crate::store::TableKey;
use crate::table::Table;

/// How many bytes of operations one part holds, inflated: small enough to publish and retry on its own.
const PART_BYTES: u64 = 64 << 20;

/// How many rows a delta saw, and what it found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows of the baseline, once per key.
    pub baseline_rows: u64,
    /// Rows of the snapshot, once per key.
    pub rows: u64,
    /// Keys that only the snapshot has.
    pub inserted: u64,
    /// Keys that both have, with different rows.
    pub updated: u64,
    /// Keys that only the baseline has.
    pub deleted: u64,
    /// Rows of the snapshot that repeat another row in every column.
    pub duplicates: u64,
}

/// How many operations of a kind are kept as samples.
pub const SAMPLES: usize = 5;

/// What a person looks at in a plan. Values of `pii` columns are masked before they come here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// How the exports were compared.
    #[serde(default)]
    pub comparison: Comparison,
    /// UPDATEs in nothing but columns that the baseline is older than; the others are what follows.
    pub backfilled: u64,
    /// In how many UPDATEs each column changed.
    pub changed: BTreeMap<String, u64>,
    /// In how many of them the old value is one that today's type cannot read.
    pub unreadable: BTreeMap<String, u64>,
    /// Keys of the first INSERTs.
    pub inserts: Vec<String>,
    /// The first UPDATEs.
    pub updates: Vec<UpdateSample>,
    /// Keys of the first DELETEs.
    pub deletes: Vec<String>,
    /// How the deleted keys lie in the baseline, when they lie in one block.
    pub deleted_block: Option<Block>,
    /// What Athena was asked for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
}

/// A statement on Athena.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Athena's name for it.
    pub id: String,
    /// Bytes that were read, and paid for.
    pub bytes: u64,
    /// Milliseconds in the engine.
    pub millis: u64,
}

/// How two exports were compared, which their order decides. The operations do not depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// Keys ascend in both: one look, and no memory to speak of.
    Ascending,
    /// Both list most rows in the same order, which is none of their keys: one look, eight bytes a row.
    Aligned,
    /// In any order: two looks, 24 bytes for each row of both.
    #[default]
    AnyOrder,
    /// By a statement on Athena.
    Athena,
}

/// One UPDATE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSample {
    /// The key.
    pub key: String,
    /// Column, old value and new value of what changed.
    pub changes: Vec<(String, String, String)>,
}

/// Deleted keys that all stand behind one another in the baseline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The last key in front of the block; none when the baseline begins with it.
    pub after: Option<String>,
    /// Whether the baseline ends with it, as it does when an export is cut off.
    pub at_the_end: bool,
}

/// What a version that is published whole replaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The newest version that succeeded; none on the first import.
    pub version: Option<String>,
    /// Its rows.
    pub rows: u64,
}

/// A change set in short.
///
/// Its hash is XXH3-128 over tenant, table, previous, version, reset, both fingerprints, the schema's hash, the counts
/// (rows, inserted, updated, deleted) and the sum of the operations' ids, each as `length:text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What names the plan: equal plans publish equal operations. 32 hex digits.
    pub hash: String,
    /// The version it was compared with.
    pub previous: Option<String>,
    /// What it is to replace, when it is published whole because somebody asked for a resync.
    pub reset: Option<Reset>,
    /// The schema's hash.
    pub schema: String,
    /// What changed in the schema since the baseline was read; `None` when nothing did.
    pub drift: Option<Drift>,
    /// Sum of the baseline's row hashes.
    #[serde(with = "crate::operation::as_text")]
    pub baseline_fingerprint: i128,
    /// Sum of the snapshot's row hashes.
    #[serde(with = "crate::operation::as_text")]
    pub fingerprint: i128,
    /// Rows and operations.
    pub counts: Counts,
    /// What to look at before it is published.
    pub findings: Findings,
    /// In how many parts the operations stand.
    pub parts: u32,
}

impl Plan {
    /// The plan of what an engine found; its parts are not counted yet.
    pub fn new(head: &Head, table: &Table, found: &Found, reset: Option<Reset>) -> Self {
        let mut plan = Self {
            hash: String::new(),
            previous: head.previous.clone(),
            reset,
            schema: table.schema.into(),
            drift: None,
            baseline_fingerprint: found.baseline_fingerprint,
            fingerprint: found.fingerprint,
            counts: found.counts,
            findings: found.findings.clone(),
            parts: 0,
        };
        plan.hash = plan.hash_of(&head.tenant, &head.table, &head.version, found.sum_of_ids);
        plan
    }

    /// Whether this is the plan of a version whose operations' ids have this sum, modulo 2^128.
    pub fn names(&self, key: &TableKey, version: &str, sum_of_ids: u128) -> bool {
        self.hash == self.hash_of(&key.tenant, &key.table, version, sum_of_ids)
    }

    fn hash_of(&self, tenant: &str, table: &str, version: &str, sum_of_ids: u128) -> String {
        let counts = &self.counts;
        let mut bytes = Vec::new();
        for text in [
            tenant,
            table,
            self.previous.as_deref().unwrap_or_default(),
            version,
            if self.reset.is_some() { "true" } else { "false" },
            &self.baseline_fingerprint.to_string(),
            &self.fingerprint.to_string(),
            &self.schema,
            &counts.rows.to_string(),
            &counts.inserted.to_string(),
            &counts.updated.to_string(),
            &counts.deleted.to_string(),
            &format!("{sum_of_ids:032x}"),
        ] {
            write_text(text.as_bytes(), &mut bytes);
        }
        format!("{:032x}", xxh3_128(&bytes))
    }
}

/// Takes the operations of a delta as lines.
pub trait Lines {
    /// Takes operations, each with its line feed.
    fn write(&mut self, lines: &[u8]) -> Result<()>;

    /// Forgets every line so far: they come again, in another order.
    fn restart(&mut self) -> Result<()>;
}

/// How many bytes of operations are compressed at once.
const BLOCK: usize = 256 << 10;

/// How many blocks may wait for their compression.
const BLOCKS: usize = 4;

/// Writes the parts of a change set into a folder. Each part is compressed by a thread of its own, so that whoever finds
/// the operations does not wait for that.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    block: Vec<u8>,
    /// How much of the part that is being written is on its way.
    written: u64,
    parts: u32,
    part: Option<SyncSender<Vec<u8>>>,
    threads: VecDeque<JoinHandle<Result<()>>>,
}

impl Writer {
    /// A writer into a folder that is made anew; what an earlier attempt left there is removed.
    pub fn create(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).at("cannot remove", folder)?;
        }
        // `gc` takes empty folders away, a tenant's perhaps between two steps of this; then the second try makes it anew.
        fs::create_dir_all(folder).or_else(|_| fs::create_dir_all(folder)).at("cannot create", folder)?;
        let (block, threads) = (Vec::with_capacity(BLOCK), VecDeque::new());
        Ok(Self { folder: folder.to_path_buf(), block, written: 0, parts: 0, part: None, threads })
    }

    /// Makes everything durable, and says how many parts there are.
    pub fn finish(mut self) -> Result<u32> {
        self.close()?;
        self.wait(0)?;
        sync_folder(&self.folder)?;
        Ok(self.parts)
    }

    fn send(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let part = match &self.part {
            Some(part) => part,
            None => {
                let (sender, blocks) = sync_channel(BLOCKS);
                let path = part_path(&self.folder, self.parts);
                self.threads.push_back(thread::spawn(move || write_part(&path, &blocks)));
                self.parts += 1;
                self.part.insert(sender)
            }
        };
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        self.written += block.len() as u64;
        // A thread that is gone says why when it is waited for.
        if part.send(block).is_err() { self.wait(0) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        self.send()?;
        self.part = None;
        self.written = 0;
        self.wait(1)
    }

    /// Waits until no more than so many threads are at work.
    fn wait(&mut self, most: usize) -> Result<()> {
        while self.threads.len() > most {
            let Some(thread) = self.threads.pop_front() else { return Ok(()) };
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(())
    }
}

impl Lines for Writer {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        Breakpoint::Planning.reached();
        self.block.extend_from_slice(lines);
        if self.block.len() < BLOCK {
            return Ok(());
        }
        self.send()?;
        if self.written >= PART_BYTES { self.close() } else { Ok(()) }
    }

    fn restart(&mut self) -> Result<()> {
        self.block.clear();
        if self.parts > 0 {
            self.part = None;
            self.wait(0)?;
            *self = Self::create(&self.folder)?;
        }
        Ok(())
    }
}

impl Lines for Vec<u8> {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        self.extend_from_slice(lines);
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.clear();
        Ok(())
    }
}

impl Drop for Writer {
    /// No thread writes into the folder any more once the writer is gone.
    fn drop(&mut self) {
        self.part = None;
        for thread in self.threads.drain(..) {
            // What went wrong before says more.
            let _ = thread.join();
        }
    }
}

/// Compresses the blocks of one part until there are no more, and makes it durable.
fn write_part(path: &Path, blocks: &Receiver<Vec<u8>>) -> Result<()> {
    let file = File::create(path).at("cannot create", path)?;
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    for block in blocks {
        out.write_all(&block).at("cannot write", path)?;
    }
    finish_gzip(out).at("cannot write", path)
}

/// Gives each line of a part to `each`, line feed included.
pub fn read_part(folder: &Path, part: u32, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let path = part_path(folder, part);
    let file = File::open(&path).at("cannot open", &path)?;
    let mut lines = BufReader::with_capacity(256 << 10, MultiGzDecoder::new(BufReader::new(file)));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).at("cannot read", &path)? == 0 {
            return Ok(());
        }
        each(&line)?;
    }
}

/// The names in a folder.
pub(crate) fn folder_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.collect()
}

/// The name of a part, in a change set and where it is published.
pub fn part_name(part: u32) -> String {
    format!("part-{part:05}.ndjson.gz")
}

fn part_path(folder: &Path, part: u32) -> PathBuf {
    folder.join(part_name(part))
}

/// Ends a gzip file and makes it durable.
pub(crate) fn finish_gzip(encoder: GzEncoder<BufWriter<File>>) -> std::io::Result<()> {
    let mut buffered = encoder.finish()?;
    buffered.flush()?;
    buffered.get_ref().sync_all()
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).at("cannot sync", folder)
}

//! The delta of two exports, without a registry.
//!
//! ```
//! use runtime::delta::{Delta, export};
//! use runtime::engine::{Engines, Limits};
//! use runtime::table::{Column, Compression, Guards, Source, Table, Target, Type};
//! use runtime::telemetry::Watch;
//!
//! static STOCK: Table = Table {
//!     name: "stock",
//!     description: None,
//!     role: "stock",
//!     schema: "cb104720ff15d37b7760fb671a3a5062",
//!     primary_key: &["id"],
//!     columns: &[Column::new("id", Type::Int), Column::new("count", Type::Int)],
//!     source: Source { compression: Compression::None, ..Source::DEFAULT },
//!     before_image: false,
//!     athena: false,
//!     guards: Guards::DEFAULT,
//!     expect: None,
//!     target: Target::NONE,
//!     tenants: &[],
//! };
//!
//! let folder = tempfile::tempdir()?;
//! let (old, new) = (folder.path().join("old.csv"), folder.path().join("new.csv"));
//! std::fs::write(&old, "id,count\n1,10\n2,20\n3,30\n")?;
//! std::fs::write(&new, "id,count\n2,20\n3,31\n4,40\n")?;
//! let delta = Delta {
//!     table: &STOCK,
//!     tenant: "acme".into(),
//!     version: "V2".into(),
//!     previous: "V1".into(),
//!     baseline: Some(export(&old)?),
//!     snapshot: export(&new)?,
//!     engines: Engines::default(),
//!     limits: Limits::default(),
//!     hmac_key: None,
//! };
//! let mut lines = Vec::new();
//! let plan = delta.run(&mut lines, &Watch::default())?;
//! assert_eq!((plan.counts.inserted, plan.counts.updated, plan.counts.deleted), (1, 1, 1));
//! assert!(String::from_utf8(lines)?.contains(r#""key":{"id":4},"after":{"count":40}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io::{self, BufWriter, Read as _, Seek as _, Write};
use std::path::Path;
use std::sync::Arc;

use tempfile::SpooledTempFile;

use crate::canonical::pseudonym::HmacKey;
use crate::canonical::row::Layout;
use crate::change_set::LineSink;
use crate::engine::{DeltaRequest, Engines, Inputs, Limits, Resources};
use crate::error::{Error, IoContext as _, Result};
use crate::operation::Head;
use crate::plan::Plan;
use crate::snapshot::local::{self, LocalFolder};
use crate::snapshot::{Export, Folder, Listing, only_parts};
use crate::table::Table;
use crate::telemetry::{Watch, check_stop};

/// How many bytes of operations are kept in memory; more go to a temporary file.
const IN_MEMORY: usize = 64 << 20;

/// How many bytes are copied at once.
const COPY: usize = 256 << 10;

/// Two exports to compare, and the names that the operations get.
#[derive(Debug, Clone)]
pub struct Delta {
    /// The table both exports belong to. They are read as those of the tenant.
    pub table: &'static Table,
    /// The tenant that operations name.
    pub tenant: String,
    /// The version that operations name.
    pub version: String,
    /// The version that operations name as the previous one; ignored without a baseline.
    pub previous: String,
    /// The older export. `None` makes every row an INSERT.
    pub baseline: Option<Export>,
    /// The newer export.
    pub snapshot: Export,
    /// The engines that may compute it.
    pub engines: Engines,
    /// What it may use of the machine.
    pub limits: Limits,
    /// The key of the tenant's pseudonyms. The values of columns that have them are refused without one.
    pub hmac_key: Option<HmacKey>,
}

impl Delta {
    /// Writes the operations to `out` once all of them are known: one JSON object per line, with sequence 0, in no
    /// particular order. The plan has the counts and findings.
    pub fn run(&self, out: &mut dyn Write, watch: &Watch) -> Result<Plan> {
        let folder = std::env::temp_dir();
        let mut spool = Spool(BufWriter::new(tempfile::spooled_tempfile_in(IN_MEMORY, &folder)));
        let plan = self.run_into(&mut spool, watch)?;
        let mut spooled =
            spool.0.into_inner().map_err(io::IntoInnerError::into_error).at("cannot write to", &folder)?;
        spooled.rewind().at("cannot read from", &folder)?;
        let mut buffer = vec![0; COPY];
        loop {
            check_stop()?;
            let read = spooled.read(&mut buffer).at("cannot read from", &folder)?;
            if read == 0 {
                return Ok(plan);
            }
            out.write_all(&buffer[..read]).at("cannot write", Path::new("the operations"))?;
        }
    }

    /// Writes the operations to `lines` as they are found. `lines` may have to start again.
    pub fn run_into(&self, lines: &mut dyn LineSink, watch: &Watch) -> Result<Plan> {
        let table = self.table.for_tenant(&self.tenant);
        let layout = Layout::new(table).with_key(self.hmac_key.as_ref());
        let head = Head {
            tenant: self.tenant.clone(),
            table: table.name.into(),
            version: self.version.clone(),
            previous: self.baseline.is_some().then(|| self.previous.clone()),
            schema: table.schema_id(),
            sequence: 0,
        };
        let baseline = self.baseline.as_ref().map(|export| with_parts_only(export, &layout)).transpose()?;
        let snapshot = with_parts_only(&self.snapshot, &layout)?;
        let inputs = Inputs { baseline: baseline.as_ref(), snapshot: &snapshot };
        let resources = Resources { work: &std::env::temp_dir(), limits: self.limits };
        let request = DeltaRequest { layout: &layout, before: None, head: &head, inputs, resources, watch };
        let summary = self.engines.delta(&request, lines)?;
        Ok(summary.plan(&head, table, None, None))
    }
}

/// Keeps lines until all of them are known: in memory, or in a temporary file without a name.
struct Spool(BufWriter<SpooledTempFile>);

impl LineSink for Spool {
    fn write(&mut self, lines: &[u8]) -> Result<()> {
        self.0.write_all(lines).at("cannot write to", &std::env::temp_dir())
    }

    fn restart(&mut self) -> Result<()> {
        self.0 = BufWriter::new(tempfile::spooled_tempfile_in(IN_MEMORY, std::env::temp_dir()));
        Ok(())
    }
}

/// The export without files that are not parts of the table, unless the user named the file itself.
fn with_parts_only(export: &Export, layout: &Layout) -> Result<Export> {
    if let [part] = export.parts.as_slice()
        && export.folder.path(&part.name) == Path::new(&export.label)
    {
        return Ok(export.clone());
    }
    let listing = Listing { parts: export.parts.clone(), ..Listing::default() };
    let parts = only_parts(listing, &layout.format).parts;
    if parts.is_empty() {
        let problem = "no file in the folder is a part";
        return Err(Error::export(Path::new(&export.label), problem).help("see `source.parts` in the schema"));
    }
    Ok(Export { parts, ..export.clone() })
}

/// The export at a path: a single part, or every part of a folder.
pub fn export(path: &Path) -> Result<Export> {
    let label = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| Error::named_path(error, "cannot open", path))?;
    if metadata.is_dir() {
        return folder_export(label, Arc::new(LocalFolder::named(path)));
    }
    if !metadata.is_file() {
        let help = "write it to a file first; it is read twice";
        return Err(Error::export(path, "not a regular file").help(help));
    }
    // A link that the user names is followed; links in a folder are not.
    let path = if path.is_symlink() { path.canonicalize().at("cannot open", path)? } else { path.into() };
    let folder = Arc::new(LocalFolder::named(path.parent().unwrap_or(Path::new(""))));
    Ok(Export { label, folder, parts: vec![local::inspect(&path)?], epoch: None })
}

/// The export in a folder: every part of it.
pub fn folder_export(label: String, folder: Arc<dyn Folder>) -> Result<Export> {
    let parts = folder.list()?.parts;
    if parts.is_empty() {
        return Err(
            Error::export(Path::new(&label), "the folder has no parts").help("name a file, or a folder of parts")
        );
    }
    Ok(Export { label, folder, parts, epoch: None })
}

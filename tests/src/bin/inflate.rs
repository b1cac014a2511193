//! Decompresses every part of an export exactly as Tidemark does, and does nothing else: the least a delta can cost.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;

use runtime::snapshot::part::Inflated;
use runtime::table::Compression;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("usage: inflate FOLDER");
    let mut parts: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    parts.sort();
    let mut buffer = vec![0; 128 << 10];
    let mut bytes = 0;
    for part in parts {
        let compression = match part.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Compression::Gzip,
            Some("zst") => Compression::Zstd,
            Some("csv") => Compression::None,
            // A manifest or a marker.
            _ => continue,
        };
        let mut inflated = Inflated::new(File::open(part)?, compression)?;
        loop {
            let read = inflated.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            bytes += read;
        }
        inflated.finish()?;
    }
    println!("{bytes} bytes");
    Ok(())
}

//! The exports under `samples/`, and exports of millions of rows on request.
//!
//! Everything here depends only on seeds and names: no clock, no thread order, no hash map. The same call writes the
//! same bytes on every machine, as long as the versions of the compressors stay the same.
//!
//! [`write()`] writes the committed samples, [`write_big`] a baseline and a snapshot of any size, and
//! [`write_test_table`] the three exports of `test_table`. Each returns the counts that a correct delta must have.

mod big;
mod counts;
mod export;
mod layout;
mod model;
mod random;
mod row;
mod scenario;
mod tables;
mod tree;

pub use big::{Big, BigCounts, BigTable, write_big};
pub use counts::Counts;
pub use tables::test_table::write_three as write_test_table;

use std::io;
use std::path::Path;

/// Writes `exports/` and `late/` under `root`, and replaces those that are there.
///
/// Returns the counts of `exports/`, sorted by tenant and table, oldest version first. The late export has none: it is
/// superseded.
pub fn write(root: &Path) -> io::Result<Vec<Counts>> {
    let counts = tree::replace(&root.join("exports"), |exports| {
        let mut counts = tables::test_table::write_small(exports)?;
        for scenario in scenario::ALL {
            counts.extend(scenario.write_all(exports)?);
        }
        counts.sort_by(|a, b| (&a.tenant, &a.table).cmp(&(&b.tenant, &b.table)));
        Ok(counts)
    })?;
    tree::replace(&root.join("late"), |late| scenario::LATE.write_last(late))?;
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;

    fn committed() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
    }

    fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let bytes = fs::read(&path).unwrap();
                        files.insert(path.strip_prefix(root).unwrap().to_path_buf(), bytes);
                    }
                }
            }
        }
        files
    }

    #[test]
    fn the_committed_samples_match_the_sample_maker() {
        let fresh = tempfile::tempdir().unwrap();
        write(fresh.path()).unwrap();
        for folder in ["exports", "late"] {
            let (made, kept) = (files(&fresh.path().join(folder)), files(&committed().join(folder)));
            assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "files of {folder}/");
            let stale: Vec<_> =
                made.iter().filter(|(path, bytes)| kept[*path] != **bytes).map(|(path, _)| path).collect();
            assert!(stale.is_empty(), "run `cargo run --release -p tests --bin make_samples`; stale: {stale:?}");
        }
    }

    #[test]
    fn the_samples_readme_lists_the_counts() {
        let fresh = tempfile::tempdir().unwrap();
        let counts = write(fresh.path()).unwrap();
        let readme = fs::read_to_string(committed().join("README.md")).unwrap();
        let listed: Vec<&str> =
            readme.lines().filter(|line| line.starts_with("| acme") || line.starts_with("| globex")).collect();
        let expected: Vec<String> = counts.iter().map(Counts::to_string).collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn big_exports_depend_only_on_their_options_and_seed() {
        let fresh = tempfile::tempdir().unwrap();
        let mut big = Big { rows: 500, shuffle: true, ..Big::new(BigTable::LedgerEntries) };
        let made = |name: &str, big: &Big| {
            let out = fresh.path().join(name);
            write_big(&out, big, &|_| ()).unwrap();
            files(&out)
        };
        let first = made("first", &big);
        assert!(first == made("again", &big));
        big.seed += 1;
        assert!(first != made("other", &big));
    }

    #[test]
    fn big_exports_never_overwrite_anything() {
        let fresh = tempfile::tempdir().unwrap();
        fs::write(fresh.path().join("existing"), "kept").unwrap();
        let refused = write_big(fresh.path(), &Big { rows: 5, ..Big::new(BigTable::Orders) }, &|_| ()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(files(fresh.path()).len(), 1);
    }
}

//! Writes one export: its parts, and its marker or manifest.

use super::layout::{Completeness, Layout, PartWriter};
use super::row::Row;
use super::tree::failed;
use serde::Serialize;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The shape of an export.
pub(super) struct Export<'a> {
    pub(super) table: &'a str,
    pub(super) layout: Layout,
    /// The columns in the order of a row's fields.
    pub(super) columns: &'a [&'a str],
    /// Whether the files list the columns in the opposite order.
    pub(super) columns_reversed: bool,
}

#[derive(Serialize)]
struct Manifest {
    parts: Vec<ManifestPart>,
}

#[derive(Serialize)]
struct ManifestPart {
    name: String,
    size: u64,
    rows: u64,
}

impl Export<'_> {
    /// Creates `folder` and writes the export into it; `rows(part)` yields the rows of one part, counted from 0.
    pub(super) fn write<I>(&self, folder: &Path, mut rows: impl FnMut(usize) -> I) -> io::Result<()>
    where
        I: IntoIterator<Item = Row>,
    {
        fs::create_dir_all(folder).map_err(failed("create", folder))?;
        let parts = (0..self.layout.parts()).map(|part| self.write_part(folder, part, rows(part)));
        let parts = parts.collect::<io::Result<Vec<_>>>()?;
        match self.layout.complete {
            Completeness::Single | Completeness::Count { .. } => Ok(()),
            Completeness::Marker { name, .. } => write_file(&folder.join(name), b""),
            Completeness::Manifest { .. } => {
                let mut text = serde_json::to_vec_pretty(&Manifest { parts })?;
                text.push(b'\n');
                write_file(&folder.join("_manifest.json"), &text)
            }
        }
    }

    fn write_part(&self, folder: &Path, part: usize, rows: impl IntoIterator<Item = Row>) -> io::Result<ManifestPart> {
        let name = self.part_name(part);
        let path = folder.join(&name);
        let order = self.order();
        let columns: Vec<&str> = order.iter().map(|&index| self.columns[index]).collect();
        let write = || {
            let mut count = 0;
            let mut writer = PartWriter::new(self.layout, &columns, File::create(&path)?)?;
            for row in rows {
                writer.row(&row, &order)?;
                count += 1;
            }
            Ok((count, writer.finish()?.metadata()?.len()))
        };
        let (rows, size) = write().map_err(failed("write", &path))?;
        Ok(ManifestPart { name, size, rows })
    }

    fn part_name(&self, part: usize) -> String {
        let extension = self.layout.extension();
        match self.layout.complete {
            Completeness::Single => format!("{}.{extension}", self.table),
            Completeness::Count { .. } => format!("{}-{}.{extension}", self.table, part + 1),
            Completeness::Marker { .. } | Completeness::Manifest { .. } => format!("part-{part:04}.{extension}"),
        }
    }

    fn order(&self) -> Vec<usize> {
        let indexes = 0..self.columns.len();
        if self.columns_reversed { indexes.rev().collect() } else { indexes.collect() }
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes).map_err(failed("write", path))
}

//! Decompresses one part, and computes its checksum.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result};
use crate::table::Compression;

/// The size of the read buffer, in bytes.
const BUFFER: usize = 256 << 10;

/// The decompressed bytes of one part.
pub struct Inflated<R: Read>(Decoder<R>);

enum Decoder<R: Read> {
    Gzip(Box<MultiGzDecoder<BufReader<Checked<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Checked<R>>>),
    Plain(Checked<R>),
}

/// Counts the bytes that are read, and computes their checksum.
struct Checked<R> {
    input: R,
    /// Boxed, because its state is half a kilobyte.
    checksum: Box<Xxh3Default>,
    size: u64,
}

/// The checksum and the size of a part that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDigest {
    /// XXH3-128 of the compressed bytes, 32 hex digits.
    pub checksum: String,
    /// The size of the compressed bytes.
    pub size: u64,
}

impl<R: Read> Inflated<R> {
    /// Decompresses `input`.
    pub fn new(input: R, compression: Compression) -> io::Result<Self> {
        let checked = Checked { input, checksum: Box::default(), size: 0 };
        Ok(Self(match compression {
            Compression::Gzip => {
                Decoder::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, checked))))
            }
            Compression::Zstd => {
                let buffered = BufReader::with_capacity(BUFFER, checked);
                Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(buffered)?)
            }
            Compression::None => Decoder::Plain(checked),
        }))
    }

    /// The digest, after everything was read. Fails if bytes follow the compressed data, or a compressed file is empty:
    /// then it was never completed.
    pub fn finish(self) -> io::Result<PartDigest> {
        let (mut checked, is_compressed) = match self.0 {
            Decoder::Gzip(decoder) => (decoder.into_inner().into_inner(), true),
            Decoder::Zstd(decoder) => (decoder.finish().into_inner(), true),
            Decoder::Plain(checked) => (checked, false),
        };
        let rest = io::copy(&mut checked, &mut io::sink())?;
        if rest > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes after the end of the compressed data"));
        }
        if is_compressed && checked.size == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
        }
        Ok(PartDigest { checksum: format!("{:032x}", checked.checksum.digest128()), size: checked.size })
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Plain(input) => input.read(buffer),
        }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.checksum.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

/// Checks that a part's name has the suffix of its table's compression.
pub(crate) fn check_name(name: &str, path: &Path, table: &str, compression: Compression) -> Result<()> {
    let (fits, rule) = match compression {
        Compression::Gzip => (name.ends_with(".gz"), "end in `.gz`, as `compression: gzip` says"),
        Compression::Zstd => (name.ends_with(".zst"), "end in `.zst`, as `compression: zstd` says"),
        Compression::None => (
            !name.ends_with(".gz") && !name.ends_with(".zst"),
            "end in neither `.gz` nor `.zst`, as `compression: none` says",
        ),
    };
    if fits {
        return Ok(());
    }
    Err(Error::export(path, format!("the name of a part of `{table}` must {rule}"))
        .help("rename it, or fix `source.compression` in the schema"))
}

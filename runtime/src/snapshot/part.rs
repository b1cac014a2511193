//! Inflates one part, and knows the checksum of what was read.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result};
use crate::table::Compression;

/// How much of a file is read at once, in bytes.
const READ: usize = 256 << 10;

/// The inflated bytes of one part.
pub struct Inflated<R: Read>(Decoder<R>);

enum Decoder<R: Read> {
    Gzip(Box<MultiGzDecoder<BufReader<Checked<R>>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Checked<R>>>),
    Plain(Checked<R>),
}

/// Counts and checksums the bytes that pass.
struct Checked<R> {
    input: R,
    /// On the heap: it is half a kilobyte of state.
    checksum: Box<Xxh3Default>,
    size: u64,
}

/// What was read of a part, to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// XXH3-128 of the compressed bytes, 32 hex digits.
    pub checksum: String,
    /// How many compressed bytes there were.
    pub size: u64,
}

impl<R: Read> Inflated<R> {
    /// Inflates what `input` holds.
    pub fn new(input: R, compression: Compression) -> io::Result<Self> {
        let checked = Checked { input, checksum: Box::default(), size: 0 };
        Ok(Self(match compression {
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(READ, checked)))),
            Compression::Zstd => {
                let buffered = BufReader::with_capacity(READ, checked);
                Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(buffered)?)
            }
            Compression::None => Decoder::Plain(checked),
        }))
    }

    /// What was read, once everything is. A compressed file without a single byte was never written whole.
    pub fn finish(self) -> io::Result<Seen> {
        let (mut checked, is_compressed) = match self.0 {
            Decoder::Gzip(decoder) => (decoder.into_inner().into_inner(), true),
            Decoder::Zstd(decoder) => (decoder.finish().into_inner(), true),
            Decoder::Plain(checked) => (checked, false),
        };
        let rest = io::copy(&mut checked, &mut io::sink())?;
        if rest > 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes stand behind the compressed data"));
        }
        if is_compressed && checked.size == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is empty"));
        }
        Ok(Seen { checksum: format!("{:032x}", checked.checksum.digest128()), size: checked.size })
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

/// That a part's name says that it is compressed as its table declares.
pub fn check_name(name: &str, path: &Path, table: &str, compression: Compression) -> Result<()> {
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
        .help("rename it, or mend `source.compression` in the schema"))
}

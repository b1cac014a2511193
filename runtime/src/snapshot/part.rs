//! Decompresses one part, and computes its checksum.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result};
use crate::table::Compression;

/// The size of the read buffer, in bytes.
const BUFFER: usize = 256 << 10;

/// The decompressed bytes of one part.
pub struct Inflated<R: Read> {
    decoder: Decoder<R>,
    /// The checksum of the decompressed bytes, if they are not those of the file. Boxed, because its state is half a
    /// kilobyte.
    content: Option<Box<Xxh3Default>>,
}

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

/// A part without a line break in the encoding that the schema declares.
#[derive(Debug)]
pub(super) struct NoLineBreak {
    pub(super) encoding: String,
}

impl std::error::Error for NoLineBreak {}

impl fmt::Display for NoLineBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it has no line break in {}", self.encoding)
    }
}

/// The checksum and the size of a part that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartDigest {
    /// XXH3-128 of the compressed bytes, 32 hex digits.
    pub checksum: String,
    /// XXH3-128 of the decompressed bytes, 32 hex digits; `None` if the part is not compressed.
    pub content: Option<String>,
    /// The size of the compressed bytes.
    pub size: u64,
}

impl<R: Read> Inflated<R> {
    /// Decompresses `input`.
    pub fn new(input: R, compression: Compression) -> io::Result<Self> {
        let checked = Checked { input, checksum: Box::default(), size: 0 };
        let content = (compression != Compression::None).then(Box::default);
        let decoder = match compression {
            Compression::Gzip => {
                Decoder::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, checked))))
            }
            Compression::Zstd => {
                let buffered = BufReader::with_capacity(BUFFER, checked);
                Decoder::Zstd(zstd::stream::read::Decoder::with_buffer(buffered)?)
            }
            Compression::None => Decoder::Plain(checked),
        };
        Ok(Self { decoder, content })
    }

    /// The digest, after everything was read. Fails if bytes follow the compressed data, or a compressed file is empty:
    /// then it was never completed.
    pub fn finish(self) -> io::Result<PartDigest> {
        let (mut checked, is_compressed) = match self.decoder {
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
        let digest = |checksum: &Xxh3Default| format!("{:032x}", checksum.digest128());
        let content = self.content.as_deref().map(digest);
        Ok(PartDigest { checksum: digest(&checked.checksum), content, size: checked.size })
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
            Decoder::Plain(input) => input.read(buffer),
        }?;
        if let Some(content) = &mut self.content {
            content.update(&buffer[..read]);
        }
        Ok(read)
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

/// An error of the operating system or of a service is the machine's fault; an error of the decoder is the file's.
pub(crate) fn unreadable(error: io::Error, path: &Path) -> Error {
    if error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
        return Error::read(error, path);
    }
    if let Some(problem) = error.get_ref().and_then(|inner| inner.downcast_ref::<NoLineBreak>()) {
        let help =
            "declare the `encoding` that it is written in, such as `utf-8`, or end its only line with a line break";
        return Error::export(path, problem.to_string()).help(help);
    }
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("the file ends too early ({error})"),
        _ => format!("the file is corrupt ({error})"),
    };
    Error::export(path, problem).help("deliver it again, complete; it is read again once its size or time changes")
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

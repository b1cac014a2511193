//! Gzip files that are put together from pieces. Pieces are compressed at the same time, and the content of one file is
//! copied into another without being compressed again.
//!
//! A file is one member, which every reader of gzip takes. A sealed one says in its header for which sequence its lines
//! were written, and ends with a second member, which is empty and holds a checksum of the bytes before it: what is
//! copied is not decompressed, so that its CRC is not checked.

use std::io::{self, Chain, Cursor, ErrorKind, Read, Write};

use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress};
use xxhash_rust::xxh3::Xxh3Default;

/// Compressed, without a time, by an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The same with an extra field of 12 bytes, of which 8 are ours.
const HEADER_OF_SEALED: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 12, 0, b'T', b'M', 8, 0];
/// The last block of a member: it is empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// The last block, the CRC and the length of a member.
const TRAILER: usize = LAST_BLOCK.len() + 2 * size_of::<u32>();
/// The number in a header.
const NUMBER: usize = size_of::<u64>();
/// The size of the member that seals a file.
const SEAL: usize = HEADER_OF_SEALED.len() + NUMBER + TRAILER;
/// How much room for compressed bytes is made at once, and how much is copied at once.
const CHUNK: usize = 64 << 10;

/// Some bytes, compressed without reference to those before them.
#[derive(Debug)]
pub struct Piece {
    deflated: Vec<u8>,
    content: Content,
}

/// What the format says about the bytes of a member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    crc: Hasher,
    /// Modulo 2^32.
    length: u32,
}

/// A member of a gzip file that is being written.
pub(crate) struct Member<W> {
    out: W,
    content: Content,
    /// The checksum of the bytes so far, in a file that will be sealed.
    seal: Option<Box<Xxh3Default>>,
}

/// A sealed file that is being read, still compressed.
pub(crate) struct SealedFile<R> {
    file: R,
    sequence: u64,
    seal: Box<Xxh3Default>,
    buffer: Vec<u8>,
    /// How many bytes of the buffer were returned.
    returned: usize,
    /// How many bytes are in the buffer.
    end: usize,
}

/// A file of which the beginning was read.
pub(crate) type Rewound<R> = Chain<Cursor<Vec<u8>>, R>;

impl Piece {
    /// Compresses bytes.
    pub(crate) fn compress(bytes: &[u8], level: Compression) -> Self {
        let mut crc = Hasher::new();
        crc.update(bytes);
        let (mut compress, mut deflated) = (Compress::new(level, false), Vec::new());
        // Where there is room left, everything is out.
        while deflated.len() == deflated.capacity() || compress.total_in() < bytes.len() as u64 {
            deflated.reserve(CHUNK);
            let rest = &bytes[compress.total_in() as usize..];
            let status = compress.compress_vec(rest, &mut deflated, FlushCompress::Sync);
            status.expect("any bytes can be compressed");
        }
        Self { deflated, content: Content { crc, length: bytes.len() as u32 } }
    }
}

impl<W: Write> Member<W> {
    /// Begins a file.
    pub(crate) fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        Ok(Self { out, content: Content::default(), seal: None })
    }

    /// Begins a file that will be sealed, and whose lines were written for this sequence.
    pub(crate) fn begin_sealed(out: W, sequence: u64) -> io::Result<Self> {
        let mut member = Self { out, content: Content::default(), seal: Some(Box::default()) };
        member.write(&HEADER_OF_SEALED)?;
        member.write(&sequence.to_le_bytes())?;
        Ok(member)
    }

    /// Adds a piece.
    pub(crate) fn add(&mut self, piece: &Piece) -> io::Result<()> {
        self.write(&piece.deflated)?;
        self.count(&piece.content);
        Ok(())
    }

    /// Adds the next chunk of a sealed file.
    pub(crate) fn add_chunk(&mut self, deflated: &[u8]) -> io::Result<()> {
        self.write(deflated)
    }

    /// Adds to the checksum what all chunks of a sealed file hold, once it was read to its end.
    pub(crate) fn end_chunks(&mut self, content: &Content) {
        self.count(content);
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.write(&trailer(&self.content))?;
        if let Some(seal) = &self.seal {
            self.out.write_all(&seal_with(seal.digest()))?;
        }
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(seal) = &mut self.seal {
            seal.update(bytes);
        }
        self.out.write_all(bytes)
    }

    fn count(&mut self, added: &Content) {
        self.content.crc.combine(&added.crc);
        self.content.length = self.content.length.wrapping_add(added.length);
    }
}

impl<R: Read> SealedFile<R> {
    /// Opens a file. One that is not sealed is returned as it is.
    pub(crate) fn open(mut file: R) -> io::Result<Result<Self, Rewound<R>>> {
        let mut header = Vec::new();
        file.by_ref().take((HEADER_OF_SEALED.len() + NUMBER) as u64).read_to_end(&mut header)?;
        let number = header.strip_prefix(&HEADER_OF_SEALED).and_then(|number| number.try_into().ok());
        let Some(sequence) = number.map(u64::from_le_bytes) else { return Ok(Err(Cursor::new(header).chain(file))) };
        let mut seal = Box::<Xxh3Default>::default();
        seal.update(&header);
        Ok(Ok(Self { file, sequence, seal, buffer: vec![0; CHUNK], returned: 0, end: 0 }))
    }

    /// The sequence for which its lines were written.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The whole file, if no chunk was read.
    pub(crate) fn rewound(self) -> Rewound<R> {
        let header = [&HEADER_OF_SEALED[..], &self.sequence.to_le_bytes()].concat();
        Cursor::new(header).chain(self.file)
    }

    /// The next compressed bytes; `None` at the end.
    pub(crate) fn next_chunk(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            self.buffer.copy_within(self.returned..self.end, 0);
            self.end -= std::mem::take(&mut self.returned);
            let read = match self.file.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            self.end += read;
            // What may be the end of the file is held back.
            let chunk = self.end.saturating_sub(TRAILER + SEAL);
            if read == 0 {
                return Ok(None);
            }
            if chunk > 0 {
                self.seal.update(&self.buffer[..chunk]);
                self.returned = chunk;
                return Ok(Some(&self.buffer[..chunk]));
            }
        }
    }

    /// What the chunks hold, once the last one was read. Fails if the file is damaged.
    pub(crate) fn finish(mut self) -> io::Result<Content> {
        let damaged = || io::Error::new(ErrorKind::InvalidData, "it is incomplete, or differs from what was written");
        let (trailer, seal) = self.buffer[..self.end].split_at_checked(TRAILER).ok_or_else(damaged)?;
        self.seal.update(trailer);
        if seal != seal_with(self.seal.digest()) {
            return Err(damaged());
        }
        let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| trailer[LAST_BLOCK.len() + at + i]));
        let (crc, length) = (number(0), number(size_of::<u32>()));
        Ok(Content { crc: Hasher::new_with_initial_len(crc, u64::from(length)), length })
    }
}

/// The end of a member: its last block, its CRC and its length.
fn trailer(content: &Content) -> Vec<u8> {
    [&LAST_BLOCK[..], &content.crc.clone().finalize().to_le_bytes(), &content.length.to_le_bytes()].concat()
}

/// The empty member that seals a file.
fn seal_with(checksum: u64) -> Vec<u8> {
    [&HEADER_OF_SEALED[..], &checksum.to_le_bytes(), &trailer(&Content::default())].concat()
}

#[cfg(test)]
mod tests {
    use flate2::read::{GzDecoder, MultiGzDecoder};

    use super::*;

    const LEVEL: Compression = Compression::new(3);

    fn sealed(texts: &[&[u8]], sequence: u64) -> Vec<u8> {
        let mut member = Member::begin_sealed(Vec::new(), sequence).unwrap();
        texts.iter().for_each(|text| member.add(&Piece::compress(text, LEVEL)).unwrap());
        member.finish().unwrap()
    }

    fn copied(file: &[u8]) -> io::Result<Vec<u8>> {
        let mut sealed = SealedFile::open(file)?.expect("it is sealed");
        let mut member = Member::begin(Vec::new())?;
        member.add(&Piece::compress(b"begin\n", LEVEL))?;
        while let Some(deflated) = sealed.next_chunk()? {
            member.add_chunk(deflated)?;
        }
        member.end_chunks(&sealed.finish()?);
        member.add(&Piece::compress(b"end\n", LEVEL))?;
        member.finish()
    }

    fn read(mut file: impl Read) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn content(file: &[u8]) -> Vec<u8> {
        let first = read(GzDecoder::new(file));
        assert_eq!(read(MultiGzDecoder::new(file)), first, "the content is in one member");
        first
    }

    #[test]
    fn what_is_copied_is_one_member_with_the_content_of_all_pieces() {
        let large: Vec<u8> =
            (0..300_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for texts in [vec![], vec![&b"a\n"[..]], vec![b"", b"b\n", b""], vec![b"c\n", &large, b"d\n", &large]] {
            let file = sealed(&texts, 17);
            assert_eq!(content(&file), texts.concat());
            let sealed = SealedFile::open(&*file).unwrap().expect("it is sealed");
            assert_eq!(sealed.sequence(), 17);
            assert_eq!(read(sealed.rewound()), file);
            assert_eq!(content(&copied(&file).unwrap()), [b"begin\n", &*texts.concat(), b"end\n"].concat());
        }
    }

    #[test]
    fn no_damage_is_copied() {
        let file = sealed(&[b"one\n", b"two\n", b"three\n"], 1 << 40);
        for at in HEADER_OF_SEALED.len()..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 4;
            assert!(copied(&damaged).is_err(), "byte {at}");
        }
        for length in HEADER_OF_SEALED.len() + NUMBER..file.len() {
            assert!(copied(&file[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_file_that_is_not_sealed_is_returned_as_it_is() {
        for file in [&b""[..], b"x", &copied(&sealed(&[b"a\n"], 3)).unwrap()] {
            assert_eq!(read(SealedFile::open(file).unwrap().err().unwrap()), file);
        }
    }
}

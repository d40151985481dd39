//! Reads a zip whose central directory and local headers tell the same story; anything else is refused, so that no
//! other reader can see another package in the same bytes.
//!
//! [`structure`] is the place for what the whole archive must look like, [`Record::check`] for one entry.

use std::{fs::File, io::Read, path::Path};

use rawzip::{CompressionMethod, FileReader, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipFileHeaderRecord};

use super::{
    ENTRIES, TOTAL_BYTES,
    intake::{Intake, refuse},
};
use crate::{
    error::{Error, Result},
    manifest::PackagePath,
};

/// A deflated file may be this many times its packed size...
const RATIO: u64 = 200;
/// ...once it has this many bytes; small repetitive files pack better than that.
const RATIO_FROM: u64 = 1024 * 1024;
/// Name and extra field of a local header have 64 KiB each at most.
const HEADER_BYTES: usize = 2 * 64 * 1024;

pub(super) fn read(file: File, at: &Path, intake: &mut Intake) -> Result<()> {
    let size = file.metadata().map_err(|error| Error::io("look at", at, error))?.len();
    let mut buffer = vec![0; HEADER_BYTES];
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(|error| broken(at, error))?;
    if archive.entries_hint() > ENTRIES as u64 {
        return Err(Error::rejected("entry-count", format!("the artifact has more than {ENTRIES} entries")));
    }

    let mut records = Vec::new();
    let mut entries = archive.entries(&mut buffer);
    while let Some(header) = entries.next_entry().map_err(|error| broken(at, error))? {
        records.push(Record::new(&header, intake)?);
    }
    structure(&archive, &records, size, at)?;
    for record in records {
        record.extract(&archive, at, intake)?;
    }
    Ok(())
}

/// One entry of the central directory, its name already accepted.
struct Record {
    name: String,
    /// `None` for a directory.
    target: Option<PackagePath>,
    wayfinder: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    flags: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const DATA_DESCRIPTOR: u16 = 1 << 3;

impl Record {
    fn new(header: &ZipFileHeaderRecord<'_>, intake: &mut Intake) -> Result<Self> {
        let raw = header.file_path();
        let name = match std::str::from_utf8(raw.as_bytes()) {
            Ok(name) => name.to_owned(),
            Err(_) => return Err(refuse("charset", &String::from_utf8_lossy(raw.as_bytes()), "is not UTF-8")),
        };
        // Whatever system the entry claims to come from: some readers look at these bits anyway.
        let kind = (header.external_attributes() >> 16) & 0o170_000;
        match (kind, header.is_dir()) {
            (0 | 0o100_000, false) | (0 | 0o040_000, true) => {}
            (0o120_000, _) => return Err(refuse("file-type", &name, "is a symbolic link")),
            _ => return Err(refuse("file-type", &name, "is neither a plain file nor a directory")),
        }
        let method = header.compression_method();
        if header.flags().bits() & ENCRYPTED != 0 {
            return Err(refuse("zip-method", &name, "is encrypted"));
        }
        if method != CompressionMethod::STORE && method != CompressionMethod::DEFLATE {
            return Err(refuse("zip-method", &name, &format!("is packed with method {}", method.as_u16())));
        }
        let target = if header.is_dir() {
            intake.directory(&name)?;
            None
        } else {
            Some(intake.file(&name)?)
        };
        Ok(Self {
            name,
            target,
            wayfinder: header.wayfinder(),
            method,
            flags: header.flags().bits(),
            crc: header.crc32(),
            packed: header.compressed_size_hint(),
            size: header.uncompressed_size_hint(),
            offset: header.local_header_offset(),
        })
    }

    /// That the local header says what the central directory says; yields the range of bytes the entry covers.
    fn check(&self, archive: &ZipArchive<FileReader>, buffer: &mut [u8], at: &Path) -> Result<(u64, u64)> {
        let entry = archive.get_entry(self.wayfinder).map_err(|error| broken(at, error))?;
        let local = entry.local_header(buffer).map_err(|error| broken(at, error))?;
        let streamed = self.flags & DATA_DESCRIPTOR != 0;
        let same = local.file_path().as_bytes() == self.name.as_bytes()
            && local.flags().bits() == self.flags
            && local.compression_method() == self.method
            && (streamed
                || (local.crc32(), local.compressed_size_hint(), local.uncompressed_size_hint())
                    == (self.crc, self.packed, self.size));
        if !same {
            return Err(refuse("zip-structure", &self.name, "differs between the directory and its own header"));
        }
        let stores = self.method == CompressionMethod::STORE && self.packed != self.size;
        if stores || (self.target.is_none() && self.size != 0) {
            return Err(refuse("zip-structure", &self.name, "has sizes that cannot be"));
        }
        Ok((self.offset, entry.compressed_data_range().1))
    }

    fn extract(self, archive: &ZipArchive<FileReader>, at: &Path, intake: &mut Intake) -> Result<()> {
        let Some(target) = self.target else { return Ok(()) };
        let entry = archive.get_entry(self.wayfinder).map_err(|error| broken(at, error))?;
        let mut data = match self.method {
            CompressionMethod::STORE => Data::Stored(entry.reader()),
            _ => Data::Deflated(flate2::read::DeflateDecoder::new(entry.reader())),
        };
        let mut crc = rawzip::Crc32::new();
        let mut size = 0u64;
        let name = &self.name;
        intake.write(target, |buffer| {
            let count = data.read(buffer).map_err(|error| refuse("zip-data", name, &format!("is damaged: {error}")))?;
            crc.update(&buffer[..count]);
            size += count as u64;
            if size > RATIO_FROM && size / RATIO > self.packed {
                return Err(refuse("zip-ratio", name, "unpacks to more than 200 times its size"));
            }
            if size > self.size || (count == 0 && size != self.size) {
                return Err(refuse("zip-data", name, "does not unpack to the size it declares"));
            }
            if count == 0 && crc.checksum() != self.crc {
                return Err(refuse("zip-data", name, "does not match its checksum"));
            }
            if count == 0 && data.consumed(self.packed) != self.packed {
                return Err(refuse("zip-data", name, "has bytes after the end of its data"));
            }
            Ok(count)
        })
    }
}

/// What the archive as a whole must look like: it begins with the first entry, ends with its end record, and no two
/// entries share bytes.
fn structure(archive: &ZipArchive<FileReader>, records: &[Record], size: u64, at: &Path) -> Result<()> {
    let fail = |why: &str| Err(Error::rejected("zip-structure", format!("{} {why}", at.display())));
    if archive.comment().remaining() != 0 || archive.end_offset() != size {
        return fail("has a comment or bytes after its end");
    }
    let declared = records.iter().try_fold(0u64, |sum, record| sum.checked_add(record.size));
    if declared.is_none_or(|sum| sum > TOTAL_BYTES) {
        return Err(Error::rejected("total-size", format!("{} declares more than 512 MiB", at.display())));
    }
    let mut buffer = vec![0; HEADER_BYTES];
    let ranges = records.iter().map(|record| record.check(archive, &mut buffer, at));
    let mut ranges = ranges.collect::<Result<Vec<_>>>()?;
    ranges.sort_unstable();
    if ranges.first().is_some_and(|first| first.0 != 0) {
        return fail("has bytes before its first entry");
    }
    let directory = archive.directory_offset();
    let next = ranges.iter().skip(1).map(|range| range.0).chain([directory]);
    if ranges.iter().zip(next).any(|(range, next)| range.1 > next) {
        return fail("has entries that share bytes");
    }
    Ok(())
}

enum Data<R: ReaderAt> {
    Stored(rawzip::ZipReader<R>),
    Deflated(flate2::read::DeflateDecoder<rawzip::ZipReader<R>>),
}

impl<R: ReaderAt> Data<R> {
    /// Packed bytes that were used; a stored file has no end of its own, so it uses them all.
    fn consumed(&self, packed: u64) -> u64 {
        match self {
            Self::Stored(_) => packed,
            Self::Deflated(decoder) => decoder.total_in(),
        }
    }
}

impl<R: ReaderAt> Read for Data<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Stored(reader) => reader.read(buffer),
            Self::Deflated(decoder) => decoder.read(buffer),
        }
    }
}

fn broken(at: &Path, error: rawzip::Error) -> Error {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            Error::io("read", at, error)
        }
        kind => Error::rejected("zip-structure", format!("{} is not a sound zip: {kind}", at.display())),
    }
}

//! Writes zips byte by byte, so that each field can lie (APPNOTE 4.3).

use std::io::Write;

/// One entry; the fields of the local header are those of the directory unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) mode: u32,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) local_crc: Option<u32>,
    /// Take the local header of the entry before, instead of an own one.
    pub(crate) shares: bool,
}

impl Item {
    pub(crate) fn stored(name: &str, data: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        Self {
            name: name.into(),
            data: data.into(),
            size: u32::try_from(data.len()).expect("small"),
            crc: crc.sum(),
            method: 0,
            flags: 0,
            mode: 0o100_644,
            local_name: None,
            local_crc: None,
            shares: false,
        }
    }

    pub(crate) fn deflated(name: &str, data: &[u8]) -> Self {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).expect("memory");
        Self { data: encoder.finish().expect("memory"), method: 8, ..Self::stored(name, data) }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Zip {
    pub(crate) items: Vec<Item>,
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
    pub(crate) comment: Vec<u8>,
    /// Entries the end record claims; the real number if `None`.
    pub(crate) claims: Option<u16>,
}

impl Zip {
    pub(crate) fn of(files: &super::Files) -> Self {
        Self { items: files.iter().map(|(name, data)| Item::deflated(name, data)).collect(), ..Self::default() }
    }

    pub(crate) fn and(mut self, item: Item) -> Self {
        self.items.push(item);
        self
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.before.clone();
        let mut directory = Vec::new();
        let mut offset = out.len();
        for item in &self.items {
            if !item.shares {
                offset = out.len();
                let name = item.local_name.as_ref().unwrap_or(&item.name);
                out.extend(0x0403_4b50u32.to_le_bytes());
                fields(&mut out, &[20, item.flags, item.method, 0, 0x21]);
                sizes(&mut out, item.local_crc.unwrap_or(item.crc), item);
                fields(&mut out, &[short(name.len()), 0]);
                out.extend(name);
                out.extend(&item.data);
            }
            directory.extend(0x0201_4b50u32.to_le_bytes());
            fields(&mut directory, &[3 << 8 | 20, 20, item.flags, item.method, 0, 0x21]);
            sizes(&mut directory, item.crc, item);
            fields(&mut directory, &[short(item.name.len()), 0, 0, 0, 0]);
            directory.extend((item.mode << 16).to_le_bytes());
            directory.extend(long(offset).to_le_bytes());
            directory.extend(&item.name);
        }
        let (start, length) = (out.len(), directory.len());
        out.extend(directory);
        let count = self.claims.unwrap_or(short(self.items.len()));
        out.extend(0x0605_4b50u32.to_le_bytes());
        fields(&mut out, &[0, 0, count, count]);
        out.extend(long(length).to_le_bytes());
        out.extend(long(start).to_le_bytes());
        fields(&mut out, &[short(self.comment.len())]);
        out.extend(&self.comment);
        out.extend(&self.after);
        out
    }
}

fn fields(out: &mut Vec<u8>, fields: &[u16]) {
    out.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
}

fn sizes(out: &mut Vec<u8>, crc: u32, item: &Item) {
    out.extend([crc, long(item.data.len()), item.size].iter().flat_map(|field| field.to_le_bytes()));
}

fn short(number: usize) -> u16 {
    u16::try_from(number).expect("small")
}

fn long(number: usize) -> u32 {
    u32::try_from(number).expect("small")
}

//! The compiled cache: native code kept between starts, each file under a keyed MAC.
//!
//! Compiled code runs with the rights of this process, so a file becomes a [`CodeFile`] only after its MAC was verified,
//! on the descriptor that is then loaded. A file is written whole before it gets its name and never again, and nobody
//! else can write to it: another process of the same user, who can read the key, is out of scope (docs/engines.md). A
//! miss, a mismatch or a fault of the disk is the same: the component is compiled again.
//!
//! Only what was verified is compiled, so an entry also stands for that: its key names the world, and
//! the version of this crate, whose rules the component met.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustix::fs::OFlags;

use crate::{
    engine::{Artifact, CodeFile, EngineId},
    error::{Error, ErrorKind, Result},
    manifest::World,
};

/// Last bytes of every file; the number is the format's version. Before it come the code, the key and the MAC: the code
/// is first because engines map files from their start.
const MAGIC: &[u8; 8] = b"STLCODE2";

/// Bytes of the MAC.
const MAC_BYTES: usize = 32;

/// Bytes read at a time to verify a file: they stay in the processor's cache.
const READ_BYTES: usize = 128 * 1024;

/// Bytes of one file: the code of the largest component is some five times its 64 MiB.
const FILE_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes of all files together; the least recently used go first.
const TOTAL_BYTES: u64 = 512 * 1024 * 1024;

const KEY_FILE: &str = "cache.key";

/// What compiled code was made from and by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    /// The package.
    pub plugin_id: String,
    /// The component in it.
    pub component_id: String,
    /// BLAKE3 of the component's bytes.
    pub component_hash: [u8; 32],
    /// The world it was verified for, by this version of the crate.
    pub world: World,
    /// Who compiled.
    pub engine: EngineId,
}

impl CacheKey {
    /// The key's fields, each with its length, so that no two keys read the same.
    fn header(&self) -> Vec<u8> {
        let EngineId { name, version, configuration } = &self.engine;
        let fields: [&[u8]; 8] = [
            self.plugin_id.as_bytes(),
            self.component_id.as_bytes(),
            &self.component_hash,
            self.world.name().as_bytes(),
            env!("CARGO_PKG_VERSION").as_bytes(),
            name.as_bytes(),
            version.as_bytes(),
            configuration.as_bytes(),
        ];
        let mut header = Vec::new();
        for field in fields {
            header.extend_from_slice(&(field.len() as u64).to_le_bytes());
            header.extend_from_slice(field);
        }
        header
    }
}

/// A directory of compiled code that only its user can write, and the key that authenticates it.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the cache in `dir`, with its key in `state_dir`. Both are made when missing, closed to other users.
    ///
    /// # Errors
    /// `denied` where a directory or the key belongs to another user, or others can write to one or read the other; `io`.
    pub fn open(dir: &Path, state_dir: &Path) -> Result<Self> {
        private_dir(dir)?;
        private_dir(state_dir)?;
        let path = state_dir.join(KEY_FILE);
        let key = match read_key(&path)? {
            Some(key) => key,
            None => make_key(&path)?,
        };
        Ok(Self { dir: dir.to_owned(), key })
    }

    /// The code compiled for `key`, if it is there and authentic. A file that is not authentic is removed.
    pub fn get(&self, key: &CacheKey) -> Option<CodeFile> {
        let path = self.path(key);
        let file = match open_code(&path) {
            Ok(file) => file?,
            Err(error) => {
                tracing::warn!("{} is not used: {error}", path.display());
                return None;
            }
        };
        let Ok(Some(bytes)) = self.authentic(&file, &key.header()) else {
            tracing::warn!("{} is not authentic and was removed", path.display());
            let _ = fs::remove_file(&path);
            return None;
        };
        // Only a hint to `evict`.
        let _ = file.set_modified(SystemTime::now());
        // SAFETY: the MAC, under a key that only this user can read, was verified over this very file and over the
        // engine's id; `put` is the only writer of such files, takes an `Artifact` of that engine, and never writes to
        // a file that has its name already.
        Some(unsafe { CodeFile::trusted(file, bytes) })
    }

    /// Keeps the code compiled for `key`, in the place of what was kept before.
    ///
    /// # Errors
    /// `io`: nothing is kept, or what was before.
    pub fn put(&self, key: &CacheKey, artifact: &Artifact) -> Result<()> {
        let path = self.path(key);
        let nonce = random::<8>().map_err(|error| Error::io("make a name beside", &path, error))?;
        let temporary = self.dir.join(format!("{:016x}.tmp", u64::from_le_bytes(nonce)));
        let header = key.header();
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(artifact.bytes())?;
            file.write_all(&header)?;
            let mut mac = self.hasher();
            mac.update(artifact.bytes());
            file.write_all(signed(mac, &header).as_bytes())?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        };
        let written = write().map_err(|error| Error::io("write", &path, error));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        self.evict(&path);
        Ok(())
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        self.dir.join(format!("{}.code", blake3::hash(&key.header()).to_hex()))
    }

    fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.key)
    }

    /// How many bytes of code a file begins with, if it was written by [`put`](Self::put) for the key of `header`.
    fn authentic(&self, mut file: &File, header: &[u8]) -> io::Result<Option<u64>> {
        let end_bytes = header.len() + MAC_BYTES + MAGIC.len();
        let Some(bytes) = file.metadata()?.len().checked_sub(end_bytes as u64) else { return Ok(None) };
        let mut end = vec![0; end_bytes];
        file.seek(SeekFrom::Start(bytes))?;
        file.read_exact(&mut end)?;
        let (kept_header, rest) = end.split_at(header.len());
        let (kept_mac, magic) = rest.split_at(MAC_BYTES);
        if kept_header != header || magic != MAGIC {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(0))?;
        let (mut mac, mut left, mut block) = (self.hasher(), bytes, vec![0; READ_BYTES]);
        while left > 0 {
            let block = &mut block[..usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES))];
            file.read_exact(block)?;
            mac.update(block);
            left -= block.len() as u64;
        }
        // Comparing two hashes of this type takes the same time wherever they differ.
        let same = blake3::Hash::from_slice(kept_mac).is_ok_and(|kept| kept == signed(mac, header));
        Ok(same.then_some(bytes))
    }

    /// Removes the oldest files, but not `keep`, until all fit. Their times are only a hint: a wrong one costs a
    /// compilation.
    fn evict(&self, keep: &Path) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        files.sort();
        for (_, bytes, path) in files {
            if total <= TOTAL_BYTES {
                return;
            }
            if path != keep && fs::remove_file(&path).is_ok() {
                total -= bytes;
            }
        }
    }
}

/// A directory of this user's that nobody else can write to. One that is there already is left as it is: it may serve
/// other purposes too.
fn private_dir(dir: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| Error::io("make the directory", dir, error))?;
    let metadata = fs::symlink_metadata(dir).map_err(|error| Error::io("look at", dir, error))?;
    if !metadata.is_dir() || !is_ours(&metadata) || metadata.mode() & 0o022 != 0 {
        return Err(foreign(dir));
    }
    Ok(())
}

fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

fn foreign(path: &Path) -> Error {
    let message = format!("{} belongs to another user or is open to others", path.display());
    Error::new(ErrorKind::Denied, message).help("remove it, or name another directory for compiled code")
}

/// Opens without following a link, and without waiting at a pipe.
fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens a file of compiled code; nothing if there is none.
fn open_code(path: &Path) -> io::Result<Option<File>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(io::Error::other("no file of compiled code"));
    }
    Ok(Some(file))
}

/// The MAC of a file whose code was hashed: over the code, then the key's fields and their length, which stands at a
/// place that the code cannot move.
fn signed(mut code: blake3::Hasher, header: &[u8]) -> blake3::Hash {
    code.update(header).update(&(header.len() as u64).to_le_bytes()).update(MAGIC);
    code.finalize()
}

fn read_key(path: &Path) -> Result<Option<[u8; 32]>> {
    let mut file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| Error::io("open", path, error))?,
    };
    let metadata = file.metadata().map_err(|error| Error::io("look at", path, error))?;
    if !metadata.is_file() || !is_ours(&metadata) || metadata.mode() & 0o077 != 0 {
        return Err(foreign(path));
    }
    let mut key = [0; 32];
    match (metadata.len(), file.read_exact(&mut key)) {
        (32, Ok(())) => Ok(Some(key)),
        // Cut short by a crash: without it nothing cached can be read, and a new one is as good.
        _ => fs::remove_file(path).map(|()| None).map_err(|error| Error::io("remove", path, error)),
    }
}

/// Makes the key; of several processes that try at once, one wins and the others read its key.
fn make_key(path: &Path) -> Result<[u8; 32]> {
    let make = || -> io::Result<Option<[u8; 32]>> {
        let key = random::<32>()?;
        let nonce = u64::from_le_bytes(random()?);
        let temporary = path.with_extension(format!("{nonce:016x}.tmp"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let linked = file.write_all(&key).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&temporary, path));
        let _ = fs::remove_file(&temporary);
        match linked {
            Ok(()) => Ok(Some(key)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    };
    match make().map_err(|error| Error::io("make the key", path, error))? {
        Some(key) => Ok(key),
        None => read_key(path)?.ok_or_else(|| foreign(path)),
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    fn key() -> CacheKey {
        CacheKey {
            plugin_id: "a.b".into(),
            component_id: "c".into(),
            component_hash: [7; 32],
            world: World::Decoder,
            engine: EngineId { name: "fake", version: "1".into(), configuration: "x".into() },
        }
    }

    fn artifact() -> Artifact {
        // SAFETY: nothing ever loads it.
        unsafe { Artifact::trusted((0..=255).cycle().take(4_000).collect()) }
    }

    fn got(cache: &Cache, key: &CacheKey) -> Option<Artifact> {
        cache.get(key).map(|code| code.read().unwrap())
    }

    fn opened(root: &Path) -> Cache {
        Cache::open(&root.join("cache"), &root.join("state")).unwrap()
    }

    /// A cache with one entry, and the entry's file.
    fn filled(root: &Path) -> (Cache, PathBuf) {
        let cache = opened(root);
        cache.put(&key(), &artifact()).unwrap();
        let path = cache.path(&key());
        (cache, path)
    }

    #[test]
    fn what_was_put_is_got_again_also_by_a_later_process() {
        let root = tempfile::tempdir().unwrap();
        let (cache, path) = filled(root.path());
        assert_eq!(got(&cache, &key()), Some(artifact()));
        assert_eq!(got(&opened(root.path()), &key()), Some(artifact()));
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(root.path().join("cache")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(root.path().join("cache")).unwrap().count(), 1, "no temporary file stays");
    }

    /// I13
    #[test]
    fn every_flipped_bit_and_every_cut_is_a_miss() {
        let root = tempfile::tempdir().unwrap();
        let (cache, path) = filled(root.path());
        let whole = fs::read(&path).unwrap();
        let damaged = (0..whole.len()).step_by(64).flat_map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at / 64 % 8);
            [flipped, whole[..at].to_vec()]
        });
        for file in damaged.chain([[&*whole, b"x"].concat()]) {
            fs::write(&path, file).unwrap();
            assert_eq!(got(&cache, &key()), None);
            assert!(!path.exists(), "what is not authentic is removed");
        }
    }

    /// I13
    #[test]
    fn another_key_engine_or_secret_is_a_miss() {
        let root = tempfile::tempdir().unwrap();
        let (cache, path) = filled(root.path());
        let file = fs::read(&path).unwrap();
        let mut others = vec![key(); 5];
        others[0].plugin_id = "a.bc".into();
        others[1].component_id = "d".into();
        others[2].component_hash[0] = 8;
        others[3].engine.configuration = "y".into();
        others[4].world = World::Dsp;
        for other in others {
            assert_eq!(got(&cache, &other), None);
            // The file of one key under the name of another.
            fs::write(cache.path(&other), &file).unwrap();
            assert_eq!(got(&cache, &other), None);
        }
        let stranger = tempfile::tempdir().unwrap();
        let (strange, strange_path) = filled(stranger.path());
        fs::write(&strange_path, &file).unwrap();
        assert_eq!(got(&strange, &key()), None, "made with another secret");
    }

    #[test]
    fn links_and_open_keys_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let (cache, path) = filled(root.path());
        let moved = root.path().join("elsewhere");
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        assert_eq!(got(&cache, &key()), None);
        let secret = root.path().join("state").join(KEY_FILE);
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Cache::open(&root.path().join("cache"), &root.path().join("state")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
    }

    #[test]
    fn directories_others_can_write_to_are_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        for name in ["cache", "state"] {
            let dir = root.path().join(name);
            opened(root.path());
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
            let error = Cache::open(&root.path().join("cache"), &root.path().join("state")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o777);
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }

    #[test]
    fn the_least_recently_used_make_room() {
        let root = tempfile::tempdir().unwrap();
        let (cache, path) = filled(root.path());
        let stuffing = |name: &str, seconds: u64| {
            let file = File::create(root.path().join("cache").join(name)).unwrap();
            file.set_len(TOTAL_BYTES / 2).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
            root.path().join("cache").join(name)
        };
        let (newer, older) = (stuffing("newer", 2_000), stuffing("older", 1_000));
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(cache.get(&key()).is_some(), "used just now");
        let mut other = key();
        other.component_id = "other".into();
        cache.put(&other, &artifact()).unwrap();
        assert_eq!((newer.exists(), older.exists()), (true, false));
        assert!(cache.get(&key()).is_some() && cache.get(&other).is_some());
    }

    #[test]
    fn a_key_cut_short_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        let (_, _) = filled(root.path());
        fs::write(root.path().join("state").join(KEY_FILE), b"short").unwrap();
        assert_eq!(got(&opened(root.path()), &key()), None);
        assert_eq!(opened(root.path()).key, opened(root.path()).key);
    }
}

//! What plugins there are: an immutable picture of the store and of the packages embedded in the application.
//!
//! A [`Snapshot`] is made from manifests, receipts and remembered states alone; nothing is compiled or started for it,
//! and what cannot be read is shown as broken rather than left out. It does not notice later changes: make another.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::OpenOptions,
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::OFlags;

pub use crate::install::Origin;
use crate::{
    error::{Error, ErrorKind, Result},
    inspect::{Inspected, InspectedComponent},
    install::{self, Content, Entry, PluginState, Store},
    limits::COMPONENT_BYTES,
    manifest::{self, Component, ComponentId, Manifest, PackagePath},
    package::{ContentHash, FileEntry},
};

/// A package that is part of the application: the lowest layer, never copied to the store.
#[derive(Clone, Copy, Debug)]
pub struct BundledPackage {
    /// Path and content of each file, `plugin.json` among them.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// The plugins at one moment, by id. An installed one hides a bundled one of the same id.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    plugins: BTreeMap<String, Arc<Plugin>>,
    dynamic_libraries: Vec<DynamicLibrary>,
}

/// A directory in the store that holds a plugin of the old dynamic-library kind. It is never loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DynamicLibrary {
    /// Where it lies.
    pub path: PathBuf,
    /// The file that gives it away.
    pub found: String,
}

/// Whether a plugin, or a component of one, can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It can be used.
    Enabled,
    /// The user does not want it.
    Disabled,
    /// It asks for more than was granted.
    NeedsGrant,
    /// A component failed; the plugin's others still work.
    Failed,
    /// Its files are not what was installed.
    Broken,
    /// An older host wanted to delete it and could not.
    PendingUninstall,
}

impl Status {
    /// The status in snake case, for documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::NeedsGrant => "needs_grant",
            Self::Failed => "failed",
            Self::Broken => "broken",
            Self::PendingUninstall => "pending_uninstall",
        }
    }
}

/// A plugin as it is in the store or in the application.
#[derive(Clone, Debug)]
pub struct Plugin {
    id: String,
    origin: Origin,
    path: Option<PathBuf>,
    pending_uninstall: bool,
    content: Result<Content, String>,
    bundled: Option<BundledPackage>,
    remembered: PluginState,
}

/// The bytes of a component, checked against the receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComponentSource {
    /// The component in binary form.
    pub bytes: Cow<'static, [u8]>,
    /// Of the bytes.
    pub hash: ContentHash,
}

impl Snapshot {
    /// Looks at the store and at what is bundled.
    ///
    /// # Errors
    /// `Io` where the store's directory cannot be read. A store that does not exist is empty.
    pub fn scan(store: &Store, bundled: &[BundledPackage]) -> Result<Self> {
        let mut plugins = BTreeMap::new();
        for package in bundled {
            let plugin = Plugin::bundled(*package, store);
            plugins.insert(plugin.id.clone(), Arc::new(plugin));
        }
        let mut claimed: BTreeMap<String, PathBuf> = BTreeMap::new();
        for entry in install::entries(store.layout())? {
            if let Some(first) = claimed.get(&entry.id) {
                let (id, path) = (&entry.id, entry.path.display());
                tracing::warn!(plugin = %id, "{path} is ignored: {} has the same id", first.display());
                continue;
            }
            claimed.insert(entry.id.clone(), entry.path.clone());
            let plugin = Plugin::installed(entry, store);
            plugins.insert(plugin.id.clone(), Arc::new(plugin));
        }
        let dynamic_libraries = install::dynamic_libraries(store.layout())
            .into_iter()
            .map(|(path, found)| DynamicLibrary { path, found })
            .collect();
        Ok(Self { plugins, dynamic_libraries })
    }

    /// Every plugin, by id.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values().map(|plugin| &**plugin)
    }

    /// The plugin of that id.
    pub fn plugin(&self, id: &str) -> Option<&Plugin> {
        self.plugins.get(id).map(|plugin| &**plugin)
    }

    /// The same plugins, with a component that failed meanwhile.
    pub(crate) fn with_failure(&self, plugin: &str, component: &ComponentId, reason: &str) -> Self {
        let mut after = self.clone();
        if let Some(plugin) = after.plugins.get_mut(plugin) {
            Arc::make_mut(plugin).remembered.set_failure(component.as_str(), reason);
        }
        after
    }

    /// Directories of the store that hold plugins of the old kind.
    pub fn dynamic_libraries(&self) -> &[DynamicLibrary] {
        &self.dynamic_libraries
    }

    /// Every component that requests may be routed to.
    pub(crate) fn routable(&self) -> impl Iterator<Item = (&Manifest, &Component)> {
        self.plugins().flat_map(|plugin| {
            let manifest = plugin.manifest().into_iter();
            manifest
                .flat_map(|manifest| manifest.components.iter().map(move |component| (manifest, component)))
                .filter(|(_, component)| plugin.component_status(&component.id) == Status::Enabled)
        })
    }

    /// Reads a component; see [`Plugin::component_bytes`].
    ///
    /// # Errors
    /// `NotFound` for an unknown plugin, else those of [`Plugin::component_bytes`].
    pub fn component_bytes(&self, plugin: &str, component: &ComponentId) -> Result<ComponentSource> {
        let unknown = || Error::new(ErrorKind::NotFound, format!("no plugin {} is installed", manifest::shown(plugin)));
        self.plugin(plugin).ok_or_else(unknown)?.component_bytes(component)
    }
}

impl Plugin {
    /// The package's id; the directory's name where it cannot be read.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name for people; the id where the manifest cannot be read.
    pub fn name(&self) -> &str {
        self.manifest().map_or(&self.id, |manifest| &manifest.name)
    }

    /// The package's version; `unknown` where the manifest cannot be read.
    pub fn version(&self) -> &str {
        self.manifest().map_or("unknown", |manifest| &manifest.version)
    }

    /// Where it comes from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Where its files lie; bundled ones lie nowhere.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it can be used.
    pub fn status(&self) -> Status {
        match (&self.content, self.pending_uninstall) {
            (_, true) => Status::PendingUninstall,
            (Err(_), false) => Status::Broken,
            (Ok(_), false) if !self.remembered.enabled => Status::Disabled,
            (Ok(_), false) if !self.remembered.failures.is_empty() => Status::Failed,
            (Ok(_), false) => Status::Enabled,
        }
    }

    /// What went wrong last: why it is broken, or why a component of it failed.
    pub fn last_failure(&self) -> Option<&str> {
        self.content.as_ref().err().or(self.remembered.last_failure.as_ref()).map(String::as_str)
    }

    /// What the package says about itself, unless it is broken.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.content.as_ref().ok().map(|content| &content.manifest)
    }

    /// Tells two versions of a package apart. For one of an older host it is that of the manifest alone.
    pub fn hash(&self) -> Option<ContentHash> {
        self.content.as_ref().ok().map(|content| content.hash)
    }

    /// Whether one of its components can be used: as the plugin, but failed only if it failed itself.
    pub fn component_status(&self, component: &ComponentId) -> Status {
        match self.status() {
            Status::Failed if self.component_failure(component).is_none() => Status::Enabled,
            status => status,
        }
    }

    /// Why a component failed.
    pub fn component_failure(&self, component: &ComponentId) -> Option<&str> {
        self.remembered.failures.get(component.as_str()).map(String::as_str)
    }

    /// The hash a component had when it was installed, without reading it; `None` where none was kept.
    pub fn component_hash(&self, component: &ComponentId) -> Option<ContentHash> {
        let content = self.content.as_ref().ok()?;
        let path = &content.manifest.component(component)?.path;
        content.files.as_ref()?.iter().find(|file| file.path == *path).map(|file| file.blake3)
    }

    /// Reads a component and checks that it is what was installed. Bundled packages are trusted as they are; those of
    /// an older host have no hashes to check.
    ///
    /// # Errors
    /// `NotFound` for an unknown component or a lost file, `RejectedPackage` for a changed one, `Io`.
    pub fn component_bytes(&self, component: &ComponentId) -> Result<ComponentSource> {
        let read = || {
            let content = self.content.as_ref().map_err(|why| Error::rejected("broken", why.clone()))?;
            let component = content.manifest.component(component).ok_or_else(|| {
                let message = format!("the plugin has no component {}", manifest::shown(component.as_str()));
                Error::new(ErrorKind::NotFound, message)
            })?;
            self.file(content, &component.path)
        };
        read().map_err(|error: Error| error.plugin(self.id.as_str()))
    }

    /// Reads all of its components and says what they are and ask for.
    ///
    /// # Errors
    /// A rejection where the package cannot be read. A component that cannot be is part of the answer.
    pub fn inspect(&self) -> Result<Inspected> {
        let content = self.content.as_ref().map_err(|why| Error::rejected("broken", why.clone()).plugin(&self.id))?;
        let look = |component: &Component| {
            let bytes = self.file(content, &component.path).map(|source| source.bytes.into_owned());
            InspectedComponent::new(component, bytes)
        };
        Ok(Inspected {
            manifest: content.manifest.clone(),
            hash: content.hash,
            files: content.files.clone(),
            components: content.manifest.components.iter().map(look).collect(),
        })
    }

    /// Reads any file of the package, such as a hot-path module, and checks it as a component.
    ///
    /// # Errors
    /// As [`component_bytes`](Self::component_bytes).
    pub fn file_bytes(&self, path: &PackagePath) -> Result<ComponentSource> {
        let read = || {
            let content = self.content.as_ref().map_err(|why| Error::rejected("broken", why.clone()))?;
            self.file(content, path)
        };
        read().map_err(|error: Error| error.plugin(self.id.as_str()))
    }

    fn file(&self, content: &Content, path: &PackagePath) -> Result<ComponentSource> {
        let kept = content.files.as_ref().and_then(|files| files.iter().find(|file| file.path == *path));
        if let Some(package) = self.bundled {
            let file = package.files.iter().find(|(name, _)| *name == path.as_str()).zip(kept);
            let source =
                file.map(|((_, bytes), kept)| ComponentSource { bytes: Cow::Borrowed(*bytes), hash: kept.blake3 });
            return source.ok_or_else(|| Error::rejected("missing-file", format!("the bundled package has no {path}")));
        }
        let root = self.path.as_deref().unwrap_or(Path::new(""));
        let bytes = read_file(&path.under(root))?;
        let hash = ContentHash::of(&bytes);
        if content.files.is_some() && kept.is_none_or(|kept| kept.blake3 != hash) {
            let message = format!("{} is not the file that was installed", path.under(root).display());
            return Err(Error::rejected("changed-file", message).help("install the package again"));
        }
        Ok(ComponentSource { bytes: Cow::Owned(bytes), hash })
    }

    fn installed(entry: Entry, store: &Store) -> Self {
        Self {
            remembered: store.state(&entry.id),
            origin: entry.origin,
            path: Some(entry.path),
            pending_uninstall: entry.pending_uninstall,
            content: entry.content,
            bundled: None,
            id: entry.id,
        }
    }

    fn bundled(package: BundledPackage, store: &Store) -> Self {
        let content = read_bundled(package);
        let id = content.as_ref().map_or("bundled".into(), |content| content.manifest.id.to_string());
        Self {
            remembered: store.state(&id),
            origin: Origin::Bundled,
            path: None,
            pending_uninstall: false,
            content,
            bundled: Some(package),
            id,
        }
    }
}

fn read_bundled(package: BundledPackage) -> Result<Content, String> {
    let mut files = Vec::new();
    let mut manifest = Err(format!("the bundled package has no {}", manifest::FILE_NAME));
    for (name, bytes) in package.files {
        let path = PackagePath::check(name).map_err(|fault| format!("the bundled file {name} {}", fault.why))?;
        if path.as_str() == manifest::FILE_NAME {
            manifest = Manifest::parse(bytes).map_err(|error| error.to_string());
        }
        files.push(FileEntry { path, size: bytes.len() as u64, blake3: ContentHash::of(bytes) });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Content { manifest: manifest?, hash: ContentHash::of_package(&files), files: Some(files) })
}

/// Reads a plain file of a component's size, neither following a link nor waiting for a pipe.
fn read_file(path: &Path) -> Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let message = format!("{} is gone", path.display());
            return Error::new(ErrorKind::NotFound, message).help("install the package again");
        }
        Error::io("read", path, error)
    })?;
    let io = |error| Error::io("read", path, error);
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() || metadata.len() > COMPONENT_BYTES as u64 {
        return Err(Error::rejected("changed-file", format!("{} is no file of 64 MiB at most", path.display())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(COMPONENT_BYTES as u64).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

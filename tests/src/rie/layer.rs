//! What a layer puts in /opt, as a folder. Knows the places of its files; not what the files do.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::layout;

/// Where the exec wrapper lands.
pub const WRAPPER: &str = "/opt/picket/wrapper";
/// The agent's place in the layer; its file name is the name that it registers under.
pub const AGENT: &str = "extensions/picket";

/// A layer's content in a folder of its own.
#[derive(Debug)]
pub struct Layer {
    folder: PathBuf,
}

impl Layer {
    /// The binaries of this workspace, as the layer holds them.
    ///
    /// # Errors
    /// When one of them is not built.
    pub fn built() -> io::Result<Self> {
        let agent = layout::binary("picket-agent").map_err(io::Error::other)?;
        let wrapper = layout::binary("picket-wrapper").map_err(io::Error::other)?;
        let layer = Self::empty()?;
        layer.put(AGENT, &agent)?;
        layer.put("picket/wrapper", &wrapper)?;
        Ok(layer)
    }

    /// A layer without any file.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn empty() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = layout::target().join("tmp/layer").join(format!("{}-{number}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The folder that is laid on /opt.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a program into the layer, with its run bits set.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn put(&self, name: &str, program: &Path) -> io::Result<()> {
        let place = self.place(name)?;
        // A link where possible: nothing is copied, and no program is run while somebody still writes it.
        if fs::hard_link(program, &place).is_ok() {
            return Ok(());
        }
        fs::copy(program, &place)?;
        fs::set_permissions(place, fs::Permissions::from_mode(0o755))
    }

    /// Puts a file with this content and this mode into the layer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_bytes(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let place = self.place(name)?;
        fs::write(&place, bytes)?;
        fs::set_permissions(place, fs::Permissions::from_mode(mode))
    }

    /// Puts a script into the layer, with its run bits set.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put_script(&self, name: &str, script: &str) -> io::Result<()> {
        self.put_bytes(name, script.as_bytes(), 0o755)
    }

    fn place(&self, name: &str) -> io::Result<PathBuf> {
        let place = self.folder.join(name);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        Ok(place)
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let _left_over = fs::remove_dir_all(&self.folder);
    }
}

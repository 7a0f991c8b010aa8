//! What could not be sent before the environment ended, in one small file for its next life.
//!
//! The handler runs as the same user and can write anything there. So nothing is believed because it lies there: a link, a
//! foreign owner, an open mode, a wrong tag or a batch that breaks a cap makes what was read worth nothing, and it is dropped.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use picket_cloud_protocol::Batch;
use ring::hmac;
use rustix::fs::OFlags;

use crate::{Parcel, limits};

const MAGIC: &[u8] = b"picket-spool-1\n";
const TAG: usize = 32;

/// The key under which the spool's batches are tagged.
pub struct SpoolKey(hmac::Key);

impl fmt::Debug for SpoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpoolKey")
    }
}

impl SpoolKey {
    pub(crate) const fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// A tag that anybody can make, for agents that hold no key: they sign with the function's role, which the handler holds
    /// as well. It still tells a torn file.
    #[must_use]
    pub fn without_key() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, b"picket-spool-v1"))
    }
}

/// A file of batches.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
}

impl Spool {
    /// The spool in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("picket.spool") }
    }

    /// Writes these batches, the newest ones where not all fit; says how many counts and events did not. What was there is
    /// replaced.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write<'p>(
        &self,
        key: &SpoolKey,
        parcels: impl DoubleEndedIterator<Item = &'p Parcel>,
    ) -> std::io::Result<u64> {
        let (mut kept, mut size, mut left_out) = (Vec::new(), MAGIC.len(), 0);
        for parcel in parcels.rev() {
            let bytes = 4 + TAG + parcel.body.len();
            if size + bytes > limits::SPOOL_BYTES {
                left_out += parcel.content;
            } else {
                size += bytes;
                kept.push(parcel);
            }
        }
        if kept.is_empty() {
            return Ok(left_out);
        }
        let fresh = self.path.with_extension(format!("{}.new", std::process::id()));
        // A name of a file that is there already would be somebody else's.
        std::fs::remove_file(&fresh).ok();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(flags(OFlags::NOFOLLOW | OFlags::CLOEXEC))
            .open(&fresh)?;
        let written = write_all(&mut file, key, kept.into_iter().rev());
        // The name itself is replaced, so that a link in its place is not followed.
        let done = written.and_then(|()| std::fs::rename(&fresh, &self.path));
        if done.is_err() {
            std::fs::remove_file(&fresh).ok();
        }
        done.map(|()| left_out)
    }

    /// Takes out what an earlier life left. What is not exactly as it was written is dropped; the second number says how many
    /// batches that were, and is 1 where the file as a whole could not be believed.
    pub fn take(&self, key: &SpoolKey, now_s: u64) -> (Vec<Parcel>, u64) {
        let opened = OpenOptions::new()
            .read(true)
            // Not waiting, because a pipe in the file's place would.
            .custom_flags(flags(OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK))
            .open(&self.path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Vec::new(), 0),
            Err(_) => {
                std::fs::remove_file(&self.path).ok();
                return (Vec::new(), 1);
            }
        };
        let bytes = believable(&file).then(|| read(file)).flatten();
        std::fs::remove_file(&self.path).ok();
        match bytes {
            Some(bytes) => parse(&bytes, key, now_s),
            None => (Vec::new(), 1),
        }
    }
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

/// Whether a file is one that we may have written: our own, plain, closed to others, with one name.
fn believable(file: &File) -> bool {
    file.metadata().is_ok_and(|told| {
        told.is_file()
            && told.uid() == rustix::process::geteuid().as_raw()
            && told.mode() & 0o077 == 0
            && told.nlink() == 1
            && told.len() <= limits::SPOOL_BYTES as u64
    })
}

fn read(file: File) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limits::SPOOL_BYTES as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= limits::SPOOL_BYTES).then_some(bytes)
}

fn write_all<'p>(
    file: &mut File,
    key: &SpoolKey,
    parcels: impl Iterator<Item = &'p Parcel>,
) -> std::io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for parcel in parcels {
        let length = u32::try_from(parcel.body.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(hmac::sign(&key.0, &parcel.body).as_ref());
        bytes.extend_from_slice(&parcel.body);
    }
    file.write_all(&bytes)
}

fn parse(bytes: &[u8], key: &SpoolKey, now_s: u64) -> (Vec<Parcel>, u64) {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return (Vec::new(), 1) };
    let (mut parcels, mut dropped) = (Vec::new(), 0);
    while !rest.is_empty() {
        let Some((body, tag, after)) = record(rest) else { return (parcels, dropped + 1) };
        rest = after;
        let verified = hmac::verify(&key.0, body, tag).is_ok();
        match verified.then(|| parcel(body, now_s)).flatten() {
            Some(parcel) if parcels.len() < limits::PARCELS => parcels.push(parcel),
            _ => dropped += 1,
        }
    }
    (parcels, dropped)
}

/// The body, tag and remainder of a text that begins with a record.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (tag, rest) = rest.split_at_checked(TAG)?;
    let (body, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((body, tag, rest))
}

/// The batch in a body, if it is one that an agent of today would send.
fn parcel(body: &[u8], now_s: u64) -> Option<Parcel> {
    let cap = picket_cloud_protocol::limits::BATCH_INFLATED_BYTES as u64;
    let mut text = Vec::new();
    GzDecoder::new(body).take(cap + 1).read_to_end(&mut text).ok()?;
    if text.len() as u64 > cap {
        return None;
    }
    let batch: Batch = serde_json::from_slice(&text).ok()?;
    batch.check().ok()?;
    let fresh = now_s.abs_diff(batch.made) <= limits::SPOOL_AGE_SECONDS;
    let content = batch.counts.iter().map(|count| count.n).sum::<u64>() + batch.events.len() as u64;
    fresh.then(|| Parcel {
        id: batch.batch_id,
        made: batch.made,
        body: Bytes::copy_from_slice(body),
        content,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use picket_cloud_protocol::{Agent, EventAction};

    use super::*;
    use crate::Outbox;

    /// A folder of the test's own, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("picket-spool-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn outbox(batches: u64) -> Outbox {
        let mut outbox = Outbox::new(Agent::default());
        let client = "192.0.2.1".parse().unwrap();
        for now in 1..=batches {
            outbox.inspected(now, EventAction::Allow, 1, &client, None);
            outbox.count(now, &client, "SQLI", true);
            outbox.close(now, None);
        }
        outbox
    }

    fn key() -> SpoolKey {
        SpoolKey(hmac::Key::new(hmac::HMAC_SHA256, b"a key"))
    }

    #[test]
    fn what_one_life_leaves_the_next_one_takes_once() {
        let folder = Folder::new("takes");
        let (spool, outbox) = (Spool::new(&folder.0), outbox(3));
        assert_eq!(spool.write(&key(), outbox.parcels()).unwrap(), 0);
        let mode = std::fs::metadata(folder.0.join("picket.spool")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (parcels, dropped) = spool.take(&key(), 10);
        assert_eq!((parcels, dropped), (outbox.parcels().cloned().collect(), 0));
        assert_eq!(spool.take(&key(), 10), (Vec::new(), 0));
    }

    #[test]
    fn what_was_changed_is_dropped() {
        let folder = Folder::new("changed");
        let (spool, outbox) = (Spool::new(&folder.0), outbox(2));
        let file = folder.0.join("picket.spool");
        spool.write(&key(), outbox.parcels()).unwrap();
        let whole = std::fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            spool.write(&key(), outbox.parcels()).unwrap();
            std::fs::write(&file, &changed).unwrap();
            let (parcels, dropped) = spool.take(&key(), 10);
            assert!(parcels.len() < 2 && dropped > 0, "byte {at}");
        }
        for cut in [0, 10, 20, whole.len() - 1] {
            spool.write(&key(), outbox.parcels()).unwrap();
            std::fs::write(&file, &whole[..cut]).unwrap();
            assert!(spool.take(&key(), 10).0.len() < 2, "cut at {cut}");
        }
        spool.write(&key(), outbox.parcels()).unwrap();
        assert_eq!(spool.take(&SpoolKey::without_key(), 10), (Vec::new(), 2));
        spool.write(&key(), outbox.parcels()).unwrap();
        assert_eq!(spool.take(&key(), 10 + limits::SPOOL_AGE_SECONDS), (Vec::new(), 2));
    }

    #[test]
    fn links_open_modes_pipes_and_floods_are_not_believed() {
        let folder = Folder::new("links");
        let (spool, outbox) = (Spool::new(&folder.0), outbox(1));
        let (file, other) = (folder.0.join("picket.spool"), folder.0.join("other"));
        spool.write(&key(), outbox.parcels()).unwrap();
        std::fs::rename(&file, &other).unwrap();
        std::os::unix::fs::symlink(&other, &file).unwrap();
        assert_eq!(spool.take(&key(), 1), (Vec::new(), 1), "a link");
        std::os::unix::fs::symlink(&other, &file).unwrap();
        let before = std::fs::read(&other).unwrap();
        spool.write(&key(), outbox.parcels()).unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), before, "writing follows no link");
        assert_eq!(spool.take(&key(), 1).0.len(), 1);
        std::fs::hard_link(&other, &file).unwrap();
        assert_eq!(spool.take(&key(), 1), (Vec::new(), 1), "a second name");
        std::fs::copy(&other, &file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(spool.take(&key(), 1), (Vec::new(), 1), "an open mode");
        std::fs::write(&file, vec![0; limits::SPOOL_BYTES + 1]).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(spool.take(&key(), 1), (Vec::new(), 1), "too large");
        rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        assert_eq!(spool.take(&key(), 1), (Vec::new(), 1), "a pipe");
        std::fs::create_dir(&file).unwrap();
        assert_eq!(spool.take(&key(), 1), (Vec::new(), 1), "a folder");
    }
}

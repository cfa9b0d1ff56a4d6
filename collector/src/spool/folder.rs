//! The spool's folder belongs to one process at a time, keeps an id of its own, and what is made in it
//! is still there after a power cut.
//!
//! In it lie `lock` (with the holder's process id), `id`, `progress.json`, the segments as
//! `00000000000000000001.log` in the order in which they were begun, as `….damaged` those segments
//! of which something could not be read, and as `….refused` the messages of a segment that Kafka will never
//! take, a line of JSON each.

use anyhow::{Context as _, bail};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A folder that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// What the spool is called in reports, whichever process has it.
    pub id: Uuid,
    /// Whether it has that name only now, so that nobody was told of it before.
    pub is_new: bool,
    _lock: File,
}

impl Folder {
    /// Makes the folder when it is not there and takes it.
    ///
    /// An error says what is in the way and names the setting.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Self::take(path).with_context(|| format!("the spool in {} (SPOOL_DIR)", path.display()))
    }

    fn take(path: &Path) -> anyhow::Result<Self> {
        make(path).context("cannot make the folder")?;
        let lock = lock(&path.join("lock"))?;
        let mut folder = Self {
            path: path.to_path_buf(),
            id: Uuid::nil(),
            is_new: false,
            _lock: lock,
        };
        folder.id = if let Some(text) = folder.read("id").context("cannot read the file id")? {
            Uuid::parse_str(String::from_utf8_lossy(&text).trim())
                .context("the file id holds no UUID; move the folder away to begin a new spool")?
        } else {
            let id = Uuid::now_v7();
            folder
                .write("id", format!("{id}\n").as_bytes())
                .context("cannot write to it")?;
            folder.is_new = true;
            id
        };
        Ok(folder)
    }

    /// A segment's file.
    pub fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:020}.log"))
    }

    /// The numbers of the segments that are there, in order, and the highest number ever used.
    pub fn segments(&self) -> io::Result<(Vec<u64>, u64)> {
        let (mut numbers, mut highest) = (Vec::new(), 0);
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let Some((stem, ending)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            let Ok(number) = stem.parse::<u64>() else {
                continue;
            };
            highest = highest.max(number);
            if ending == "log" {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok((numbers, highest))
    }

    /// Removes a segment. Should it come back after a power cut, its events are delivered again, which
    /// the consumer notices.
    pub fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.segment(number))
    }

    /// Keeps a damaged segment aside for people to look at; nothing reads it again.
    pub fn set_aside(&self, number: u64) -> io::Result<()> {
        let segment = self.segment(number);
        fs::rename(&segment, segment.with_extension("damaged"))
    }

    /// Keeps a message aside for people to look at, and returns in which file. After a kill it may stand there twice.
    pub fn set_message_aside(&self, number: u64, json: &str) -> io::Result<PathBuf> {
        let path = self.segment(number).with_extension("refused");
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(format!("{json}\n").as_bytes())?;
        file.sync_all()?;
        sync(&self.path)?;
        Ok(path)
    }

    /// A small file's content, when it is there.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a small file in place of its former version: at each moment, one of both is there whole.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.path.join(name))?;
        sync(&self.path)
    }
}

/// Makes files that were made or renamed in a folder survive a power cut.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder and all above it, so that they survive a power cut.
fn make(path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|path| !path.exists()).count();
    fs::create_dir_all(path)?;
    for above in path.canonicalize()?.ancestors().skip(1).take(missing) {
        sync(above)?;
    }
    Ok(())
}

/// Takes the lock, which ends with the process, however that ends.
fn lock(path: &Path) -> anyhow::Result<File> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .context("cannot write to it")?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(path).unwrap_or_default();
            bail!(
                "is used by process {}; each process needs a spool of its own",
                holder.trim()
            );
        }
        Err(TryLockError::Error(error)) => return Err(error).context("cannot lock it"),
    }
    // Only so that the next one can say who has it; on a full disk it says nobody.
    let _ = file
        .set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_and_keeps_its_id() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/er");
        let first = Folder::open(&path).unwrap();
        let refused = format!("{:#}", Folder::open(&path).unwrap_err());
        for part in [
            "SPOOL_DIR",
            path.to_str().unwrap(),
            &format!("used by process {}", std::process::id()),
        ] {
            assert!(refused.contains(part), "{part} in {refused}");
        }
        let id = first.id;
        assert!(first.is_new);
        drop(first);
        let second = Folder::open(&path).unwrap();
        assert_eq!((second.id, second.is_new), (id, false));
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_so() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = format!("{:#}", Folder::open(&file.join("spool")).unwrap_err());
        assert!(refused.contains("SPOOL_DIR"), "{refused}");
    }

    #[test]
    fn segments_are_found_in_order_and_no_number_is_used_again() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert_eq!(folder.segments().unwrap(), (vec![], 0));
        for number in [10, 9, 12] {
            fs::write(folder.segment(number), "").unwrap();
        }
        fs::write(place.path().join("notes.txt"), "").unwrap();
        folder.set_aside(12).unwrap();
        assert_eq!(folder.segments().unwrap(), (vec![9, 10], 12));
        let refused = folder.set_message_aside(10, "{}").unwrap();
        folder.set_message_aside(10, "{1}").unwrap();
        assert_eq!(fs::read_to_string(refused).unwrap(), "{}\n{1}\n");
        assert_eq!(folder.segments().unwrap(), (vec![9, 10], 12));
        folder.remove(9).unwrap();
        assert_eq!(folder.segments().unwrap(), (vec![10], 12));
    }
}

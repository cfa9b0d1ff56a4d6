//! What the writer asks of the disk, each with the durability that it needs. A test puts a failing disk
//! in its place.

use super::segment::MAGIC;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Where segments are made.
pub(crate) trait Disk: Send {
    /// Makes a segment that survives a power cut, with nothing in it yet.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Segment>>;
}

/// A segment that is being written.
pub(crate) trait Segment: Send {
    /// Appends all bytes.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was appended survives a power cut.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts off what lies behind `len` bytes.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

/// The file system.
pub(crate) struct FileSystem;

impl Disk for FileSystem {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Segment>> {
        let mut file = File::create_new(path)?;
        let begun = file
            .write_all(&MAGIC)
            .and_then(|()| file.sync_all())
            .and_then(|()| super::folder::sync(path.parent().unwrap_or(path)));
        match begun {
            Ok(()) => Ok(Box::new(file)),
            Err(error) => {
                // What is left of it, should this fail as well, holds nothing.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }
}

impl Segment for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_all()
    }
}

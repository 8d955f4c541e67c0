//! Simulated disks: what was synced stays at a power cut, and a random part of the rest.
#![allow(dead_code, reason = "each user takes what it needs")]

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

const SECTOR: usize = 512;

/// Random numbers that are the same at every run (xorshift).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// The power that several disks share: it fails after so many operations.
#[derive(Debug, Clone)]
pub(crate) struct Power(Arc<Mutex<u64>>);

impl Power {
    /// Lasts for `operations`.
    pub(crate) fn new(operations: u64) -> Self {
        Self(Arc::new(Mutex::new(operations)))
    }

    fn use_up(&self) -> io::Result<()> {
        let mut left = self.0.lock().unwrap();
        if *left == 0 {
            return Err(io::Error::other("no power"));
        }
        *left -= 1;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Content {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Not yet synced: a write, or a new length.
    log: Vec<(u64, Option<Vec<u8>>)>,
    limit: Option<u64>,
}

/// A disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    content: Arc<Mutex<Content>>,
    power: Power,
}

fn apply(image: &mut Vec<u8>, offset: u64, data: Option<&[u8]>) {
    let offset = usize::try_from(offset).unwrap();
    match data {
        None => image.resize(offset, 0),
        Some(data) => {
            if let Some(room) = image.get_mut(offset..offset + data.len()) {
                room.copy_from_slice(data);
            }
        }
    }
}

impl Disk {
    /// A disk that holds `image`.
    pub(crate) fn new(image: Vec<u8>, power: &Power) -> Self {
        let content = Content {
            now: image.clone(),
            synced: image,
            ..Content::default()
        };
        Self {
            content: Arc::new(Mutex::new(content)),
            power: power.clone(),
        }
    }

    /// No more bytes than these fit; `None` takes the limit away.
    pub(crate) fn limit(&self, bytes: Option<u64>) {
        self.content.lock().unwrap().limit = bytes;
    }

    /// What is on the disk after a power cut.
    pub(crate) fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut content = self.content.lock().unwrap();
        let mut image = std::mem::take(&mut content.synced);
        for (offset, data) in std::mem::take(&mut content.log) {
            match data {
                None if random.below(2) == 0 => apply(&mut image, offset, None),
                None => {}
                Some(data) => {
                    let end = usize::try_from(offset).unwrap() + data.len();
                    if image.len() < end {
                        image.resize(end, 0);
                    }
                    let kind = random.below(3);
                    for (number, sector) in data.chunks(SECTOR).enumerate() {
                        if kind == 0 || (kind == 1 && random.below(2) == 0) {
                            apply(&mut image, offset + (number * SECTOR) as u64, Some(sector));
                        }
                    }
                }
            }
        }
        image
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.content.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        let bytes = content.now.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.power.use_up()?;
        let mut content = self.content.lock().unwrap();
        if content.limit.is_some_and(|limit| len > limit) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        apply(&mut content.now, len, None);
        content.log.push((len, None));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.power.use_up()?;
        let content = &mut *self.content.lock().unwrap();
        for (offset, data) in content.log.drain(..) {
            apply(&mut content.synced, offset, data.as_deref());
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let power = self.power.use_up();
        let mut content = self.content.lock().unwrap();
        if content.limit == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // The write during which the power fails may still reach the disk in part.
        if power.is_ok() {
            apply(&mut content.now, offset, Some(data));
        }
        content.log.push((offset, Some(data.to_vec())));
        power
    }
}

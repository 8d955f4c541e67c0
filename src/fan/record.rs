use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::output::{Spot, Taken};
use crate::host::Root;

/// The file in the data folder that says which outputs are taken and how they were before, for
/// whoever comes after a `kill -9`: the next run, or `homewatch fans release`.
#[derive(Debug)]
pub struct Record {
    file: PathBuf,
    root: Root,
    boot: String,
    taken: Vec<Taken>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    boot: String,
    taken: Vec<Taken>,
}

/// What the file says; `None` without one.
fn read(file: &Path) -> io::Result<Option<Kept>> {
    match fs::read(file) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Record {
    /// What was taken since the machine was started; before that it is no matter any more. Blocks.
    pub fn open(data_dir: &Path, root: &Root) -> Self {
        let file = data_dir.join("fans.json");
        let boot = root.boot();
        let kept = read(&file).unwrap_or_else(|error| {
            // Whoever drove a fan by hand before cannot be known any more.
            tracing::warn!("{} cannot be read: {error}", file.display());
            None
        });
        let taken = kept.filter(|kept| kept.boot == boot).map(|kept| kept.taken);
        Self {
            file,
            root: root.clone(),
            boot,
            taken: taken.unwrap_or_default(),
        }
    }

    /// Notes that it is taken, before it is touched; answers how it was when it was taken first,
    /// which is not always how it is now: a chip that comes back is still driven by hand.
    pub(super) fn add(&mut self, taken: Taken) -> Taken {
        let known = self.taken.iter().find(|one| one.spot == taken.spot);
        if let Some(first) = known {
            return first.clone();
        }
        self.taken.push(taken.clone());
        self.write();
        taken
    }

    /// Notes that it was given back.
    pub(super) fn remove(&mut self, spot: &Spot) {
        let before = self.taken.len();
        self.taken.retain(|one| one.spot != *spot);
        if self.taken.len() != before {
            self.write();
        }
    }

    fn write(&self) {
        let kept = Kept {
            boot: self.boot.clone(),
            taken: self.taken.clone(),
        };
        let new = self.file.with_extension("new");
        let written = serde_json::to_vec(&kept)
            .map_err(io::Error::other)
            .and_then(|text| fs::write(&new, text))
            .and_then(|()| fs::rename(&new, &self.file));
        if let Err(error) = written {
            tracing::warn!("{} cannot be written: {error}", self.file.display());
        }
    }

    /// Gives back everything that is taken; tells which, as `chip@place/number`, and what went
    /// wrong.
    pub fn release(&mut self) -> Vec<(String, io::Result<()>)> {
        let mut told = Vec::new();
        for taken in self.taken.clone() {
            let result = taken.release(&self.root);
            if result.is_ok() {
                self.remove(&taken.spot);
            }
            told.push((taken.spot.to_string(), result));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Clock, Host};

    #[test]
    fn a_record_that_cannot_be_read_ends_nothing_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let root = Host::captured(dir.path(), Clock::Real).root;
        let file = dir.path().join("fans.json");
        for damage in ["{", "[]", ""] {
            fs::write(&file, damage).unwrap();
            assert!(read(&file).is_err(), "{damage}");
            let mut record = Record::open(dir.path(), &root);
            assert!(record.release().is_empty());
            record.write();
            assert!(read(&file).unwrap().is_some());
        }
    }
}

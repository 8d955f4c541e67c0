use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::output::Taken;
use crate::host::Root;

/// The file in the data folder that says which outputs are taken and how they were before, for
/// whoever comes after a `kill -9`: the next run, or `homewatch fans release`.
#[derive(Debug)]
pub struct Record {
    file: PathBuf,
    boot: String,
    taken: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    boot: String,
    taken: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    file: PathBuf,
    mode: Option<u8>,
}

impl Record {
    /// What was taken since the machine was started; before that it is no matter any more, and the
    /// names of files may mean others. Blocks.
    pub fn open(data_dir: &Path, root: &Root) -> Self {
        let file = data_dir.join("fans.json");
        let boot = Root::read_trimmed(&root.proc("sys/kernel/random/boot_id")).unwrap_or_default();
        let kept = fs::read(&file).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        let taken = kept.filter(|kept| kept.boot == boot).map(|kept| kept.taken);
        Self {
            file,
            boot,
            taken: taken.unwrap_or_default(),
        }
    }

    /// Notes that it is taken, before it is touched.
    pub(super) fn add(&mut self, taken: &Taken) {
        if !self.taken.iter().any(|entry| entry.file == taken.file) {
            self.taken.push(Entry {
                file: taken.file.clone(),
                mode: taken.mode,
            });
            self.write();
        }
    }

    /// Notes that it was given back.
    pub(super) fn remove(&mut self, file: &Path) {
        let before = self.taken.len();
        self.taken.retain(|entry| entry.file != file);
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

    /// Gives back everything that is taken; tells which, and what went wrong.
    pub fn release(&mut self) -> Vec<(PathBuf, io::Result<()>)> {
        let all: Vec<Entry> = self.taken.clone();
        let mut told = Vec::new();
        for Entry { file, mode } in all {
            let taken = Taken { file, mode };
            let result = taken.release();
            if result.is_ok() {
                self.remove(&taken.file);
            }
            told.push((taken.file, result));
        }
        told
    }
}

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::regulator::{Deed, Seen};
use crate::collect::Chip;
use crate::config::OutputAddress;
use crate::host::Root;
use crate::model::slug;

/// `pwmN_enable`: driven by hand. 0 is full speed, above 1 are the chip's own automatics (kernel
/// documentation of hwmon's sysfs interface).
const MANUAL: u8 = 1;

/// An output of a chip that drives a fan, and the input that counts it.
#[derive(Debug)]
pub(super) struct Output {
    root: Root,
    address: OutputAddress,
    tacho: u32,
    /// How it was before it was taken.
    taken: Option<Taken>,
    echo: Option<Echo>,
}

/// What was written, and what was read back after it: some chips know few steps only.
#[derive(Debug)]
struct Echo {
    /// Where; under another number the chip's driver has begun anew.
    file: PathBuf,
    set: u8,
    read: u8,
}

/// Which output of the machine it is, whatever number its chip has today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spot {
    /// The driver's name for the chip.
    chip: String,
    /// The path of the chip's device.
    device: PathBuf,
    /// The number of the output.
    channel: u32,
}

impl Spot {
    /// The file of its drive now.
    fn file(&self, root: &Root) -> io::Result<PathBuf> {
        let chips = Chip::all(root).unwrap_or_default();
        let found = chips
            .iter()
            .find(|chip| chip.name == self.chip && chip.device == self.device);
        let found = found.ok_or_else(|| absent(&self.chip))?;
        Ok(drive_file(
            &fs::canonicalize(root.sys(&found.dir()))?,
            self.channel,
        ))
    }
}

impl std::fmt::Display for Spot {
    /// As the configuration calls it, with the chip's place.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.device.file_name().unwrap_or_default();
        let place = slug(&place.to_string_lossy());
        write!(f, "{}@{place}/{}", self.chip, self.channel)
    }
}

/// How an output was before homewatch took it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// Which it is.
    pub(super) spot: Spot,
    /// Its mode then; `None` if the driver has none.
    pub(super) mode: Option<u8>,
}

impl Taken {
    /// Gives it back: to the chip's automatic if it had one, else fully driven. Best effort on
    /// both files; the error is the last one.
    pub(super) fn release(&self, root: &Root) -> io::Result<()> {
        let file = self.spot.file(root)?;
        match self.mode {
            Some(mode) if mode != MANUAL => fs::write(mode_file(&file), mode.to_string())?,
            // It has no automatic: loud is better than hot.
            Some(_) | None => fs::write(&file, "255")?,
        }
        Ok(())
    }
}

impl Output {
    /// Nothing is touched yet.
    pub(super) const fn new(root: Root, address: OutputAddress, tacho: u32) -> Self {
        Self {
            root,
            address,
            tacho,
            taken: None,
            echo: None,
        }
    }

    /// How it was before it was taken, if it is.
    pub(super) const fn taken(&self) -> Option<&Taken> {
        self.taken.as_ref()
    }

    /// Its chip now; the numbers of chips may change while this runs.
    fn chip(&self) -> io::Result<Chip> {
        let chips = Chip::all(&self.root).unwrap_or_default();
        let place = self.address.place.as_deref();
        let mut fitting = chips
            .into_iter()
            .filter(|chip| chip.name == self.address.chip)
            .filter(|chip| place.is_none_or(|place| chip.place() == place));
        let found = fitting.next().ok_or_else(|| absent(&self.address.chip))?;
        if fitting.next().is_some() {
            let text = format!(
                "there are several chips {0}: say which, such as \"{0}@{1}/{2}\"",
                found.name,
                found.place(),
                self.address.channel
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(found)
    }

    /// The folder of its chip now.
    fn dir(&self, chip: &Chip) -> io::Result<PathBuf> {
        fs::canonicalize(self.root.sys(&chip.dir()))
    }

    fn file(&self) -> io::Result<PathBuf> {
        let dir = self.dir(&self.chip()?)?;
        Ok(drive_file(&dir, self.address.channel))
    }

    /// What there is to see of it.
    pub(super) fn see(&self, hottest_c: Option<f64>) -> io::Result<Seen> {
        let dir = self.dir(&self.chip()?)?;
        let rpm = number(&dir.join(format!("fan{}_input", self.tacho))).ok();
        let file = drive_file(&dir, self.address.channel);
        let drive = byte(&file)?;
        let manual =
            byte(&mode_file(&file)).is_ok_and(|mode| mode == MANUAL) || !mode_file(&file).exists();
        let drive_pct = match &self.echo {
            Some(echo) if echo.read == drive => percent(echo.set),
            Some(_) | None => percent(drive),
        };
        Ok(Seen {
            hottest_c,
            rpm: rpm.filter(|rpm| (0.0..=30_000.0).contains(rpm)),
            drive_pct: manual.then_some(drive_pct),
        })
    }

    /// Does it. `keep` is told how the output is, before it is touched for the first time, and
    /// answers how it was when it was taken first.
    pub(super) fn carry_out(
        &mut self,
        deed: Deed,
        keep: impl FnOnce(Taken) -> Taken,
    ) -> io::Result<()> {
        let Deed::Drive(pct) = deed else {
            return self.release();
        };
        let chip = self.chip()?;
        let file = drive_file(&self.dir(&chip)?, self.address.channel);
        let mode = mode_file(&file);
        let spot = Spot {
            chip: chip.name,
            device: chip.device,
            channel: self.address.channel,
        };
        if self.taken.as_ref().is_none_or(|taken| taken.spot != spot) {
            // Not every chip has a mode: such a fan is given back at full speed.
            let mode = byte(&mode).ok();
            self.taken = Some(keep(Taken { spot, mode }));
            self.echo = None;
        }
        if mode.exists() && byte(&mode)? != MANUAL {
            fs::write(&mode, MANUAL.to_string())?;
            self.echo = None;
        }
        let set = raw(pct);
        let done = |echo: &Echo| echo.set == set && echo.file == file;
        if !self.echo.as_ref().is_some_and(done) {
            fs::write(&file, set.to_string())?;
            let read = byte(&file)?;
            self.echo = Some(Echo { file, set, read });
        }
        Ok(())
    }

    /// Gives it back, if it was taken.
    pub(super) fn release(&mut self) -> io::Result<()> {
        self.echo = None;
        let Some(taken) = &self.taken else {
            return Ok(());
        };
        let result = taken.release(&self.root);
        if result.is_ok() {
            self.taken = None;
        }
        result
    }
}

impl Drop for Output {
    /// Also when the task crashes: a fan is never left as it happened to be.
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            tracing::error!(output = %self.address, "the fan cannot be given back: {error}");
        }
    }
}

/// The outputs there are, as the configuration calls them, for whoever looks round.
pub fn outputs(root: &Root) -> Vec<OutputAddress> {
    let chips = Chip::all(root).unwrap_or_default();
    let mut found = Vec::new();
    for chip in &chips {
        let alone = chips.iter().filter(|one| one.name == chip.name).count() == 1;
        let dir = root.sys(&chip.dir());
        let channels = (1..=64).filter(|channel| dir.join(format!("pwm{channel}")).exists());
        found.extend(channels.map(|channel| OutputAddress {
            chip: chip.name.clone(),
            place: (!alone).then(|| chip.place()),
            channel,
        }));
    }
    found
}

/// Whether whoever asks may set the output; an error says why there is none.
pub fn writable(root: &Root, address: &OutputAddress) -> io::Result<bool> {
    let file = Output::new(root.clone(), address.clone(), address.channel).file()?;
    byte(&file)?;
    match fs::OpenOptions::new().write(true).open(&file) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(false),
        Err(error) => Err(told(&file, &error)),
    }
}

fn absent(chip: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no chip {chip}"))
}

fn drive_file(dir: &Path, channel: u32) -> PathBuf {
    dir.join(format!("pwm{channel}"))
}

fn mode_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("_enable");
    name.into()
}

fn number(file: &Path) -> io::Result<f64> {
    let text = Root::read(file)?;
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no number"))
}

fn byte(file: &Path) -> io::Result<u8> {
    let text = Root::read(file).map_err(|error| told(file, &error))?;
    text.trim().parse().map_err(|_| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "no number from 0 to 255");
        told(file, &error)
    })
}

fn told(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", file.display()))
}

/// Percent as the kernel's 0 to 255.
fn raw(pct: f64) -> u8 {
    let steps = (pct.clamp(0.0, 100.0) * 2.55).round();
    (0..=u8::MAX)
        .find(|step| f64::from(*step) >= steps)
        .unwrap_or(u8::MAX)
}

fn percent(raw: u8) -> f64 {
    f64::from(raw) / 2.55
}

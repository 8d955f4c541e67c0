//! Collectors: each samples one thing of the host and nothing else. The frame owns when, how
//! long, and what happens when one fails.
//!
//! They read `proc`, `sys` and `root` of the host value themselves instead of by the `sysinfo`
//! crate, which always reads this machine's own trees and keeps far more than is asked for.

mod build;
mod card;
mod disk;
mod errand;
mod frame;
mod health;
mod lane;
mod own;
mod power;
mod rate;
mod read;
mod services;
mod slot;
mod system;
#[cfg(test)]
mod testing;

pub use build::{Sampled, build_all, build_from, build_named, sample_once};
pub use disk::{Disk, tells};
pub use frame::run;
pub use health::agree::compare;
pub use health::ambient::Ambient;
pub(crate) use health::chip::Chip;
pub use health::kernel::tell as tell_kernel;
pub use health::{smart, ups};
pub use power::graphics::nvidia_clients;
pub use power::services::services;
pub use services::jobs;
pub use slot::Slot;

use std::time::Duration;

use crate::host::Host;
use crate::model::Reading;

/// Why a collector has no readings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectError {
    /// This machine has no such thing now: no error. It may come at any time, and finding out costs no more
    /// than a look at the kernel's trees, for a program that is not installed, or for a port where nobody
    /// listens: the collector is asked again within a minute.
    #[error("not here: {0}")]
    Absent(String),
    /// What it takes (a service, a right) is not here: no error, but it is asked again rarely, since that
    /// runs a program or speaks to somebody.
    #[error("not here: {0}")]
    Lacking(String),
    /// It may work the next time.
    #[error("{0}")]
    Transient(String),
    /// It will not work without somebody's help; the text names the remedy.
    #[error("{0}")]
    Broken(String),
}

/// Samples one thing of the host, on a thread where it may block.
pub trait Collect: Send {
    /// Reads everything once. Subjects that are not listed are unavailable.
    fn sample(&mut self) -> Result<Vec<Reading>, CollectError>;
}

/// How a collector is known to the frame.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name: file, configuration table `[collect.<name>]`, log line.
    pub name: &'static str,
    /// At least this long between two samples; zero means at every tick.
    pub period: Duration,
    /// Builds it; its own configuration faults go to the section, which it finishes.
    pub build: fn(&Host, crate::config::Section<'_>) -> Box<dyn Collect>,
}

/// Every collector; adding one is its file and its line here.
pub const ENTRIES: &[Entry] = &[
    system::cpu::ENTRY,
    system::memory::ENTRY,
    system::pressure::ENTRY,
    system::processes::ENTRY,
    system::uptime::ENTRY,
    system::filesystem::ENTRY,
    system::disk_io::ENTRY,
    system::network::ENTRY,
    health::hwmon::ENTRY,
    health::thermal::ENTRY,
    health::cooling::ENTRY,
    health::processor::ENTRY,
    health::edac::ENTRY,
    health::raspberry::ENTRY,
    health::clock::ENTRY,
    health::kernel::ENTRY,
    health::supply::ENTRY,
    health::gpu::drm::ENTRY,
    health::smart::ENTRY,
    health::mmc::ENTRY,
    health::ufs::ENTRY,
    health::raid::ENTRY,
    health::zfs::ENTRY,
    health::btrfs::ENTRY,
    health::lvm::ENTRY,
    health::bcache::ENTRY,
    health::ups::ENTRY,
    services::units::ENTRY,
    services::containers::ENTRY,
    services::checks::ENTRY,
    services::jobs::ENTRY,
    services::updates::ENTRY,
    power::rapl::ENTRY,
    power::sensors::ENTRY,
    power::nvidia::ENTRY,
    power::battery::ENTRY,
];

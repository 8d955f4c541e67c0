//! The sensors of the hardware. One subject a sensor: `temp-<chip>[-<label>]`,
//! `fan-<chip>[-<label>]`, `voltage-<chip>-…` and so on. A chip is known by its driver and the path
//! of its device, never by the number that it got at boot; the temperatures of disks by the disk
//! (`temp-<disk>-…`). The health of disks themselves, eMMC and SD cards too, is `disk-<disk>`, that
//! of software RAID `raid-<array>`, of ZFS, Btrfs, LVM and bcache `pool-<kind>-<name>`, that of a
//! UPS `ups-<name>`, of batteries `battery-<name>`, that of memory with ECC `edac-<controller>`.

pub(super) mod agree;
pub(super) mod ambient;
pub(super) mod bcache;
mod belief;
mod beside;
pub(super) mod btrfs;
pub(crate) mod chip;
pub(super) mod clock;
pub(super) mod cooling;
pub(super) mod edac;
mod endurance;
mod flash;
pub(super) mod gpu;
pub(super) mod hwmon;
pub(super) mod kernel;
pub(super) mod lvm;
pub(super) mod mmc;
mod naming;
mod pool;
pub(super) mod processor;
mod program;
mod quantity;
pub(super) mod raid;
pub(super) mod raspberry;
mod sensor;
pub mod smart;
pub(super) mod supply;
pub(super) mod thermal;
pub(super) mod ufs;
pub mod ups;
mod within;
pub(super) mod zfs;
mod zone;

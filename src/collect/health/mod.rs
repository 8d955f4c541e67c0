//! The sensors of the hardware. One subject a sensor: `temp-<chip>[-<label>]`,
//! `fan-<chip>[-<label>]`, `voltage-<chip>-…` and so on. A chip is known by its driver and the path of its device, never by
//! the number that it got at boot; the temperatures of disks by the disk (`temp-<disk>-…`). The health
//! of disks themselves, eMMC and SD cards too, is `disk-<disk>`, that of software RAID `raid-<array>`,
//! that of a UPS `ups-<name>`.

mod belief;
pub(crate) mod chip;
pub(super) mod hwmon;
pub(super) mod mmc;
mod naming;
mod quantity;
pub(super) mod raid;
mod sensor;
pub mod smart;
pub(super) mod thermal;
pub(super) mod ups;

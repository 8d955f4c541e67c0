//! What every Linux machine has.

pub(super) mod cpu;
pub(super) mod disk_io;
pub(super) mod filesystem;
pub(super) mod memory;
mod mounts;
pub(super) mod network;
pub(super) mod pressure;
pub(super) mod processes;
pub(super) mod uptime;

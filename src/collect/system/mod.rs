//! What every Linux machine has.

pub(super) mod cpu;
pub(super) mod memory;

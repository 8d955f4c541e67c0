//! The sensors of the hardware.

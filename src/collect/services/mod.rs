//! What runs on the machine and what should: units of systemd (`unit-<name>`), containers
//! (`container-<name>`), processes that must be there (`check-<name>`), jobs and backups that must
//! have been done lately (`job-<name>`), and updates that wait (`updates`).

mod busy;
pub(super) mod checks;
pub(super) mod containers;
mod engine;
mod failing;
mod flap;
pub mod jobs;
pub(super) mod units;
pub(super) mod updates;

#[cfg(test)]
mod tests;

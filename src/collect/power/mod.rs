//! What the machine itself knows of its power. Each subject says by `covers` what its figures are
//! of; they overlap (a platform holds its packages, a package its cores), so they are never added
//! up as they stand.

pub(super) mod battery;
mod cgroup;
mod disk_bytes;
pub(super) mod graphics;
mod homes;
mod names;
pub(super) mod nvidia;
pub(super) mod rapl;
mod sensor;
pub(super) mod sensors;
pub(super) mod services;
mod speeds;

use std::io;

use crate::host::KeptFile;

/// The whole number in a file of one line, µW, µJ, µV or µA.
fn number(file: &mut KeptFile, buffer: &mut Vec<u8>) -> io::Result<i64> {
    let text = file.read(buffer)?.trim();
    text.parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "is no whole number"))
}

/// A millionth of a whole number, as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "µW and µJ of a machine are far below 2^53"
)]
const fn micro(number: i64) -> f64 {
    number as f64 / 1e6
}

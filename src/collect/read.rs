use std::io;
use std::path::Path;

use crate::host::KeptFile;

use super::CollectError;

/// What a failed read of a file that the collector cannot do without means.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> CollectError {
    let text = format!("{}: {error}", path.display());
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        CollectError::Absent(format!("no {}", path.display()))
    } else if kind == io::ErrorKind::PermissionDenied {
        CollectError::Broken(format!(
            "{text}; let the user that runs homewatch read this file"
        ))
    } else {
        CollectError::Transient(text)
    }
}

/// What a file whose text makes no sense means.
pub(super) fn nonsense(path: &Path, what: &str) -> CollectError {
    CollectError::Transient(format!("{}: {what}", path.display()))
}

/// Reads a kept file that the collector cannot do without.
pub(super) fn need<'b>(
    file: &mut KeptFile,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b str, CollectError> {
    match file.read(buffer) {
        Ok(text) => Ok(text),
        Err(error) => Err(cannot_read(file.path(), &error)),
    }
}

/// A whole number of the kernel as a figure; exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counters above 2^53 lose less than one part in 10^15"
)]
pub(super) const fn figure(number: u64) -> f64 {
    number as f64
}

/// A number, unless it is all ones (of 32, 48 or 64 bits): that is what drivers, firmware and bridges
/// say of what they do not know.
pub(super) const fn known(number: u64) -> Option<u64> {
    match number {
        0xffff_ffff | 0xffff_ffff_ffff | u64::MAX => None,
        number => Some(number),
    }
}

/// `part` of `whole` in percent; nothing of nothing is not known.
pub(super) fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| figure(part) / figure(whole) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ones_is_no_number() {
        let all_ones = [u64::from(u32::MAX), (1 << 48) - 1, u64::MAX];
        assert_eq!(all_ones.map(known), [None; 3]);
        assert_eq!(known(u64::MAX - 1), Some(u64::MAX - 1));
        assert_eq!(known(0), Some(0));
    }

    #[test]
    fn a_missing_file_is_absence_a_forbidden_one_needs_help_and_the_rest_may_pass() {
        let check = |kind: io::ErrorKind| cannot_read(Path::new("/p"), &io::Error::from(kind));
        assert!(matches!(
            check(io::ErrorKind::NotFound),
            CollectError::Absent(_)
        ));
        let denied = check(io::ErrorKind::PermissionDenied);
        assert!(matches!(&denied, CollectError::Broken(text) if text.contains("homewatch read")));
        assert!(matches!(
            check(io::ErrorKind::WouldBlock),
            CollectError::Transient(_)
        ));
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(1, 4), Some(25.0));
    }
}

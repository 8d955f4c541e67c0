use std::path::Path;

use jiff::tz::TimeZone;

use crate::host::Root;

/// The time zone of the watched machine, in which its programs write dates and its nights lie.
pub(super) fn zone(root: &Root) -> TimeZone {
    let named = Root::read_trimmed(&root.path(Path::new("/etc/timezone")));
    let named = named.and_then(|name| TimeZone::get(&name).ok());
    let own = root.is_own().then(TimeZone::system);
    named.or(own).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Clock, Host};

    #[test]
    fn the_zone_is_that_of_the_watched_machine() {
        let dir = tempfile::tempdir().unwrap();
        let root = Host::captured(dir.path(), Clock::Real).root;
        assert_eq!(zone(&root), TimeZone::UTC);
        std::fs::create_dir_all(dir.path().join("root/etc")).unwrap();
        std::fs::write(dir.path().join("root/etc/timezone"), "Europe/Berlin\n").unwrap();
        assert_eq!(zone(&root), TimeZone::get("Europe/Berlin").unwrap());
        // This machine's own, whatever it is.
        let own = zone(&Root::default());
        assert!(own.iana_name().is_none_or(|name| !name.is_empty()));
    }
}

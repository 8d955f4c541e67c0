//! What `zpool status` says. Pure.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// One pool.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Status {
    pub(super) name: String,
    /// `ONLINE`, …
    pub(super) state: String,
    /// What ZFS says is wrong, in its words.
    pub(super) says: String,
    pub(super) scan: Scan,
    /// Files or blocks that are lost; not known where it may not be told.
    pub(super) lost: Option<u64>,
    pub(super) rows: Vec<Row>,
}

/// What reads all of a pool, or did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Scan {
    pub(super) work: Option<Work>,
    /// %.
    pub(super) progress: Option<f64>,
    pub(super) remaining: Option<Duration>,
    /// When the last scrub has ended.
    pub(super) scrubbed: Option<Timestamp>,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Scrub,
    Resilver,
}

/// One line of the table of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: String,
    /// Of reading, of writing, of checksums.
    pub(super) errors: [u64; 3],
    depth: usize,
    /// It is a disk, not a group of them.
    pub(super) is_leaf: bool,
}

/// Every pool of the text; the dates in it are of `zone`.
pub(super) fn parse(text: &str, zone: &TimeZone) -> Vec<Status> {
    const KEYS: [&str; 6] = ["pool", "state", "status", "scan", "config", "errors"];
    let mut pools: Vec<Status> = Vec::new();
    let mut key = "";
    let mut scan = String::new();
    for line in text.lines() {
        let found = line.split_once(':').and_then(|(word, rest)| {
            let known = KEYS.into_iter().find(|key| *key == word.trim())?;
            Some((known, rest.trim()))
        });
        if let Some(("pool", name)) = found {
            pools.push(Status {
                name: name.to_owned(),
                ..Status::default()
            });
        }
        let Some(pool) = pools.last_mut() else {
            continue;
        };
        let rest = match found {
            Some((known, rest)) => {
                key = known;
                rest
            }
            // Other keys, such as "action", end the one before.
            None if is_other_key(line) => {
                key = "";
                continue;
            }
            None => line,
        };
        match (key, found.is_some()) {
            ("state", true) => rest.clone_into(&mut pool.state),
            ("status", _) => join(&mut pool.says, rest),
            ("scan", first) => {
                if first {
                    scan.clear();
                }
                join(&mut scan, rest);
                pool.scan = read_scan(&scan, zone);
            }
            ("config", false) => pool.rows.extend(row(rest)),
            ("errors", true) => pool.lost = lost(rest),
            _ => {}
        }
    }
    for pool in &mut pools {
        mark_leaves(&mut pool.rows);
    }
    pools
}

fn is_other_key(line: &str) -> bool {
    ["action", "see", "remove", "checkpoint", "comment"]
        .iter()
        .any(|key| {
            line.trim_start()
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(": "))
        })
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more.trim());
}

/// `scrub in progress since Sun … 1.2T issued … 10.66% done, 04:20:07 to go`, or
/// `scrub repaired 0B in 02:00:00 with 0 errors on Sun Mar 10 00:25:17 2019`.
fn read_scan(text: &str, zone: &TimeZone) -> Scan {
    let work = match text {
        text if text.starts_with("scrub in progress") => Some(Work::Scrub),
        text if text.starts_with("resilver in progress") => Some(Work::Resilver),
        _ => None,
    };
    let mut scan = Scan {
        work,
        ..Scan::default()
    };
    if work.is_some() {
        let percent = text
            .split("% done")
            .next()
            .filter(|before| before.len() < text.len());
        let percent = percent.and_then(|before| before.rsplit(' ').next());
        scan.progress = percent.and_then(|number| number.parse().ok());
        let before = text.split_once(" to go").map(|(before, _)| before);
        scan.remaining = before.and_then(|before| time(before.rsplit(", ").next()?));
    } else if text.starts_with("scrub repaired") {
        scan.scrubbed = text
            .rsplit_once(" on ")
            .and_then(|(_, date)| moment(date, zone));
    }
    scan
}

/// `04:20:07`, `1 days 02:03:04`, `123h32m`, `5m`.
fn time(text: &str) -> Option<Duration> {
    let (days, text) = match text.split_once(" days ") {
        Some((days, rest)) => (days.trim().parse::<u64>().ok()?, rest),
        None => (0, text),
    };
    let seconds = if text.contains(':') {
        text.split(':').try_fold(0u64, |sum, part| {
            sum.checked_mul(60)?.checked_add(part.trim().parse().ok()?)
        })?
    } else {
        crate::model::duration(text.trim())?.as_secs()
    };
    let all = days.checked_mul(86_400)?.checked_add(seconds)?;
    Some(Duration::from_secs(all))
}

/// `Sun Mar 10 00:25:17 2019`
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_ascii_whitespace().skip(1).take(4).collect();
    let date = jiff::civil::DateTime::strptime("%b %d %H:%M:%S %Y", words.join(" ")).ok()?;
    date.to_zoned(zone.clone())
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// `No known data errors`, `2 data errors, use '-v' for a list`, or that there are some.
fn lost(text: &str) -> Option<u64> {
    if text.starts_with("No known") {
        return Some(0);
    }
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.or_else(|| text.starts_with("Permanent errors").then_some(1))
}

/// `mirror-0  DEGRADED  0  0  0  too many errors`
fn row(line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace();
    let (name, state) = (words.next()?, words.next()?);
    let errors: Option<Vec<u64>> = words.take(3).map(count).collect();
    let errors = <[u64; 3]>::try_from(errors?).ok()?;
    Some(Row {
        name: name.to_owned(),
        state: state.to_owned(),
        errors,
        depth: line.len() - line.trim_start().len(),
        is_leaf: false,
    })
}

/// `12`, or `1.2K` before ZFS 0.8.
fn count(word: &str) -> Option<u64> {
    if let Ok(number) = word.parse() {
        return Some(number);
    }
    let unit = match word.chars().last()? {
        'K' => 1_000,
        'M' => 1_000_000,
        _ => return None,
    };
    let (whole, part) = word.trim_end_matches(['K', 'M']).split_once('.')?;
    let tenths: u64 = part.get(..1)?.parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)?
        .checked_add(tenths * unit / 10)
}

/// A row is a disk if the one after it lies no deeper.
fn mark_leaves(rows: &mut [Row]) {
    let depths: Vec<usize> = rows.iter().map(|row| row.depth).skip(1).collect();
    let after = depths.into_iter().map(Some).chain([None]);
    for (row, next) in rows.iter_mut().zip(after) {
        row.is_leaf = next.is_none_or(|next| next <= row.depth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Status {
        let mut pools = parse(text, &TimeZone::UTC);
        assert_eq!(pools.len(), 1, "{text}");
        pools.remove(0)
    }

    fn scan(text: &str) -> Scan {
        one(&format!(
            "  pool: tank\n state: ONLINE\n  scan: {text}\nconfig:\n"
        ))
        .scan
    }

    #[test]
    fn a_pool_that_lacks_a_disk_is_read_whole() {
        let text = "  pool: tank
 state: DEGRADED
status: One or more devices could not be used because the label is missing or
\tinvalid.  Sufficient replicas exist for the pool to continue.
action: Replace the device using 'zpool replace'.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-4J
  scan: scrub repaired 0B in 02:00:00 with 0 errors on Sun Mar 10 00:25:17 2019
config:

\tNAME                     STATE     READ WRITE CKSUM
\ttank                     DEGRADED     0     0     0
\t  mirror-0               DEGRADED     0     0     0
\t    sda                  ONLINE       3     1.2K     0
\t    4676737554230074290  UNAVAIL      0     0     2  was /dev/sdb1
\tspares
\t  sdc                    AVAIL

errors: 2 data errors, use '-v' for a list

  pool: other
 state: ONLINE
errors: No known data errors
";
        let pools = parse(text, &TimeZone::UTC);
        let names: Vec<_> = pools
            .iter()
            .map(|pool| (&*pool.name, &*pool.state))
            .collect();
        assert_eq!(names, [("tank", "DEGRADED"), ("other", "ONLINE")]);
        assert_eq!((pools[0].lost, pools[1].lost), (Some(2), Some(0)));
        assert!(
            pools[0]
                .says
                .ends_with("invalid.  Sufficient replicas exist for the pool to continue.")
        );
        let leaves: Vec<_> = pools[0].rows.iter().filter(|row| row.is_leaf).collect();
        assert_eq!(leaves.len(), 2, "{leaves:?}");
        assert_eq!((&*leaves[0].name, leaves[0].errors), ("sda", [3, 1200, 0]));
        assert_eq!(
            (&*leaves[1].state, leaves[1].errors),
            ("UNAVAIL", [0, 0, 2])
        );
        let at = "2019-03-10T00:25:17Z".parse().unwrap();
        assert_eq!(pools[0].scan.scrubbed, Some(at));
        assert_eq!(parse("no pools available\n", &TimeZone::UTC), []);
    }

    #[test]
    fn the_progress_of_every_version_is_understood() {
        for (text, work, progress, seconds) in [
            ("none requested", None, None, None),
            (
                "scrub canceled on Sun Mar 10 00:25:17 2019",
                None,
                None,
                None,
            ),
            (
                "scrub paused since Sun Mar 10 00:25:17 2019",
                None,
                None,
                None,
            ),
            (
                "resilver in progress since Thu May 22 09:24:20 2025\n\
                 \t6.25T / 34.4T scanned at 3.44G/s, 3.66T / 34.4T issued at 2.01G/s\n\
                 \t807G resilvered, 10.66% done, 04:20:07 to go",
                Some(Work::Resilver),
                Some(10.66),
                Some(15_607),
            ),
            (
                "resilver in progress since Sat Jan 12 11:29:36 2019\n\
                 \t72.6M scanned out of 1.03T at 2.42M/s, 123h32m to go\n\
                 \t72.2M resilvered, 0.01% done",
                Some(Work::Resilver),
                Some(0.01),
                Some(444_720),
            ),
            (
                "scrub in progress since Sun Nov 26 06:05:37 2023\n\
                 \t0B repaired, 0.00% done, no estimated completion time",
                Some(Work::Scrub),
                Some(0.0),
                None,
            ),
            (
                "scrub in progress since Sun Nov 26 06:05:37 2023\n\
                 \t0B repaired, 1.50% done, 1 days 02:03:04 to go",
                Some(Work::Scrub),
                Some(1.5),
                Some(93_784),
            ),
            ("scrub in progress since Sun", Some(Work::Scrub), None, None),
            (
                "scrub in progress, x% done, x days 1:2 to go",
                Some(Work::Scrub),
                None,
                None,
            ),
            (
                "scrub in progress, 1% done, 1:x to go",
                Some(Work::Scrub),
                Some(1.0),
                None,
            ),
            (
                "scrub in progress, 1% done, soon to go",
                Some(Work::Scrub),
                Some(1.0),
                None,
            ),
        ] {
            let scan = scan(text);
            let remaining = scan.remaining.map(|time| time.as_secs());
            assert_eq!(
                (scan.work, scan.progress, remaining),
                (work, progress, seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn dates_are_of_the_machine_s_own_zone_and_odd_ones_are_unknown() {
        let text = "  pool: p\n  scan: scrub repaired 0B in 0h1m with 0 errors on Sun Jul  7 02:00:00 2019\n";
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = parse(text, &zone)[0].scan.scrubbed;
        assert_eq!(at, Some("2019-07-07T00:00:00Z".parse().unwrap()));
        for text in ["scrub repaired 0B", "scrub repaired 0B in 1 on Sun Foo 7"] {
            assert_eq!(scan(text).scrubbed, None, "{text}");
        }
    }

    #[test]
    fn lost_data_is_told_however_it_is_said() {
        for (text, want) in [
            ("No known data errors", Some(0)),
            (
                "Permanent errors have been detected in the following files:",
                Some(1),
            ),
            ("List of errors unavailable: permission denied", None),
        ] {
            assert_eq!(one(&format!("pool: x\nerrors: {text}")).lost, want);
        }
        for (word, want) in [
            ("0", Some(0)),
            ("2.5M", Some(2_500_000)),
            ("x", None),
            ("1.K", None),
            ("1K", None),
            ("", None),
        ] {
            assert_eq!(count(word), want, "{word}");
        }
    }
}

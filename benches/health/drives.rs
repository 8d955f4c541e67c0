//! How the verdict on disks fares: on a made-up fleet, and on answers of real disks.
//!
//! The fleet is **not real**. What is known of real ones are four figures, of 22,892 disks over 40
//! days: a reallocated or pending sector at all was seen before 67 % of the failures and on 8.7 %
//! of the disks that lived on, 50 reallocated or 10 pending ones before 57 % and on 2.7 %; between
//! the first bad sector and the failure lie 21 days in the middle. The fleet is drawn so that it
//! has these five figures. All else is assumed: how large counts are spread between and beyond
//! (evenly over the logarithm, through both points), that a disk that lives on got its bad sectors
//! on any day of its life (four years at most), a third of such disks in three goes within a
//! fortnight and the others in one, that those of a disk that fails multiply up to its end. How many
//! of the disks that fail have counts that stand still all the same is not known at all; so the
//! verdict is scored for several such shares.

use std::path::Path;
use std::time::Instant;

use homewatch::collect::smart::Judge;
use homewatch::model::Timestamp;

use crate::fleet::Random;

/// Disks that live on, as many as the study had.
const SOUND: u32 = 22_892;
/// Disks that fail; fewer would tell the share too coarsely.
const FAILING: u32 = 6_000;
const DAYS: i64 = 40;
const START: i64 = 1_767_225_600;
/// The published shares: any count, and a large one.
const ANY: (f64, f64) = (0.67, 0.087);
const LARGE: (f64, f64) = (0.57, 0.027);
/// Days before the failure at which the first bad sector is seen, in the middle.
const LEAD: f64 = 21.0;
/// How differently long that is; two thirds of all lie within this factor (assumed).
const SPREAD: f64 = 3.0;
/// The share of disks that live on whose bad sectors came in three goes (assumed).
const IN_GOES: f64 = 1.0 / 3.0;
/// A disk of the fleet is at most so old, days (assumed).
const OLDEST: f64 = 4.0 * 365.0;

/// The bad sectors of one disk, day by day.
struct Drive {
    /// Whether they are pending rather than reallocated.
    pending: bool,
    counts: [u64; DAYS as usize],
}

/// What `at` says of each day.
fn each_day(at: impl Fn(i64) -> u64) -> [u64; DAYS as usize] {
    let mut day = -1;
    std::array::from_fn(|_| {
        day += 1;
        at(day)
    })
}

impl Drive {
    /// One that lives on for the 40 days at least.
    fn sound(random: &mut Random) -> Self {
        let (pending, last) = last(random, ANY.1, LARGE.1);
        // Bad sectors come at any time alike, so that an older disk is likelier to have some. The
        // last forty days of its life are watched.
        let age = random.share().sqrt() * OLDEST;
        let ago = random.share() * age;
        let mut goes = vec![(DAYS - 1 - ago as i64, last)];
        if last >= 3 && random.share() < IN_GOES {
            for _ in 0..2 {
                let (day, _) = goes[goes.len() - 1];
                let apart = (random.share() * 7.0) as i64 + 1;
                goes.push((day - apart, 1 + (random.share() * (last - 1) as f64) as u64));
            }
            goes[1..].sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        }
        let at = |day: i64| {
            let seen = goes.iter().find(|(since, _)| day >= *since);
            seen.map_or(0, |(_, count)| *count)
        };
        Self {
            pending,
            counts: each_day(at),
        }
    }

    /// One that fails after the 40 days; `still` is the share of those whose count does not move.
    fn failing(random: &mut Random, still: f64) -> Self {
        let (pending, last) = last(random, ANY.0, LARGE.0);
        let lead = LEAD * SPREAD.powf(random.noise());
        let stands = random.share() < still;
        let at = |day: i64| {
            let left = (DAYS - 1 - day) as f64;
            if left > lead || last == 0 {
                0
            } else if stands {
                last
            } else {
                // From one to the last, by the same factor every day.
                (last as f64).powf(1.0 - left / lead.max(1.0)).round() as u64
            }
        };
        Self {
            pending,
            counts: each_day(at),
        }
    }

    /// The first day on which its count is at least so many reallocated or pending sectors.
    fn reaches(&self, reallocated: u64, pending: u64) -> Option<i64> {
        let least = if self.pending { pending } else { reallocated };
        let day = self.counts.iter().position(|count| *count >= least)?;
        i64::try_from(day).ok()
    }

    /// The first day on which our verdict is at least a warning.
    fn warned(&self) -> Option<i64> {
        let mut judge = Judge::new();
        let mut days = (0..DAYS).zip(self.counts);
        days.find_map(|(day, count)| {
            let (reallocated, pending) = if self.pending { (0, count) } else { (count, 0) };
            let row = |id, count| {
                format!(r#"{{"id":{id},"name":"x","raw":{{"value":{count},"string":"{count}"}}}}"#)
            };
            let answer = format!(
                r#"{{"smartctl":{{"exit_status":0}},"device":{{"protocol":"ATA"}},
                "rotation_rate":7200,"smart_status":{{"passed":true}},
                "ata_smart_attributes":{{"table":[{},{}]}}}}"#,
                row(5, reallocated),
                row(197, pending)
            );
            let now = Timestamp::from_second(START + day * 86_400).unwrap();
            let opinion = judge.judge(0, answer.as_bytes(), now).unwrap();
            matches!(opinion.level, "warning" | "failing").then_some(day)
        })
    }
}

/// Which counter, and how far it comes: 0 but for `any`, and so that `large` reach 50 reallocated
/// or 10 pending sectors.
fn last(random: &mut Random, any: f64, large: f64) -> (bool, u64) {
    let pending = random.share() < 0.5;
    let share = random.share();
    if share >= any {
        return (pending, 0);
    }
    let step: f64 = if pending { 10.0 } else { 50.0 };
    let slope = (any / large).ln() / step.ln();
    // The share of those that reach a count falls by this power of it.
    let reached = (any / share.max(1e-9)).powf(1.0 / slope);
    // No disk has spare sectors without end.
    (pending, reached.min(20_000.0) as u64)
}

/// How many of `drives` are told, and the day in the middle.
fn score(drives: &[Drive], told: impl Fn(&Drive) -> Option<i64>) -> (f64, f64) {
    let mut days: Vec<i64> = drives.iter().filter_map(told).collect();
    days.sort_unstable();
    let middle = days.get(days.len() / 2).copied().unwrap_or(DAYS);
    let share = days.len() as f64 / drives.len() as f64 * 100.0;
    (share, (DAYS - middle) as f64)
}

pub fn fleet() {
    println!(
        "verdict on disks: a made-up fleet, {SOUND} that live on and {FAILING} that fail, {DAYS} days"
    );
    println!("  (goal: at least 60 % of the failures told, at most 2.5 % of the others)");
    let begun = Instant::now();
    let mut random = Random::new(77);
    let sound: Vec<Drive> = (0..SOUND).map(|_| Drive::sound(&mut random)).collect();
    let (alarms, _) = score(&sound, Drive::warned);
    for still in [0.0, 0.1, 0.2, 0.4] {
        let failing: Vec<Drive> = (0..FAILING)
            .map(|_| Drive::failing(&mut random, still))
            .collect();
        let row = |what: &str, (told, days): (f64, f64), alarms: f64| {
            println!(
                "  {what:28} {told:5.1} % told, in the middle {days:2.0} days before; {alarms:4.2} % false"
            );
        };
        println!(
            " {:.0} % of those that fail have counts that stand still:",
            still * 100.0
        );
        row(
            "any bad sector",
            score(&failing, |one| one.reaches(1, 1)),
            score(&sound, |one| one.reaches(1, 1)).0,
        );
        row(
            "50 reallocated or 10 pending",
            score(&failing, |one| one.reaches(50, 10)),
            score(&sound, |one| one.reaches(50, 10)).0,
        );
        row("our verdict", score(&failing, Drive::warned), alarms);
    }
    println!("  ({:.1} s)", begun.elapsed().as_secs_f64());
}

/// Scores every answer of smartctl in a folder, against what the disk itself says; a name with
/// `fail` in it is that of a disk that is known to have failed, whatever it says.
pub fn captures(dir: &Path) {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    println!("verdict on the answers of real disks in {}:", dir.display());
    let (mut wrong, now) = (0, Timestamp::from_second(START).unwrap());
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let code = json
            .pointer("/smartctl/exit_status")
            .and_then(serde_json::Value::as_i64);
        let code = i32::try_from(code.unwrap_or_default()).unwrap();
        let opinion = Judge::new().judge(code, &bytes, now);
        let level = opinion.as_ref().map_or("asleep", |opinion| opinion.level);
        // Bits 3 and 4: the disk, or an attribute that foretells, says that it fails.
        let passed = json
            .pointer("/smart_status/passed")
            .and_then(serde_json::Value::as_bool);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_known = name.contains("fail");
        let is_told = passed.is_some()
            || json.get("ata_smart_attributes").is_some()
            || json.get("nvme_smart_health_information_log").is_some()
            || json.get("scsi_grown_defect_list").is_some();
        let fails = passed == Some(false) || code & 0b11000 != 0 || (is_known && is_told);
        let truth = match (fails, is_told) {
            (true, _) => "fails",
            (false, true) => "lives",
            (false, false) => "unknown",
        };
        let right = match truth {
            "fails" => level == "failing",
            "lives" => matches!(level, "ok" | "watch" | "warning"),
            _ => level == "unreadable",
        };
        wrong += u32::from(!right);
        let mark = if right { " " } else { "!" };
        let why = opinion.map_or_else(String::new, |opinion| opinion.reasons.join("; "));
        println!("  {mark} {level:10} ({truth}) {name} {why}");
    }
    println!("  {} answers, {wrong} judged wrongly", files.len());
}

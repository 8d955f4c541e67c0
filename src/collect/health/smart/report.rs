//! What one answer of `smartctl --json -a` says, whatever the kind of disk and the version of the
//! program. Nothing is judged here.

use serde_json::Value;

use super::log::Log;
use super::verdict::Counts;
use crate::collect::read::{figure, known};
use crate::collect::tells;

/// The bits of smartctl's exit status.
pub(super) mod exit {
    /// The command line was not understood.
    pub(in super::super) const USAGE: u8 = 1;
    /// The disk could not be opened.
    pub(in super::super) const OPEN: u8 = 1 << 1;
    /// A command to the disk failed, or a checksum was wrong.
    pub(in super::super) const COMMAND: u8 = 1 << 2;
    /// The disk says that it is failing.
    pub(in super::super) const FAILING: u8 = 1 << 3;
    /// An attribute that foretells a failure is below its threshold.
    pub(in super::super) const PREFAIL: u8 = 1 << 4;
    /// An attribute was below its threshold at some time.
    pub(in super::super) const PAST: u8 = 1 << 5;
    /// The log of self-tests holds errors.
    pub(in super::super) const SELF_TEST: u8 = 1 << 7;
    /// What `-n standby,3` asks for when the disk sleeps: the first two bits never come together.
    pub(in super::super) const ASLEEP: u8 = 3;
}

/// What sort of disk it is: each fails in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A disk that turns, with ATA's attributes.
    Hdd,
    /// A solid-state disk with ATA's attributes.
    Ssd,
    /// NVMe.
    Nvme,
    /// SCSI and SAS.
    Scsi,
}

/// One answer. What is not told is `None`, never 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub(super) kind: Kind,
    /// Exit status, see [`exit`].
    pub(super) exit: u8,
    /// It sleeps and was not asked.
    pub(super) asleep: bool,
    /// How smartctl has spoken to it (`sat`).
    pub(super) way: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    /// The disk's own word on whether it is well.
    pub(super) passed: Option<bool>,
    /// Whether SMART is switched on, where that is told.
    pub(super) enabled: Option<bool>,
    /// Whether it has SMART at all, where that is told.
    pub(super) available: Option<bool>,
    /// Whether there is any figure that tells of its health.
    pub(super) has_figures: bool,
    /// °C.
    pub(super) temperature: Option<f64>,
    pub(super) power_on_hours: Option<u64>,
    /// Replaced sectors (grown defects of SCSI), sectors that cannot be read at present, sectors
    /// or reads that no error correction could save (`media_errors` of NVMe), errors on the cable.
    pub(super) counts: Counts,
    pub(super) unsafe_shutdowns: Option<u64>,
    /// What is used up of its rated writes, %; may pass 100.
    pub(super) wear: Option<u64>,
    /// What is left of its spare blocks, %.
    pub(super) spare: Option<u64>,
    /// Below this the disk calls its spare exhausted, %.
    pub(super) spare_least: Option<u64>,
    pub(super) written_bytes: Option<u64>,
    /// Told by NVMe only.
    pub(super) read_bytes: Option<u64>,
    /// NVMe's bits of warning.
    pub(super) critical_warning: Option<u64>,
    /// Attributes that foretell a failure and are below their threshold now.
    pub(super) failed_now: Vec<(u64, String)>,
    /// Attributes of age that are below their threshold now.
    pub(super) aged_now: Vec<(u64, String)>,
    /// Its self-tests.
    pub(super) log: Log,
    /// In which words SCSI says that it is failing.
    pub(super) said: Option<String>,
    /// What smartctl complained of.
    pub(super) errors: Vec<String>,
}

impl Report {
    /// Reads the answer that ended with `code`; the error says what is wrong with it.
    pub(super) fn parse(code: Option<i32>, bytes: &[u8]) -> Result<Self, String> {
        let Some(code) = code else {
            return Err("smartctl was killed".to_owned());
        };
        let json = whole(bytes).map_err(|text| format!("{text} (exit status {code})"))?;
        let exit = u8::try_from(code).unwrap_or(u8::MAX);
        let text = |pointer: &'static str| json.pointer(pointer).and_then(Value::as_str);
        let number = |pointer: &str| json.pointer(pointer).and_then(count);
        let table = attributes(&json);
        let kind = kind(&json);
        let nvme = "/nvme_smart_health_information_log";
        let log = |key: &str| number(&format!("{nvme}/{key}"));
        let errors = complaints(&json);
        let passed = json
            .pointer("/smart_status/passed")
            .and_then(Value::as_bool);
        // A table of nothing but numbers that nobody knows says nothing.
        let has_figures = table.iter().any(|one| TELLING.contains(&one.id))
            || log("critical_warning").is_some()
            || number("/scsi_grown_defect_list").is_some()
            || json.get("scsi_error_counter_log").is_some();
        let sleeps = |line: &&str| line.contains("STANDBY mode") || line.contains("SLEEP mode");
        let asleep = !has_figures
            && passed.is_none()
            && (exit == exit::ASLEEP || messages(&json).any(|(_, line)| sleeps(&line)));
        let by_id = |id: u64| {
            table
                .iter()
                .find(|one| one.id == id)
                .and_then(Attribute::count)
        };
        let worst = |ids: &[u64]| ids.iter().filter_map(|id| by_id(*id)).max();
        let block = number("/logical_block_size").unwrap_or(512);
        Ok(Self {
            kind,
            exit,
            asleep,
            way: text("/device/type").map(str::to_owned),
            model: MODEL.into_iter().find_map(text).map(short),
            serial: text("/serial_number").filter(|own| tells(own)).map(short),
            passed,
            enabled: json
                .pointer("/smart_support/enabled")
                .and_then(Value::as_bool),
            available: json
                .pointer("/smart_support/available")
                .and_then(Value::as_bool),
            has_figures,
            temperature: temperature(&json, by_id),
            power_on_hours: number("/power_on_time/hours").or_else(|| log("power_on_hours")),
            counts: Counts {
                reallocated: by_id(5).or_else(|| number("/scsi_grown_defect_list")),
                pending: by_id(197).or_else(|| number("/scsi_pending_defects/count")),
                uncorrectable: worst(&[187, 198])
                    .or_else(|| log("media_errors"))
                    .or_else(|| uncorrected(&json)),
                crc_errors: by_id(199),
            },
            unsafe_shutdowns: log("unsafe_shutdowns"),
            wear: wear(&json, &table, kind).or_else(|| log("percentage_used")),
            spare: number("/spare_available/current_percent")
                .or_else(|| log("available_spare"))
                .filter(|share| *share <= 100),
            spare_least: number("/spare_available/threshold_percent")
                .or_else(|| log("available_spare_threshold")),
            // NVMe counts in thousands of 512 bytes.
            written_bytes: log("data_units_written")
                .map(|units| units.saturating_mul(512_000))
                .or_else(|| table.iter().find_map(|one| one.written(block)))
                .or_else(|| gigabytes(text("/scsi_error_counter_log/write/gigabytes_processed"))),
            read_bytes: log("data_units_read").map(|units| units.saturating_mul(512_000)),
            critical_warning: log("critical_warning"),
            failed_now: names(&table, |one| one.is_below && one.foretells),
            aged_now: names(&table, |one| one.is_below && !one.foretells),
            log: Log::of(&json),
            said: text("/smart_status/scsi/ie_string").map(|said| said.chars().take(100).collect()),
            errors,
        })
    }
}

/// °C, by whatever tells it.
fn temperature(json: &Value, attribute: impl Fn(u64) -> Option<u64>) -> Option<f64> {
    const PLACES: [&str; 2] = [
        "/temperature/current",
        "/scsi_environmental_reports/temperature_1/current",
    ];
    // 0 is what is told when nothing is measured.
    let can_be = |c: &f64| (-40.0..=125.0).contains(c) && c.abs() >= 0.5;
    let told = PLACES
        .into_iter()
        .filter_map(|place| json.pointer(place)?.as_f64());
    let raw = [194, 190].into_iter().filter_map(attribute);
    told.chain(raw.map(|raw| figure(raw & 0xff))).find(can_be)
}

/// Where the model is told, the best first.
const MODEL: [&str; 4] = [
    "/model_name",
    "/scsi_model_name",
    "/scsi_product",
    "/product",
];

/// The attributes by which a disk's health can be judged.
const TELLING: [u64; 8] = [5, 184, 187, 188, 196, 197, 198, 199];

/// The JSON in an answer; what a wrapper says before and after it is passed over.
pub(super) fn json_in(bytes: &[u8]) -> Option<Value> {
    // Names that a disk or its bridge garbles are passed on by smartctl byte by byte.
    let text = String::from_utf8_lossy(bytes);
    let text = text.get(text.find('{')?..)?;
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    values.next()?.ok()
}

/// The answer as JSON of the format that is known.
fn whole(bytes: &[u8]) -> Result<Value, String> {
    let json = json_in(bytes)
        .ok_or("smartctl's answer is no whole JSON; it takes version 7.0 or later")?;
    if json.get("smartctl").is_none() {
        return Err("what answered is not smartctl".to_owned());
    }
    match json
        .pointer("/json_format_version/0")
        .and_then(Value::as_u64)
    {
        // Versions just before 7.0 called the same 0.1.
        Some(0 | 1) | None => Ok(json),
        Some(other) => Err(format!("smartctl's JSON is of format {other}, not 1")),
    }
}

/// A name of a disk; no true one is longer.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A counter, if it is known.
fn count(value: &Value) -> Option<u64> {
    known(whole_number(value)?)
}

/// Counters are numbers; very large ones and some of SCSI are text.
fn whole_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn messages(json: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = json.pointer("/smartctl/messages").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|message| {
        let line = message.get("string")?.as_str()?;
        let severity = message.get("severity").and_then(Value::as_str);
        Some((severity.unwrap_or("error"), line))
    })
}

fn complaints(json: &Value) -> Vec<String> {
    let errors = messages(json).filter(|(severity, _)| *severity == "error");
    errors
        .take(3)
        .map(|(_, line)| line.trim().chars().take(200).collect())
        .collect()
}

fn kind(json: &Value) -> Kind {
    let protocol = json.pointer("/device/protocol").and_then(Value::as_str);
    let rotation = json.get("rotation_rate").and_then(Value::as_u64);
    if protocol == Some("NVMe") || json.get("nvme_smart_health_information_log").is_some() {
        Kind::Nvme
    } else if protocol == Some("SCSI") {
        Kind::Scsi
    } else if rotation == Some(0) {
        Kind::Ssd
    } else {
        Kind::Hdd
    }
}

/// One of ATA's attributes.
struct Attribute<'a> {
    id: u64,
    name: &'a str,
    /// Normalised: 100 (200, 253) is new.
    value: Option<u64>,
    raw: Option<u64>,
    shown: Option<&'a str>,
    is_below: bool,
    foretells: bool,
}

impl Attribute<'_> {
    /// The count, which vendors pack with others: smartctl's text begins with it, else it is the
    /// lowest 16 bits of a raw value that no counter reaches.
    fn count(&self) -> Option<u64> {
        if self.raw.is_some_and(|raw| known(raw).is_none()) {
            return None;
        }
        let digits = self.shown.map(|text| {
            let end = text.find(|c: char| !c.is_ascii_digit());
            text.get(..end.unwrap_or(text.len())).unwrap_or_default()
        });
        let shown = digits.and_then(|digits| digits.parse().ok());
        let small = |raw: u64| {
            if raw > u64::from(u32::MAX) {
                raw & 0xffff
            } else {
                raw
            }
        };
        shown
            .filter(|count| *count < u64::from(u32::MAX))
            .or_else(|| self.raw.map(small))
    }

    /// Bytes written, if that is what it counts, on a disk with blocks of `block` bytes.
    fn written(&self, block: u64) -> Option<u64> {
        let unit = match self.name {
            "Total_LBAs_Written" => block,
            "Host_Writes_32MiB" => 32 << 20,
            "Host_Writes_GiB" | "Lifetime_Writes_GiB" | "Total_Writes_GiB" => 1 << 30,
            _ => return None,
        };
        self.raw.and_then(known).map(|raw| raw.saturating_mul(unit))
    }
}

fn attributes(json: &Value) -> Vec<Attribute<'_>> {
    let table = json
        .pointer("/ata_smart_attributes/table")
        .and_then(Value::as_array);
    let rows = table.into_iter().flatten();
    rows.filter_map(|row| {
        let text = |pointer: &str| row.pointer(pointer).and_then(Value::as_str);
        Some(Attribute {
            id: row.get("id")?.as_u64()?,
            name: text("/name").unwrap_or("unnamed"),
            value: row.get("value").and_then(Value::as_u64),
            raw: row.pointer("/raw/value").and_then(whole_number),
            shown: text("/raw/string"),
            is_below: text("/when_failed").is_some_and(|when| when.eq_ignore_ascii_case("now")),
            foretells: row.pointer("/flags/prefailure").and_then(Value::as_bool) == Some(true)
                || text("/flags/string").is_some_and(|flags| flags.starts_with('P')),
        })
    })
    .collect()
}

fn names(table: &[Attribute<'_>], wanted: impl Fn(&Attribute<'_>) -> bool) -> Vec<(u64, String)> {
    let rows = table.iter().filter(|one| wanted(one));
    rows.map(|one| (one.id, one.name.replace('_', " ")))
        .collect()
}

/// What is used up of an SSD's life: as smartctl 7.4 tells it for all, else by the attributes
/// whose normalised value is the share that is left.
fn wear(json: &Value, table: &[Attribute<'_>], kind: Kind) -> Option<u64> {
    let told = [
        "/endurance_used/current_percent",
        "/scsi_percentage_used_endurance_indicator",
    ];
    let told = told
        .into_iter()
        .find_map(|pointer| json.pointer(pointer))
        .and_then(count);
    let left = [
        "Media_Wearout_Indicator",
        "Percent_Lifetime_Remain",
        "Remaining_Lifetime_Perc",
        "SSD_Life_Left",
        "Wear_Leveling_Count",
    ];
    let by_name = || {
        let named = |name: &str| table.iter().find(|one| one.name == name);
        left.into_iter().find_map(|name| named(name)?.value)
    };
    told.or_else(|| {
        (kind == Kind::Ssd)
            .then(by_name)?
            .and_then(|value| 100u64.checked_sub(value))
    })
}

/// Errors of reading, writing and verifying that SCSI's correction could not save.
fn uncorrected(json: &Value) -> Option<u64> {
    let log = json.get("scsi_error_counter_log")?;
    let of = |what: &str| {
        log.get(what)?
            .get("total_uncorrected_errors")
            .and_then(count)
    };
    ["read", "write", "verify"]
        .into_iter()
        .filter_map(of)
        .reduce(u64::saturating_add)
}

/// `"13782.768"` gigabytes.
fn gigabytes(text: Option<&str>) -> Option<u64> {
    let (whole, part) = text?.split_once('.').unwrap_or((text?, "0"));
    let thousandths: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    let whole: u64 = whole.parse().ok()?;
    Some(
        whole
            .checked_mul(1_000_000_000)?
            .saturating_add(thousandths * 1_000_000),
    )
}

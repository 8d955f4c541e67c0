mod collector;
mod growth;
mod hang;
mod known;
mod machine;
mod orders;
mod schedule;
mod selftests;
mod testing;
mod twins;
mod variants;

use serde_json::{Value as Json, json};

use super::known::Known;
use super::report::{Kind, Report};
use super::trend::Trend;
use super::verdict::{Counts, Growth, LEVELS, Level, Verdict};
use super::*;
use jiff::Timestamp;

/// The common head of every answer.
fn answer(more: &Json) -> Json {
    let mut json = json!({"json_format_version": [1, 0], "smartctl": {"version": [7, 4]}});
    for (key, value) in more.as_object().unwrap() {
        json[key] = value.clone();
    }
    json
}

fn row(id: u64, name: &str, value: u64, raw: u64, shown: &str, when: &str) -> Json {
    let prefailure = [1, 3, 5, 10].contains(&id);
    json!({"id": id, "name": name, "value": value, "worst": value, "thresh": 5,
        "when_failed": when, "flags": {"prefailure": prefailure},
        "raw": {"value": raw, "string": shown}})
}

/// An ATA disk with these counts of replaced, pending and lost sectors.
fn ata(rotation: u64, counts: [u64; 3]) -> Json {
    let [reallocated, pending, lost] = counts;
    answer(&json!({
        "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
        "model_name": "WDC WD40EFRX-68N", "serial_number": "WD-WCC4N0",
        "rotation_rate": rotation, "logical_block_size": 512,
        "smart_status": {"passed": true},
        "power_on_time": {"hours": 31_000}, "temperature": {"current": 34},
        "ata_smart_attributes": {"table": [
            row(5, "Reallocated_Sector_Ct", 100, reallocated, &reallocated.to_string(), ""),
            row(188, "Command_Timeout", 100, 17_180_131_332, "4 4 4", ""),
            row(197, "Current_Pending_Sector", 100, pending, &pending.to_string(), ""),
            row(198, "Offline_Uncorrectable", 100, lost, &lost.to_string(), ""),
            row(199, "UDMA_CRC_Error_Count", 200, 3, "3", ""),
            row(241, "Total_LBAs_Written", 100, 2_000_000, "2000000", ""),
        ]},
    }))
}

fn nvme(more: &Json) -> Json {
    let mut log = json!({"critical_warning": 0, "temperature": 41, "available_spare": 100,
        "available_spare_threshold": 10, "percentage_used": 3, "data_units_written": 1_000,
        "power_on_hours": 420, "unsafe_shutdowns": 7, "media_errors": 0});
    for (key, value) in more.as_object().unwrap() {
        log[key] = value.clone();
    }
    answer(
        &json!({"device": {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
        "smart_status": {"passed": log["critical_warning"] == json!(0)},
        "nvme_smart_health_information_log": log, "temperature": {"current": 41}}),
    )
}

fn scsi(defects: u64, lost: u64) -> Json {
    let errors =
        |lost: u64| json!({"gigabytes_processed": "13782.768", "total_uncorrected_errors": lost});
    answer(
        &json!({"device": {"name": "/dev/sdb", "type": "scsi", "protocol": "SCSI"},
        "scsi_model_name": "HITACHI H109060", "smart_status": {"passed": true},
        "scsi_grown_defect_list": defects,
        "scsi_error_counter_log": {"read": errors(lost), "write": errors(0)},
        "temperature": {"current": 27, "drive_trip": 85}}),
    )
}

fn parse(code: i32, json: &Json) -> Report {
    Report::parse(Some(code), json.to_string().as_bytes()).unwrap()
}

fn judge(code: i32, json: &Json) -> Verdict {
    Verdict::of(&parse(code, json), Growth::default(), &Known::default())
}

fn level(code: i32, json: &Json) -> Level {
    judge(code, json).level
}

#[test]
fn an_ata_disk_s_figures_are_read_whole() {
    let report = parse(0, &ata(7200, [1, 2, 3]));
    assert_eq!(report.kind, Kind::Hdd);
    assert_eq!(
        (report.temperature, report.power_on_hours),
        (Some(34.0), Some(31_000))
    );
    let sectors = (
        report.counts.reallocated,
        report.counts.pending,
        report.counts.uncorrectable,
    );
    assert_eq!(sectors, (Some(1), Some(2), Some(3)));
    assert_eq!(
        (report.counts.crc_errors, report.written_bytes),
        (Some(3), Some(1_024_000_000))
    );
    assert_eq!(
        (report.wear, report.spare, report.critical_warning),
        (None, None, None)
    );
}

#[test]
fn an_nvme_disk_s_figures_are_read_whole() {
    let report = parse(0, &nvme(&json!({})));
    assert_eq!(report.kind, Kind::Nvme);
    assert_eq!(
        (report.wear, report.spare, report.spare_least),
        (Some(3), Some(100), Some(10))
    );
    assert_eq!(report.written_bytes, Some(512_000_000));
    assert_eq!(
        (report.unsafe_shutdowns, report.power_on_hours),
        (Some(7), Some(420))
    );
}

#[test]
fn a_scsi_disk_s_figures_are_read_whole() {
    let report = parse(0, &scsi(4, 2));
    assert_eq!(report.kind, Kind::Scsi);
    assert_eq!(
        (report.counts.reallocated, report.counts.uncorrectable),
        (Some(4), Some(2))
    );
    assert_eq!(report.written_bytes, Some(13_782_768_000_000));
    assert_eq!(report.model.as_deref(), Some("HITACHI H109060"));
    let odd = json!({"scsi_error_counter_log": {"write": {"gigabytes_processed": "7"}}});
    assert_eq!(parse(0, &answer(&odd)).written_bytes, Some(7_000_000_000));
    for text in ["x", "1.x", "18446744073709551615.1"] {
        let odd = json!({"scsi_error_counter_log": {"write": {"gigabytes_processed": text}}});
        assert_eq!(parse(0, &answer(&odd)).written_bytes, None, "{text}");
    }
}

#[test]
fn counts_that_vendors_pack_are_unpacked() {
    let packed = |raw: u64, shown: Json| {
        let table = json!([{"id": 5, "raw": {"value": raw, "string": shown}}]);
        let json = answer(&json!({"ata_smart_attributes": {"table": table}}));
        parse(0, &json).counts.reallocated
    };
    assert_eq!(packed(12, json!("12 (0 3)")), Some(12));
    assert_eq!(packed(17_180_131_332, json!(null)), Some(4));
    assert_eq!(packed(17_180_131_332, json!("17180131332")), Some(4));
    assert_eq!(packed(12, json!("none")), Some(12));
    // The lowest byte of attribute 194 is the temperature, with extremes above it.
    let table = json!([row(
        194,
        "Temperature_Celsius",
        240,
        167_504_969_753,
        "25 (Min/Max 19/39)",
        ""
    )]);
    let json = answer(&json!({"ata_smart_attributes": {"table": table}}));
    assert_eq!(parse(0, &json).temperature, Some(25.0));
    let cold = answer(&json!({"temperature": {"current": 0}}));
    assert_eq!(
        parse(0, &cold).temperature,
        None,
        "what is not measured is not 0"
    );
}

#[test]
fn wear_is_told_by_whatever_tells_it() {
    for (name, value, wear) in [
        ("Media_Wearout_Indicator", 97, Some(3)),
        ("Wear_Leveling_Count", 99, Some(1)),
        ("Wear_Leveling_Count", 253, None),
        ("Something_Else", 50, None),
    ] {
        let table = json!([row(233, name, value, 0, "0", "")]);
        let json = answer(&json!({"rotation_rate": 0, "ata_smart_attributes": {"table": table}}));
        assert_eq!(parse(0, &json).wear, wear, "{name} {value}");
    }
    let told = answer(&json!({"endurance_used": {"current_percent": 8}}));
    assert_eq!(parse(0, &told).wear, Some(8));
    let sas = answer(&json!({"scsi_percentage_used_endurance_indicator": 11}));
    assert_eq!(parse(0, &sas).wear, Some(11));
    for (name, bytes) in [
        ("Host_Writes_32MiB", 32 << 20),
        ("Total_Writes_GiB", 1 << 30),
    ] {
        let table = json!([row(241, name, 100, 2, "2", "")]);
        let json = answer(&json!({"ata_smart_attributes": {"table": table}}));
        assert_eq!(parse(0, &json).written_bytes, Some(2 * bytes), "{name}");
    }
}

#[test]
fn an_unknown_warning_of_a_disk_that_calls_itself_well_is_a_warning() {
    let mut disk = nvme(&json!({"critical_warning": 128}));
    disk["smart_status"]["passed"] = json!(true);
    let report = Report::parse(Some(0), disk.to_string().as_bytes()).unwrap();
    let verdict = Verdict::of(&report, Growth::default(), &Known::default());
    assert_eq!(verdict.level, Level::Warning);
    assert!(verdict.reasons[0].contains("not known here"), "{verdict:?}");
}

#[test]
fn every_bit_of_nvme_s_warning_is_told() {
    for (more, want, said) in [
        (json!({}), Level::Ok, ""),
        (json!({"critical_warning": 1}), Level::Failing, "used up"),
        // Heat passes, whatever smartctl calls it.
        (
            json!({"critical_warning": 2}),
            Level::Warning,
            "temperatures",
        ),
        (json!({"critical_warning": 4}), Level::Failing, "unreliable"),
        (json!({"critical_warning": 8}), Level::Failing, "read-only"),
        (
            json!({"critical_warning": 16}),
            Level::Failing,
            "power loss",
        ),
        (
            json!({"critical_warning": 32}),
            Level::Failing,
            "persistent memory",
        ),
        (json!({"critical_warning": 10}), Level::Failing, "read-only"),
        (
            json!({"critical_warning": 64}),
            Level::Failing,
            "not known here",
        ),
        (json!({"media_errors": 1}), Level::Warning, "times: 1"),
        // Six may be one spot that was read again and again.
        (json!({"media_errors": 6}), Level::Warning, "times: 6"),
        (json!({"media_errors": 7}), Level::Failing, "times: 7"),
        // Of much that was read more may be lost: 10 of 10^16 bits.
        (
            json!({"media_errors": 16, "data_units_read": 2_500_000_000_u64}),
            Level::Warning,
            "times: 16",
        ),
        (
            json!({"media_errors": 17, "data_units_read": 2_500_000_000_u64}),
            Level::Failing,
            "times: 17",
        ),
        (json!({"available_spare": 9}), Level::Failing, "below 10 %"),
        (json!({"available_spare": 10}), Level::Ok, ""),
        (json!({"percentage_used": 92}), Level::Watch, "92 %"),
        (json!({"percentage_used": 103}), Level::Warning, "103 %"),
    ] {
        // smartctl says "failing" (bit 3) for every bit, for heat as well.
        let code = if more.get("critical_warning").is_some() {
            8
        } else {
            0
        };
        let verdict = judge(code, &nvme(&more));
        assert_eq!(verdict.level, want, "{more}");
        let first = verdict.reasons.first().map_or("", String::as_str);
        assert!(first.contains(said), "{more}: {first}");
    }
}

/// Whatever the bits, what is well is not called failing, what fails is not missed, and what says
/// nothing is not taken for well.
#[test]
fn no_combination_of_exit_bits_misleads() {
    let mut without = ata(7200, [0; 3]);
    without.as_object_mut().unwrap().remove("smart_status");
    let silent = answer(&json!({"smartctl": {"messages": []}}));
    for code in 0..=255 {
        let fails = code & (8 | 16) != 0;
        for healthy in [&ata(7200, [0; 3]), &scsi(0, 0), &without] {
            let level = level(code, healthy);
            assert_eq!(level == Level::Failing, fails, "{code}");
            assert_ne!(level, Level::Unreadable, "{code}");
        }
        let level_of_nvme = level(code, &nvme(&json!({})));
        assert_eq!(level_of_nvme == Level::Failing, code & 8 != 0, "{code}");
        assert_ne!(level_of_nvme, Level::Unreadable, "{code}");
        let mut failing = ata(7200, [0; 3]);
        failing["smart_status"]["passed"] = json!(false);
        assert_eq!(level(code, &failing), Level::Failing, "{code}");
        let report = parse(code, &silent);
        let level = Verdict::of(&report, Growth::default(), &Known::default()).level;
        let want = if fails {
            Level::Failing
        } else {
            Level::Unreadable
        };
        assert_eq!((report.asleep, level), (code == 3, want), "{code}");
    }
    // Its own word alone is enough, unless something went wrong on the way.
    let word = answer(&json!({"smart_status": {"passed": true}}));
    assert_eq!(level(0, &word), Level::Ok);
    assert_eq!(level(4, &word), Level::Unreadable);
    assert_eq!(parse(1000, &word).exit, 255);
}

#[test]
fn thresholds_and_self_tests_are_told_by_name() {
    let below = |id, name, when| {
        let table = json!([row(id, name, 1, 1975, "1975", when)]);
        let json = answer(
            &json!({"smart_status": {"passed": true}, "rotation_rate": 7200,
            "ata_smart_attributes": {"table": table}}),
        );
        judge(16, &json)
    };
    let verdict = below(3, "Spin_Up_Time", "now");
    assert_eq!(verdict.level, Level::Failing);
    assert_eq!(
        verdict.reasons,
        ["Spin Up Time (3) is below its maker's threshold"]
    );
    let table = json!([row(190, "Airflow_Temperature_Cel", 1, 60, "60", "now")]);
    let hot = answer(&json!({"ata_smart_attributes": {"table": table},
        "smart_status": {"passed": true}}));
    assert_eq!(level(0, &hot), Level::Watch);
    assert_eq!(level(32, &ata(7200, [0; 3])), Level::Watch);
    for (log, passed, code, want) in [
        ("standard", false, 128, Level::Warning),
        ("extended", false, 0, Level::Warning),
        ("standard", true, 128, Level::Watch),
        ("standard", true, 0, Level::Ok),
    ] {
        let mut json = ata(7200, [0; 3]);
        json["ata_smart_self_test_log"] = json!({log: {"table": [{"status": {"passed": passed}}]}});
        assert_eq!(level(code, &json), want, "{log} {passed} {code}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let why = |code, json: &Json| judge(code, json).reasons.remove(0);
    let refused = answer(&json!({"smartctl": {"messages": [
        {"string": "a hint", "severity": "warning"},
        {"string": "Smartctl open device: /dev/sda failed: Permission denied", "severity": "error"},
        {"severity": "error"}]}}));
    assert!(why(2, &refused).ends_with("Permission denied"));
    assert!(why(4, &answer(&json!({}))).contains("exit status 4"));
    let off = answer(&json!({"smart_support": {"available": true, "enabled": false}}));
    assert!(why(4, &off).contains("smartctl -s on"));
    let none = answer(&json!({"smart_support": {"available": false}}));
    assert_eq!(why(4, &none), NO_SMART);
    for (code, bytes, said) in [
        (Some(0), "", "no whole JSON"),
        (Some(0), "{\"smartctl\": {\"version\": [7,", "no whole JSON"),
        (
            Some(1),
            "smartctl: unrecognized option '--json'",
            "7.0 or later",
        ),
        (Some(0), "{}", "not smartctl"),
        (
            Some(0),
            "{\"json_format_version\": [2, 0], \"smartctl\": {}}",
            "format 2",
        ),
        (None, "{}", "killed"),
    ] {
        let error = Report::parse(code, bytes.as_bytes()).unwrap_err();
        assert!(error.contains(said), "{bytes}: {error}");
    }
}

#[test]
fn a_sleeping_disk_is_known_by_its_exit_status_or_by_what_is_said() {
    let said = |line| answer(&json!({"smartctl": {"messages": [{"string": line}]}}));
    assert!(parse(2, &said("Device is in STANDBY mode, exit(2)")).asleep);
    assert!(!parse(2, &said("Device open failed")).asleep);
    assert!(parse(3, &answer(&json!({}))).asleep);
    assert!(!parse(3, &ata(7200, [0; 3])).asleep);
}

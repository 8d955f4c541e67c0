//! Answers as disks, bridges, controllers and versions of smartctl vary them.

use proptest::prelude::*;

use super::*;

#[test]
fn versions_before_7_3_name_scsi_disks_by_vendor_and_product() {
    for (key, want) in [("product", "ST3300"), ("scsi_product", "ST3300")] {
        let mut json = scsi(0, 0);
        json.as_object_mut().unwrap().remove("scsi_model_name");
        json[key] = json!(want);
        assert_eq!(parse(0, &json).model.as_deref(), Some(want));
    }
}

#[test]
fn formats_that_are_known_are_read_and_others_are_told() {
    for (format, want) in [
        (json!([0, 1]), Ok(Some(true))),
        (json!("1.0"), Ok(Some(true))),
        (
            json!([2, 0]),
            Err("smartctl's JSON is of format 2, not 1 (exit status 0)".to_owned()),
        ),
    ] {
        let mut json = ata(7200, [0; 3]);
        json["json_format_version"] = format;
        let report = Report::parse(Some(0), json.to_string().as_bytes());
        assert_eq!(report.map(|report| report.passed), want);
    }
}

#[test]
fn what_stands_around_the_answer_or_is_garbled_in_it_hides_no_failure() {
    let mut json = ata(7200, [0; 3]);
    json["smart_status"] = json!({"passed": false});
    let plain = json.to_string();
    let garbled = plain.replace("WCC4N0", "WC\u{1}4N0").into_bytes();
    let garbled = garbled
        .into_iter()
        .map(|byte| if byte == 1 { 0xff } else { byte });
    for bytes in [
        format!("sudo: unable to resolve host nas\n{plain}\ndone {{}}\n").into_bytes(),
        format!("\u{feff}{plain}").into_bytes(),
        garbled.collect(),
    ] {
        let report = Report::parse(Some(8), &bytes).unwrap();
        assert_eq!(report.passed, Some(false));
    }
    for bytes in [&b"no brace"[..], b"{", b"", b"\xff{\xff"] {
        assert!(Report::parse(Some(8), bytes).is_err());
    }
}

#[test]
fn names_that_say_nothing_or_never_end_are_none_or_cut() {
    for (serial, want) in [
        (json!(""), None),
        (json!("  "), None),
        (json!("000000000000"), None),
        (json!("....."), None),
        (json!(12), None),
        (json!("0A"), Some("0A".to_owned())),
        (json!("L".repeat(5000)), Some("L".repeat(100))),
    ] {
        let mut json = ata(7200, [0; 3]);
        json["serial_number"] = serial;
        assert_eq!(parse(0, &json).serial, want);
    }
}

#[test]
fn a_temperature_of_scsi_may_stand_in_its_reports_of_the_environment() {
    let mut json = scsi(0, 0);
    json["temperature"] = json!({"current": 0, "drive_trip": 0});
    json["scsi_environmental_reports"] = json!({"temperature_1": {"current": 38}});
    assert_eq!(parse(0, &json).temperature, Some(38.0));
}

#[test]
fn a_scsi_disk_that_foretells_its_end_is_failing_in_its_own_words() {
    let mut json = scsi(0, 0);
    let words = "HARDWARE IMPENDING FAILURE GENERAL HARD DRIVE FAILURE";
    json["smart_status"] = json!({"passed": false, "scsi": {"asc": 93, "ie_string": words}});
    let verdict = judge(8, &json);
    assert_eq!(verdict.level, Level::Failing);
    assert!(verdict.reasons[0].ends_with(words), "{verdict:?}");
}

#[test]
fn a_bridge_that_reads_nothing_but_noise_is_not_a_disk_that_is_well() {
    let noise = |id: u64, raw: u64, shown: &str| {
        let table = json!([row(id, "Unknown_Attribute", 100, raw, shown, "")]);
        answer(
            &json!({"device": {"name": "/dev/sdc", "type": "usbjmicron", "protocol": "ATA"},
            "ata_smart_attributes": {"table": table}}),
        )
    };
    for code in [0, 4, 68] {
        assert_eq!(level(code, &noise(231, 7, "7")), Level::Unreadable);
    }
    // All ones are no count.
    for ones in [u64::from(u32::MAX), 0xffff_ffff_ffff, u64::MAX] {
        let ones = noise(5, ones, &ones.to_string());
        assert_eq!(parse(4, &ones).counts.reallocated, None);
        assert_eq!(level(4, &ones), Level::Ok);
    }
    let hours = json!({"power_on_time": {"hours": u32::MAX}, "temperature": {"current": 30}});
    assert_eq!(parse(0, &answer(&hours)).power_on_hours, None);
    let unknown = answer(&json!({"smartctl": {"messages": [{"severity": "error",
        "string": "/dev/sdc: Unknown USB bridge [0x152d:0x0578 (0x100)]"}]}}));
    assert_eq!(level(1, &unknown), Level::Unreadable);
}

#[test]
fn rates_and_packed_values_are_no_counts() {
    let rates = json!([
        row(1, "Raw_Read_Error_Rate", 83, 199_876_543, "199876543", ""),
        row(7, "Seek_Error_Rate", 87, 4_865_123_456, "4865123456", ""),
        row(188, "Command_Timeout", 100, 17_180_131_332, "4 4 4", ""),
        row(5, "Reallocated_Sector_Ct", 100, 0, "0", ""),
        row(
            240,
            "Head_Flying_Hours",
            100,
            281_479_271_677_952,
            "0h+00m",
            ""
        ),
    ]);
    let json = answer(
        &json!({"smart_status": {"passed": true}, "rotation_rate": 7200,
        "ata_smart_attributes": {"table": rates}}),
    );
    assert_eq!(level(64, &json), Level::Ok);
}

/// Any row of an attribute table, sensible or not.
fn any_row() -> impl Strategy<Value = Json> {
    let shown = prop_oneof![
        Just(json!(null)),
        any::<u64>().prop_map(|raw| json!(raw.to_string())),
        "[0-9a-z ()/+]{0,12}".prop_map(|text| json!(text)),
    ];
    (0u64..300, any::<u64>(), shown, 0u64..300).prop_map(|(id, raw, shown, value)| {
        json!({"id": id, "name": "Attribute", "value": value, "thresh": 10, "when_failed": "",
            "raw": {"value": raw, "string": shown}})
    })
}

/// A number, or what a program might put in its place.
fn any_number() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<u64>().prop_map(|number| json!(number)),
        any::<i32>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        Just(json!(null)),
        Just(json!("9999999999999999999999")),
        Just(json!({"lo": 1})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever an answer holds, it is read without a crash, and a disk that says it fails is
    /// never called anything else.
    #[test]
    fn no_answer_misleads(
        rows in proptest::collection::vec(any_row(), 0..8),
        numbers in proptest::collection::vec(any_number(), 8),
        code in 0..=255i32,
        passed in proptest::option::of(any::<bool>()),
        protocol in prop_oneof!["ATA", "NVMe", "SCSI", "USB"],
    ) {
        let mut json = answer(&json!({"device": {"protocol": protocol},
            "ata_smart_attributes": {"table": rows},
            "nvme_smart_health_information_log": {"media_errors": numbers[0],
                "percentage_used": numbers[1], "data_units_read": numbers[2],
                "available_spare": numbers[3], "available_spare_threshold": numbers[4]},
            "scsi_grown_defect_list": numbers[5], "temperature": {"current": numbers[6]},
            "power_on_time": {"hours": numbers[7]}}));
        if let Some(passed) = passed {
            json["smart_status"] = json!({"passed": passed});
        }
        let level = level(code, &json);
        if passed == Some(false) || code & 8 != 0 {
            prop_assert_eq!(level, Level::Failing);
        }
    }

    /// Half an answer is told as such.
    #[test]
    fn no_half_answer_is_taken_for_a_disk(cut in 0.0..1.0f64, code in 0..=255i32) {
        let whole = ata(7200, [0; 3]).to_string();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
        let end = (f64::from(u32::try_from(whole.len()).unwrap()) * cut) as usize;
        prop_assert!(Report::parse(Some(code), &whole.as_bytes()[..end]).is_err());
    }

    /// More bad sectors, or more growth, never make a disk better.
    #[test]
    fn worse_figures_never_give_a_better_verdict(
        counts in proptest::array::uniform3(0u64..160),
        grown in proptest::array::uniform3(0u64..12),
        more in proptest::array::uniform6(0u64..60),
        rotation in prop_oneof![Just(0u64), Just(7200)],
    ) {
        let growth = |grown: [u64; 3]| Growth {
            reallocated: grown[0],
            pending: grown[1],
            uncorrectable: grown[2],
            crc_errors: 0,
            again: grown.iter().sum::<u64>() > 9,
        };
        let level = |counts, grown| {
            let report = parse(0, &ata(rotation, counts));
            Verdict::of(&report, growth(grown), &Known::default()).level
        };
        let worse = std::array::from_fn(|place| counts[place] + more[place]);
        let faster = std::array::from_fn(|place| grown[place] + more[place + 3]);
        prop_assert!(level(worse, faster) >= level(counts, grown));
    }
}

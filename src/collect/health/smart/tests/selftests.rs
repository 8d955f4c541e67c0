use super::super::log::{ENDINGS, Ending, Log, Running};
use super::*;

fn log(more: &Json) -> Log {
    parse(0, &answer(more)).log
}

#[test]
fn every_kind_of_disk_tells_how_its_self_tests_ended() {
    let ata = |value: u64, passed: Json| {
        let mut status = json!({"value": value, "string": "x"});
        if !passed.is_null() {
            status["passed"] = passed;
        }
        let row = json!({"type": {"value": 1, "string": "Short offline"}, "status": status,
            "lifetime_hours": 42});
        json!({"ata_smart_self_test_log": {"standard": {"table": [row]}}})
    };
    let nvme = |value: u64| {
        let row = json!({"self_test_code": {"value": 2, "string": "Extended"},
            "self_test_result": {"value": value, "string": "y"}, "power_on_hours": 7});
        json!({"nvme_self_test_log": {"current_self_test_operation": {"value": 0},
            "table": [row, {}]}})
    };
    let scsi = |result: Json| {
        json!({"scsi_self_test_0": {"code": {"string": "Background short"}, "result": result,
            "power_on_time": {"hours": 9}}})
    };
    let (passed, failed, aborted) = (
        Some(Ending::Passed),
        Some(Ending::Failed),
        Some(Ending::Aborted),
    );
    for (json, want) in [
        (ata(0, json!(true)), passed),
        (ata(0, json!(null)), passed),
        (ata(0x79, json!(false)), failed),
        (ata(0x30, json!(null)), failed),
        (ata(0x10, json!(null)), aborted),
        (ata(0x29, json!(null)), aborted),
        (ata(0xf9, json!(null)), None),
        (nvme(0), passed),
        (nvme(1), aborted),
        (nvme(9), aborted),
        (nvme(5), failed),
        (nvme(7), failed),
        (nvme(15), None),
        (scsi(json!({"value": 0, "string": "Completed"})), passed),
        (scsi(json!({"value": 1, "string": "Aborted"})), aborted),
        (scsi(json!({"value": 5, "string": "z"})), failed),
        (scsi(json!({"value": 9, "string": "reserved"})), None),
        (scsi(json!({"string": "Completed"})), passed),
        (scsi(json!({"string": "Completed, segment failed"})), failed),
        (
            scsi(json!({"string": "Aborted (by user command)"})),
            aborted,
        ),
        (scsi(json!({"string": "?"})), None),
    ] {
        let log = log(&json);
        let ending = log.tests.first().map(|test| test.ending);
        assert_eq!((ending, log.running), (want, None), "{json}");
        assert!(ending.is_none_or(|ending| ENDINGS.contains(&ending.as_str())));
        assert_eq!(log.has_failed(), want == failed, "{json}");
    }
    assert_eq!(log(&scsi(json!({"value": 0}))).tests[0].hours, Some(9));
    assert_eq!(log(&ata(0, json!(true))).tests[0].kind, "Short offline");
}

#[test]
fn one_that_was_aborted_hides_no_error_of_the_one_before() {
    let rows = json!([{"status": {"value": 16}}, {"status": {"value": 121, "passed": false}},
        {"status": {"value": 0, "passed": true}}]);
    let log = log(
        &json!({"ata_smart_self_test_log": {"standard": {"table": rows},
        "extended": {"table": []}}}),
    );
    assert!(log.has_failed());
    assert_eq!(log.tests.len(), 3);
}

#[test]
fn one_that_runs_tells_what_remains_where_it_is_known() {
    let running = |remaining| Some(Running { remaining });
    for (json, want) in [
        (
            json!({"ata_smart_data": {"self_test": {"status":
                {"value": 249, "remaining_percent": 90}}}}),
            running(Some(90)),
        ),
        (
            json!({"ata_smart_data": {"self_test": {"status": {"value": 0}}}}),
            None,
        ),
        (
            json!({"nvme_self_test_log": {"current_self_test_operation": {"value": 1},
                "current_self_test_completion_percent": 30}}),
            running(Some(70)),
        ),
        (
            json!({"scsi_self_test_0": {"self_test_in_progress": true,
                "result": {"value": 15, "string": "Self test in progress ..."}}}),
            running(None),
        ),
        (
            json!({"scsi_self_test_0": {"result": {"value": 15}}}),
            running(None),
        ),
    ] {
        assert_eq!(log(&json).running, want, "{json}");
    }
}

//! What the simulated disks tell of their health, as smartctl would print it.

use serde_json::{Value, json};

use super::machine::Machine;

/// Each call of smartctl as a file of answers, with its text; the first line is the exit status.
pub(super) fn answers(machine: &Machine) -> [(&'static str, String); 7] {
    let devices = json!([
        {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
        {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
    ]);
    [
        (
            "smartctl --json --scan-open",
            answer(&json!({"devices": devices})),
        ),
        (
            "smartctl --json -n standby,3 -d sat -a _dev_sda",
            answer(&hdd(machine)),
        ),
        (
            "smartctl --json -n standby,3 -d nvme -a _dev_nvme0",
            answer(&ssd(machine)),
        ),
        ("smartctl --json -d sat -t short _dev_sda", begun()),
        ("smartctl --json -d sat -t long _dev_sda", begun()),
        ("smartctl --json -d nvme -t short _dev_nvme0", begun()),
        ("smartctl --json -d nvme -t long _dev_nvme0", begun()),
    ]
}

/// A self-test has begun.
fn begun() -> String {
    answer(&json!({}))
}

fn answer(body: &Value) -> String {
    let mut whole = json!({"json_format_version": [1, 0], "smartctl": {"version": [7, 4]}});
    if let (Some(whole), Some(body)) = (whole.as_object_mut(), body.as_object()) {
        whole.extend(body.clone());
    }
    format!("0\n{whole}\n")
}

/// A disk of some years with a few replaced sectors, as many have.
fn hdd(machine: &Machine) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the control's range is that of 16 bits"
    )]
    let replaced = machine.controls.get("disk_replaced_sectors") as u32;
    let row = |id: u32, name: &str, raw: u32| {
        json!({"id": id, "name": name, "value": 100, "worst": 100, "thresh": 5,
            "when_failed": "", "flags": {"prefailure": id == 5},
            "raw": {"value": raw, "string": raw.to_string()}})
    };
    json!({
        "device": {"name": "/dev/sda", "type": "sat", "protocol": "ATA"},
        "model_name": "WDC WD40EFRX-68N32N0", "serial_number": "WD-WCC7K0SIMULA",
        "rotation_rate": 5400, "smart_status": {"passed": true},
        "power_on_time": {"hours": 31_211},
        "temperature": {"current": machine.controls.get("disk_temperature_c").round()},
        "ata_smart_attributes": {"table": [
            row(5, "Reallocated_Sector_Ct", replaced),
            row(197, "Current_Pending_Sector", 0),
            row(198, "Offline_Uncorrectable", 0),
            row(199, "UDMA_CRC_Error_Count", 0),
        ]},
    })
}

fn ssd(machine: &Machine) -> Value {
    json!({
        "device": {"name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
        "model_name": "Samsung SSD 980 500GB", "serial_number": "S64DNL0SIMULATED",
        "smart_status": {"passed": true, "nvme": {"value": 0}},
        "temperature": {"current": (34.0 + 12.0 * machine.load()).round()},
        "nvme_smart_health_information_log": {
            "critical_warning": 0, "available_spare": 100, "available_spare_threshold": 10,
            "percentage_used": 7, "data_units_written": 41_250_000_u64,
            "power_on_hours": 12_844, "unsafe_shutdowns": 19, "media_errors": 0,
        },
    })
}

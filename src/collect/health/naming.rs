//! What people call the sensors of well-known chips. Drivers name them for engineers.

/// The label of a sensor: `chip` is the driver's name, `told` the driver's label, `file` what the
/// kernel's file is called (`temp3`), `first` whether it is the chip's first of its kind.
pub(super) fn label(chip: &str, told: Option<&str>, file: &str, first: bool) -> String {
    let told = told.map(str::trim);
    match (chip, told) {
        ("coretemp", Some(told)) => intel(told),
        ("k10temp" | "zenpower", Some(told)) => amd(told),
        ("cpu_thermal" | "cpu-thermal" | "soc_thermal", None) if first => "CPU".to_owned(),
        ("acpitz", None) if first => "Mainboard (ACPI)".to_owned(),
        ("amdgpu" | "radeon" | "nouveau" | "i915" | "xe", Some(told)) => format!("GPU {told}"),
        ("amdgpu" | "radeon" | "nouveau" | "i915" | "xe", None) if first => "GPU".to_owned(),
        (_, Some(told)) => format!("{chip} {told}"),
        (_, None) if first => chip.to_owned(),
        (_, None) => format!("{chip} {file}"),
    }
}

/// The label of a sensor inside a disk that people call `disk`.
pub(super) fn in_disk(disk: &str, told: Option<&str>, file: &str, first: bool) -> String {
    match told {
        // NVMe's one temperature that counts.
        Some("Composite") => disk.to_owned(),
        Some(told) => format!("{disk} {told}"),
        None if first => disk.to_owned(),
        None => format!("{disk} {file}"),
    }
}

fn intel(told: &str) -> String {
    if told == "Package id 0" {
        return "CPU package".to_owned();
    }
    if let Some(number) = told.strip_prefix("Package id ") {
        return format!("CPU package {number}");
    }
    match told.strip_prefix("Core ") {
        Some(number) => format!("CPU core {number}"),
        None => format!("CPU {told}"),
    }
}

/// `Tctl` is what the fan control goes by, `Tdie` the silicon, `Tccd<n>` one chiplet
/// (kernel documentation of `k10temp`).
fn amd(told: &str) -> String {
    match told.strip_prefix("Tccd") {
        Some(number) => format!("CPU chiplet {number}"),
        None => format!("CPU {told}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensors_are_called_as_people_call_them() {
        for (chip, told, first, want) in [
            ("coretemp", Some("Package id 0"), true, "CPU package"),
            ("coretemp", Some("Package id 1"), true, "CPU package 1"),
            ("coretemp", Some("Core 3"), false, "CPU core 3"),
            ("coretemp", Some("Other"), false, "CPU Other"),
            ("k10temp", Some("Tctl"), true, "CPU Tctl"),
            ("k10temp", Some("Tccd2"), false, "CPU chiplet 2"),
            ("cpu_thermal", None, true, "CPU"),
            ("acpitz", None, true, "Mainboard (ACPI)"),
            ("acpitz", None, false, "acpitz temp2"),
            ("amdgpu", Some("edge"), true, "GPU edge"),
            ("nouveau", None, true, "GPU"),
            ("nct6798", Some("SYSTIN"), true, "nct6798 SYSTIN"),
            ("nct6798", None, true, "nct6798"),
            ("nct6798", None, false, "nct6798 temp2"),
        ] {
            assert_eq!(label(chip, told, "temp2", first), want);
        }
        for (told, first, want) in [
            (Some("Composite"), true, "Disk"),
            (Some("Sensor 1"), false, "Disk Sensor 1"),
            (None, true, "Disk"),
            (None, false, "Disk temp2"),
        ] {
            assert_eq!(in_disk("Disk", told, "temp2", first), want);
        }
    }
}

//! The graphics card of the simulated machine, as the kernel's `amdgpu` shows it.

use std::io;
use std::os::unix::fs::symlink;

use super::machine::Machine;
use super::tree::{Files, chip};

/// Where it sits on the bus.
const DEVICE: &str = "pci0000:00/0000:03:00.0";
/// Its memory, bytes.
const MEMORY: f64 = 8_589_934_592.0;

/// What never changes.
pub(super) fn lay(sys: &Files) -> io::Result<()> {
    let sensors = [
        ("temp1_label", "edge"),
        ("temp1_crit", "100000"),
        ("power1_label", "PPT"),
        ("power1_cap", "130000000"),
    ];
    chip(sys, 3, "amdgpu", DEVICE, &sensors)?;
    let device = sys.dir(&format!("devices/{DEVICE}"))?;
    device.put("product_name", "Radeon RX 6600")?;
    device.put("mem_info_vram_total", format!("{MEMORY:.0}"))?;
    device.dir("power")?.put("runtime_status", "active")?;
    let driver = sys.dir("bus/pci/drivers/amdgpu")?;
    symlink(driver.path(), device.path().join("driver"))?;
    let card = sys.dir("class/drm/card0")?;
    symlink(device.path(), card.path().join("device"))
}

/// What it does now.
pub(super) fn write(devices: &Files, machine: &Machine) -> io::Result<()> {
    let load = machine.controls.get("gpu_pct") / 100.0;
    let device = devices.dir(DEVICE)?;
    device.put("gpu_busy_percent", format!("{:.0}\n", load * 100.0))?;
    let used = MEMORY * (0.08 + 0.7 * load);
    device.put("mem_info_vram_used", format!("{used:.0}\n"))?;
    let megahertz = 500.0 + 1_990.0 * load;
    device.put(
        "pp_dpm_sclk",
        format!("0: 500Mhz\n1: {megahertz:.0}Mhz *\n"),
    )?;
    let hwmon = device.dir("hwmon/hwmon3")?;
    hwmon.put(
        "temp1_input",
        format!("{:.0}\n", 38_000.0 + 34_000.0 * load),
    )?;
    hwmon.put("fan1_input", format!("{:.0}\n", 700.0 + 1_500.0 * load))?;
    hwmon.put("power1_average", format!("{:.0}\n", machine.gpu_w() * 1e6))
}

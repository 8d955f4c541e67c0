use std::ops::RangeInclusive;
use std::time::Duration;

/// Something a scenario can set.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) name: &'static str,
    pub(super) range: RangeInclusive<f64>,
    normal: f64,
}

const fn control(name: &'static str, range: RangeInclusive<f64>, normal: f64) -> Control {
    Control {
        name,
        range,
        normal,
    }
}

/// Everything a scenario can set, with the range it may have and what is normal.
pub(super) const CONTROLS: &[Control] = &[
    control("cpu_pct", 0.0..=100.0, 8.0),
    control("cpu_temperature_c", -40.0..=130.0, 44.0),
    control("disk_temperature_c", -40.0..=130.0, 38.0),
    control("cpu_fan_rpm", 0.0..=20_000.0, 1150.0),
    control("case_fan_rpm", 0.0..=20_000.0, 820.0),
    control("memory_used_pct", 0.0..=100.0, 46.0),
    control("root_used_pct", 0.0..=100.0, 37.0),
    control("media_used_pct", 0.0..=100.0, 61.0),
    control("disk_mb_s", 0.0..=10_000.0, 1.0),
    control("network_mbit_s", 0.0..=100_000.0, 3.0),
    control("sensor_fault", 0.0..=1.0, 0.0),
    control("gpu_pct", 0.0..=100.0, 2.0),
    control("mains", 0.0..=1.0, 1.0),
    control("room_temperature_c", -40.0..=60.0, 18.5),
    control("disk_replaced_sectors", 0.0..=65_535.0, 3.0),
    control("service_failed", 0.0..=1.0, 0.0),
    control("container_failed", 0.0..=1.0, 0.0),
];

/// The present setting of every control.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Controls(Vec<f64>);

impl Default for Controls {
    fn default() -> Self {
        Self(CONTROLS.iter().map(|control| control.normal).collect())
    }
}

impl Controls {
    fn index(name: &str) -> Option<usize> {
        CONTROLS.iter().position(|control| control.name == name)
    }

    /// The setting of `name`; 0 for a name that is none.
    pub(super) fn get(&self, name: &str) -> f64 {
        Self::index(name)
            .and_then(|index| self.0.get(index))
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn set(&mut self, name: &str, value: f64) {
        if let Some(slot) = Self::index(name).and_then(|index| self.0.get_mut(index)) {
            *slot = value;
        }
    }
}

/// How many cores the machine has.
pub(super) const CORES: u32 = 4;
/// Kernel ticks a second in `/proc/stat`.
pub(super) const HZ: f64 = 100.0;

/// The services that run on it and their share of the load: name, share, resident MiB.
pub(super) const SERVICES: &[(&str, f64, u64)] = &[
    ("jellyfin", 0.34, 812),
    ("home-assistant", 0.14, 431),
    ("nextcloud", 0.12, 388),
    ("postgres", 0.10, 296),
    ("immich", 0.09, 544),
    ("mosquitto", 0.01, 11),
    ("zigbee2mqtt", 0.03, 96),
    ("pihole-ftl", 0.02, 48),
    ("vaultwarden", 0.01, 37),
    ("caddy", 0.03, 42),
    ("restic", 0.11, 160),
];

/// The simulated machine: its controls, and counters that grow with them.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) controls: Controls,
    pub(super) uptime_s: f64,
    /// Busy ticks of all cores.
    pub(super) busy: f64,
    /// Idle ticks of all cores.
    pub(super) idle: f64,
    /// Sectors of 512 bytes read and written by the big disk.
    pub(super) sectors: f64,
    /// Milliseconds the big disk was busy.
    pub(super) disk_ms: f64,
    /// Bytes received by the network card.
    pub(super) received: f64,
    /// What the processor has used, J.
    pub(super) package: f64,
    /// What the whole machine has drawn at the wall, kWh.
    pub(super) wall: f64,
    /// How full the battery of its UPS is, %.
    pub(super) charge_pct: f64,
    /// What its case fan is driven with by hand, %; `None` while the board does it.
    pub(super) drive_pct: Option<f64>,
    wobble: u32,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            controls: Controls::default(),
            uptime_s: 0.0,
            busy: 0.0,
            idle: 0.0,
            sectors: 0.0,
            disk_ms: 0.0,
            received: 0.0,
            package: 0.0,
            wall: 0.0,
            charge_pct: 100.0,
            drive_pct: None,
            wobble: 0,
        }
    }
}

/// Where the processor's energy counter wraps, µJ.
pub(super) const RANGE: f64 = 262_143_328_850.0;

/// So fast the battery of the UPS fills and empties, % a second: a day takes minutes here.
const CHARGES: f64 = 0.2;
const DRAINS: f64 = 0.5;
/// What the board drives the case fan with by itself, %.
const BOARD_DRIVE: f64 = 55.0;

/// What the graphics card draws when it has nothing to do, W.
const IDLE_GPU_W: f64 = 7.0;

/// The machine was up this long when the simulation began.
const UP_BEFORE: f64 = 19.0 * 86_400.0;

impl Machine {
    /// Lets the counters grow up to `elapsed` since the start.
    pub(super) fn advance(&mut self, elapsed: Duration) {
        let uptime = UP_BEFORE + elapsed.as_secs_f64();
        let step = if self.uptime_s == 0.0 {
            UP_BEFORE
        } else {
            uptime - self.uptime_s
        };
        self.uptime_s = uptime;
        let load = (self.controls.get("cpu_pct") + self.noise(1.5)).clamp(0.0, 100.0) / 100.0;
        let ticks = step * HZ * f64::from(CORES);
        self.busy += ticks * load;
        self.idle += ticks * (1.0 - load);
        let bytes = self.controls.get("disk_mb_s") * 1e6 * step;
        self.sectors += bytes / 512.0;
        self.disk_ms += (bytes / 150e6 * 1000.0).min(step * 1000.0);
        self.package += step * (5.0 + 48.0 * load.powf(0.8));
        self.wall += step * self.wall_w() / 3.6e6;
        let charge = if self.controls.get("mains") >= 1.0 {
            CHARGES
        } else {
            -DRAINS
        };
        self.charge_pct = (self.charge_pct + charge * step).clamp(0.0, 100.0);
        self.received += self.controls.get("network_mbit_s") * 125_000.0 * step;
    }

    /// A small, repeatable disturbance within ±`size`: real sensors never stand still.
    pub(super) fn noise(&mut self, size: f64) -> f64 {
        // Numerical Recipes' linear congruential generator: good enough to wobble.
        self.wobble = self
            .wobble
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (f64::from(self.wobble >> 8) / f64::from(1u32 << 23) - 1.0) * size
    }

    /// What it draws at the wall, W.
    pub(super) fn wall_w(&self) -> f64 {
        31.0 + 64.0 * self.load().powf(0.8) + self.gpu_w() - IDLE_GPU_W
    }

    /// What its graphics card draws, W.
    pub(super) fn gpu_w(&self) -> f64 {
        IDLE_GPU_W + (self.controls.get("gpu_pct") - 2.0).max(0.0) * 1.1
    }

    /// How fast its case fan turns, rpm.
    pub(super) fn case_fan_rpm(&self) -> f64 {
        let drive = self.drive_pct.unwrap_or(BOARD_DRIVE);
        // From 20 % on it turns.
        if drive < 20.0 {
            return 0.0;
        }
        self.controls.get("case_fan_rpm") * drive / BOARD_DRIVE
    }

    /// Load as a share of one.
    pub(super) fn load(&self) -> f64 {
        self.controls.get("cpu_pct") / 100.0
    }
}

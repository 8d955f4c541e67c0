use super::health::chip::Chip;
use crate::host::Root;
use crate::model::{Device, slug};

/// Drivers of graphics cards, and who makes the cards.
pub(super) const DRIVERS: [(&str, &str); 5] = [
    ("amdgpu", "AMD"),
    ("radeon", "AMD"),
    ("nouveau", "NVIDIA"),
    ("i915", "Intel"),
    ("xe", "Intel"),
];

/// A graphics card as a device of its own; `place` is its address on the bus.
pub(super) fn card(place: &str, name: &str, maker: Option<&str>) -> Device {
    Device::Part {
        id: format!("gpu-{place}"),
        name: name.to_owned(),
        manufacturer: maker.map(str::to_owned),
        model: None,
        serial: None,
    }
}

/// What people call the card at the folder `device` below `sys`: what the kernel was told, else
/// its maker's.
pub(super) fn name(root: &Root, device: &str, maker: &str) -> String {
    let told = Root::read_trimmed(&root.sys(&format!("{device}/product_name")));
    told.unwrap_or_else(|| format!("{maker} graphics card"))
}

/// The graphics card whose sensors these are.
pub(super) fn of_chip(root: &Root, chip: &Chip) -> Option<Device> {
    let driver = slug(&chip.name);
    let (_, maker) = DRIVERS.iter().find(|(name, _)| *name == driver)?;
    let name = name(root, &format!("{}/device", chip.dir()), maker);
    Some(card(&chip.place(), &name, Some(maker)))
}

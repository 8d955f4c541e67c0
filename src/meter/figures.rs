/// What a meter, or one of its outlets or phases, says at one moment; what it does not say is
/// `None`. In the unit of each field's name, if the dialect's own unit is the right one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Figures {
    /// Watts, negative for what flows out.
    pub(crate) power_w: Option<f64>,
    /// The device's own counter of what flowed in, kWh.
    pub(crate) energy_kwh: Option<f64>,
    /// Its counter of what flowed out, kWh.
    pub(crate) returned_kwh: Option<f64>,
    /// Volts.
    pub(crate) voltage_v: Option<f64>,
    /// Amperes.
    pub(crate) current_a: Option<f64>,
    /// Apparent power, VA.
    pub(crate) apparent_va: Option<f64>,
    /// Reactive power, var.
    pub(crate) reactive_var: Option<f64>,
    /// Power factor, -1 to 1.
    pub(crate) factor: Option<f64>,
    /// Mains frequency, Hz.
    pub(crate) frequency_hz: Option<f64>,
    /// Whether the outlet is switched on.
    pub(crate) relay: Option<bool>,
}

/// The number of what is no outlet, phase or tariff but the device as a whole, in dialects whose
/// devices may also tell each of them.
pub(crate) const WHOLE: u8 = u8::MAX;

/// What one message says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    /// The figures of each outlet, phase or tariff, by its number in the device.
    pub(crate) parts: Vec<(u8, Figures)>,
    /// Whether the device (or its bridge) says that it is there.
    pub(crate) online: Option<bool>,
    /// It should have held figures and could not be read.
    pub(crate) unreadable: bool,
}

impl Heard {
    /// A message about one part.
    pub(crate) fn part(number: u8, figures: Figures) -> Self {
        let parts = if figures == Figures::default() {
            Vec::new()
        } else {
            vec![(number, figures)]
        };
        Self {
            parts,
            ..Self::default()
        }
    }

    /// A message about whether the device is there.
    pub(crate) fn online(online: Option<bool>) -> Self {
        Self {
            online,
            ..Self::default()
        }
    }

    /// A message that should have held figures.
    pub(crate) fn unreadable() -> Self {
        Self {
            unreadable: true,
            ..Self::default()
        }
    }
}

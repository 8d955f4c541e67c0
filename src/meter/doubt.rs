use std::fmt;

use crate::model::Short;

/// Why a meter's figures are not to be trusted as they stand. The text names the remedy where
/// there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Doubt {
    /// Less than nothing, W, on something that cannot feed in: the figure is withheld.
    Negative(f64),
    /// More than can be, W: withheld.
    TooMuch(f64, f64),
    /// Not a number: withheld.
    NoNumber,
    /// A thousandth of what volts and amperes make, W and VA: withheld.
    Kilowatts(f64, f64),
    /// A thousandth of what the counter counts: withheld.
    SlowPower,
    /// Neither volts nor amperes allow it, W and VA: told as it stands.
    MoreThanApparent(f64, f64),
    /// Watts while the outlet is off: taken as 0.
    RelayOff(f64),
    /// The counter stands still while power flows, or nothing at all changes any more.
    Frozen(f64),
    /// The counter grows faster than the most power allows: its energy is withheld.
    FastCounter,
    /// The counter was set forward: the step is not counted.
    Jumped,
    /// The counter goes to and fro.
    TwoVoices,
    /// It speaks as a whole and as several outlets: the whole is taken.
    Mixed,
    /// The counter's figure is none: withheld.
    NoCounter,
    /// Messages that cannot be read.
    Unreadable,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Negative(watts) => write!(
                f,
                "says {:.1} W, which nothing but a house that feeds in can draw; if its clamp is \
                 turned round set scale = -1, if it feeds in set feeds = \"house\"",
                Short(*watts)
            ),
            Self::TooMuch(watts, most) => {
                write!(
                    f,
                    "says {:.0} W, more than max_w = {most:.0} allows",
                    Short(*watts)
                )
            }
            Self::NoNumber => f.write_str("says watts that are no number"),
            Self::Kilowatts(watts, apparent) => write!(
                f,
                "says {} W while its volts and amperes make {:.0} VA; if it means kilowatts set \
                 power_unit = \"kW\"",
                Short(*watts),
                Short(*apparent)
            ),
            Self::SlowPower => f.write_str(
                "says a thousandth of the watts that its energy counter counts; if it means \
                 kilowatts set power_unit = \"kW\", if its counter counts Wh set energy_unit = \
                 \"Wh\"",
            ),
            Self::MoreThanApparent(watts, apparent) => write!(
                f,
                "says {:.0} W, more than its volts and amperes make ({apparent:.0} VA)",
                Short(*watts)
            ),
            Self::RelayOff(watts) => write!(
                f,
                "says {:.1} W while its outlet is off: an old figure, taken as 0",
                Short(*watts)
            ),
            Self::Frozen(watts) => {
                write!(
                    f,
                    "says {watts:.1} W and has not moved for long: it may hang"
                )
            }
            Self::FastCounter => f.write_str(
                "counts more energy than max_w allows; if its counter counts Wh set energy_unit \
                 = \"Wh\"",
            ),
            Self::Jumped => {
                f.write_str("its energy counter jumped forward; the step was not counted")
            }
            Self::TwoVoices => f.write_str(
                "its energy counter goes to and fro: two devices may speak under one name",
            ),
            Self::Mixed => f.write_str(
                "speaks now as a whole and now as several outlets, and the whole is taken; if one \
                 outlet is meant set channel, if two devices have one name give each its own",
            ),
            Self::NoCounter => f.write_str("its energy counter shows what no counter can"),
            Self::Unreadable => f.write_str("sends messages that cannot be read"),
        }
    }
}

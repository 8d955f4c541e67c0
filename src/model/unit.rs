/// The unit of a metric. Home Assistant's classes, Prometheus suffixes and axis labels derive
/// from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Electric power, W.
    Watt,
    /// Apparent power, VA.
    VoltAmpere,
    /// Reactive power, var.
    Var,
    /// Energy, kWh.
    KilowattHour,
    /// Electric tension, V.
    Volt,
    /// Electric current, A.
    Ampere,
    /// Temperature, °C.
    Celsius,
    /// Revolutions per minute.
    Rpm,
    /// A share of a hundred.
    Percent,
    /// Bytes.
    Byte,
    /// Bytes per second.
    BytePerSecond,
    /// Bits per second.
    BitPerSecond,
    /// Operations (or other events) per second.
    PerSecond,
    /// Seconds.
    Second,
    /// Milliseconds.
    Millisecond,
    /// Hertz.
    Hertz,
    /// Megahertz.
    Megahertz,
    /// Money, in the owner's currency (an ISO 4217 code from the configuration).
    Money,
    /// Money for a kWh.
    MoneyPerKilowattHour,
    /// Mass, kg.
    Kilogram,
    /// Mass for a kWh, g/kWh.
    GramPerKilowattHour,
    /// A plain number or something that is no number at all.
    None,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 22] = [
        Self::Watt,
        Self::VoltAmpere,
        Self::Var,
        Self::KilowattHour,
        Self::Volt,
        Self::Ampere,
        Self::Celsius,
        Self::Rpm,
        Self::Percent,
        Self::Byte,
        Self::BytePerSecond,
        Self::BitPerSecond,
        Self::PerSecond,
        Self::Second,
        Self::Millisecond,
        Self::Hertz,
        Self::Megahertz,
        Self::Money,
        Self::MoneyPerKilowattHour,
        Self::Kilogram,
        Self::GramPerKilowattHour,
        Self::None,
    ];

    /// How the unit is written for people.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Watt => "W",
            Self::VoltAmpere => "VA",
            Self::Var => "var",
            Self::KilowattHour => "kWh",
            Self::Volt => "V",
            Self::Ampere => "A",
            Self::Celsius => "°C",
            Self::Rpm => "rpm",
            Self::Percent => "%",
            Self::Byte => "B",
            Self::BytePerSecond => "B/s",
            Self::BitPerSecond => "bit/s",
            Self::PerSecond => "/s",
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Hertz => "Hz",
            Self::Megahertz => "MHz",
            Self::MoneyPerKilowattHour => "/kWh",
            Self::Kilogram => "kg",
            Self::GramPerKilowattHour => "g/kWh",
            Self::Money | Self::None => "",
        }
    }

    /// How a JSON key that carries this unit ends; empty for [`Unit::None`] and for money
    /// (which ends in the currency's code, which only the configuration knows).
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Watt => "_w",
            Self::VoltAmpere => "_va",
            Self::Var => "_var",
            Self::KilowattHour => "_kwh",
            Self::Volt => "_v",
            Self::Ampere => "_a",
            Self::Celsius => "_c",
            Self::Rpm => "_rpm",
            Self::Percent => "_pct",
            Self::Byte => "_bytes",
            Self::BytePerSecond => "_bytes_per_s",
            Self::BitPerSecond => "_bits_per_s",
            Self::PerSecond => "_per_s",
            Self::Second => "_s",
            Self::Millisecond => "_ms",
            Self::Hertz => "_hz",
            Self::Megahertz => "_mhz",
            Self::Kilogram => "_kg",
            Self::GramPerKilowattHour => "_g_per_kwh",
            Self::Money | Self::MoneyPerKilowattHour | Self::None => "",
        }
    }
}

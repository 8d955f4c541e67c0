use serde_json::{Map, Value as Json, json};

use crate::model::{Category, FlagMeaning, Kind, Metric, Unit};

/// One entity as discovery describes it, without the keys that name the node or the installation
/// (those are added when it is sent, so that it can be kept over a rename).
pub type Component = Map<String, Json>;

/// How a number is shown: the only place that maps units to Home Assistant's classes. Which
/// classes go with which units and state classes is fixed by Home Assistant; anything else makes
/// it log a warning or refuse the entity.
struct Shape {
    device_class: Option<&'static str>,
    unit: Option<&'static str>,
    state_class: Option<&'static str>,
    /// Divides the published figure.
    divisor: u64,
}

/// Bytes of which a dead band makes a figure one in MiB instead of GiB.
const SMALL_CHANGE: f64 = 10_485_760.0;

const MEASUREMENT: Option<&str> = Some("measurement");
const INCREASING: Option<&str> = Some("total_increasing");

const fn shape(unit: Unit, total: bool) -> Shape {
    /// The classes that allow every state class.
    const fn free(total: bool) -> Option<&'static str> {
        if total { INCREASING } else { MEASUREMENT }
    }
    let (device_class, unit, state_class, divisor) = match unit {
        Unit::Watt => (Some("power"), Some("W"), MEASUREMENT, 1),
        Unit::VoltAmpere => (Some("apparent_power"), Some("VA"), MEASUREMENT, 1),
        Unit::Var => (Some("reactive_power"), Some("var"), MEASUREMENT, 1),
        // The energy class is for meters only: with a figure that also falls, it warns.
        Unit::KilowattHour if total => (Some("energy"), Some("kWh"), INCREASING, 1),
        Unit::KilowattHour => (None, Some("kWh"), MEASUREMENT, 1),
        Unit::Volt => (Some("voltage"), Some("V"), MEASUREMENT, 1),
        Unit::Ampere => (Some("current"), Some("A"), MEASUREMENT, 1),
        Unit::Celsius => (Some("temperature"), Some("°C"), MEASUREMENT, 1),
        Unit::Rpm => (None, Some("rpm"), free(total), 1),
        Unit::Percent => (None, Some("%"), free(total), 1),
        Unit::Byte => (Some("data_size"), Some("GiB"), free(total), 1 << 30),
        Unit::BytePerSecond => (Some("data_rate"), Some("kB/s"), MEASUREMENT, 1_000),
        Unit::BitPerSecond => (Some("data_rate"), Some("Mbit/s"), MEASUREMENT, 1_000_000),
        Unit::PerSecond => (None, Some("/s"), free(total), 1),
        Unit::Second => (Some("duration"), Some("s"), free(total), 1),
        Unit::Millisecond => (Some("duration"), Some("ms"), free(total), 1),
        Unit::Hertz => (Some("frequency"), Some("Hz"), MEASUREMENT, 1),
        Unit::Megahertz => (Some("frequency"), Some("MHz"), MEASUREMENT, 1),
        // The unit is the currency, which stands in the key. Of the state classes only `total`
        // goes with money, and it means a sum.
        Unit::Money if total => (Some("monetary"), None, Some("total"), 1),
        Unit::Money => (Some("monetary"), None, None, 1),
        // A price is no sum of money; its unit is made of the currency.
        Unit::MoneyPerKilowattHour => (None, None, MEASUREMENT, 1),
        Unit::Kilogram => (None, Some("kg"), free(total), 1),
        Unit::GramPerKilowattHour => (None, Some("g/kWh"), MEASUREMENT, 1),
        Unit::None => (None, None, free(total), 1),
    };
    Shape {
        device_class,
        unit,
        state_class,
        divisor,
    }
}

/// The entity of `metric` on the subject whose state topic is `topic`, called `name`.
pub fn component(metric: &Metric, topic: &str, name: &str) -> Component {
    let mut out = Component::new();
    let mut put = |key: &str, value: Json| {
        out.insert(key.to_owned(), value);
    };
    let key = metric.key;
    let mut platform = "sensor";
    let mut template = format!("{{{{ value_json.get('{key}') }}}}");
    match metric.kind {
        Kind::Gauge => number(metric, false, &mut put, &mut template),
        Kind::Total => number(metric, true, &mut put, &mut template),
        Kind::Flag(meaning) => {
            platform = "binary_sensor";
            put("pl_on", json!("True"));
            put("pl_off", json!("False"));
            // Unlike a sensor, a binary sensor logs an error when the message is empty.
            template = format!("{{{{ (value_json|default({{}})).get('{key}') }}}}");
            match meaning {
                FlagMeaning::Problem => put("dev_cla", json!("problem")),
                FlagMeaning::Running => put("dev_cla", json!("running")),
                FlagMeaning::Connected => put("dev_cla", json!("connectivity")),
                FlagMeaning::Plain => {}
            }
        }
        Kind::State(options) => {
            put("dev_cla", json!("enum"));
            put("ops", json!(options));
        }
        Kind::Moment => put("dev_cla", json!("timestamp")),
        // A state has at most 255 characters.
        Kind::Text => {
            template =
                format!("{{{{ value_json['{key}'][:255] if value_json.get('{key}') else None }}}}");
        }
    }
    put("p", json!(platform));
    put("name", json!(name));
    put("stat_t", json!(topic));
    put("val_tpl", json!(template));
    place(metric.category, &mut put);
    out
}

/// Where an entity stands on the page of its device.
pub(super) fn place(category: Category, put: &mut impl FnMut(&str, Json)) {
    match category {
        Category::Primary => {}
        Category::Diagnostic => put("ent_cat", json!("diagnostic")),
        Category::Hidden => {
            put("ent_cat", json!("diagnostic"));
            put("en", json!(false));
        }
    }
}

fn number(metric: &Metric, total: bool, put: &mut impl FnMut(&str, Json), template: &mut String) {
    let key = metric.key;
    let shape = shape(metric.unit, total);
    let currency = metric.currency();
    let is_money = metric.unit == Unit::Money;
    if is_money && currency.is_none() {
        // Money without a currency in its key is a plain number: the class asks for a code.
        put(
            "stat_cla",
            json!(if total { "total" } else { "measurement" }),
        );
    } else {
        if let Some(class) = battery(metric).or(shape.device_class) {
            put("dev_cla", json!(class));
        }
        if let Some(class) = shape.state_class {
            put("stat_cla", json!(class));
        }
    }
    let is_price = metric.unit == Unit::MoneyPerKilowattHour;
    let money = currency.map(|code| {
        if is_price {
            format!("{code}/kWh")
        } else {
            code
        }
    });
    if let Some(unit) = money.or_else(|| shape.unit.map(str::to_owned)) {
        put("unit_of_meas", json!(unit));
    }
    let mut decimals = metric.decimals;
    let mut divisor = shape.divisor;
    // The smallest change that matters tells how large a thing is: a process, not a disk.
    let is_small = metric.dead_band > 0.0 && metric.dead_band <= SMALL_CHANGE;
    if metric.unit == Unit::Byte && is_small {
        divisor = 1 << 20;
        put("unit_of_meas", json!("MiB"));
    }
    if divisor != 1 {
        decimals = decimals.max(2);
        *template = format!(
            "{{{{ (value_json['{key}'] / {divisor}) | round(4) if value_json.get('{key}') is number \
             else None }}}}"
        );
    }
    put("sug_dsp_prc", json!(decimals));
}

/// A share that is a battery's charge is drawn as a battery.
fn battery(metric: &Metric) -> Option<&'static str> {
    let key = metric.key;
    // How worn one is is no charge.
    let is_charge =
        key.starts_with("battery") && !key.contains("health") || key.starts_with("charge");
    (metric.unit == Unit::Percent && metric.kind == Kind::Gauge && is_charge).then_some("battery")
}

/// So many decimals are shown at most.
const MOST: u8 = 6;
/// What is less than this is left over from reckoning, and is nothing.
const NOTHING: f64 = 1e-9;

/// A number with so many decimals, its minus a minus; never `-0`. One that would look like nothing
/// and is not gets more decimals.
pub fn number(value: f64, decimals: u8) -> String {
    let (text, is_zero) = fixed(value, decimals);
    if !is_zero || value.abs() < NOTHING {
        return text;
    }
    let mut finer = decimals.saturating_add(1)..=MOST;
    match finer.find(|decimals| !fixed(value, *decimals).1) {
        Some(decimals) => fixed(value, decimals.saturating_add(1)).0,
        None if value < 0.0 => ">−0.000001".to_owned(),
        None => "<0.000001".to_owned(),
    }
}

/// With exactly so many decimals, and whether nothing but zeros is seen.
fn fixed(value: f64, decimals: u8) -> (String, bool) {
    let text = format!("{value:.*}", usize::from(decimals.min(MOST)));
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let is_zero = digits.chars().all(|c| c == '0' || c == '.');
    let text = match text.strip_prefix('-') {
        Some(rest) if !is_zero => format!("−{rest}"),
        Some(rest) => rest.to_owned(),
        None => text,
    };
    (text, is_zero)
}

/// A number as programs get it: to a thousandth of what people are shown, and to four significant
/// digits at least, so that sums of it are right.
pub(in crate::report) fn exact(value: f64, decimals: u8) -> f64 {
    if value.abs() < NOTHING {
        return 0.0;
    }
    let mut scale = 10_f64.powi(i32::from(decimals.min(MOST)) + 3);
    while (value * scale).abs() < 1000.0 {
        scale *= 10.0;
    }
    (value * scale).round() / scale
}

/// A number with its unit.
pub fn quantity(value: f64, unit: &str, decimals: u8) -> String {
    let number = number(value, decimals);
    if unit.is_empty() {
        number
    } else {
        format!("{number} {unit}")
    }
}

/// A number with exactly so many decimals, even if nothing is left of it.
pub(super) fn rounded(value: f64, decimals: u8) -> String {
    fixed(value, decimals).0
}

/// What is a number at all.
pub(super) fn known(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

//! Tables with a row for each part: the hottest, fans, disks, filesystems, arrays.

use super::{Past, ROWS, text};
use crate::predict::Kind;
use crate::report::{Cell, Column, ReportError, Table};

/// So many of the hottest parts are shown.
const HOTTEST: usize = 10;
/// Over a longer period every single sample would take too long for a mean, h.
const MEANS: f64 = 35.0 * 24.0;

/// How a cell of a part is read.
enum Read {
    /// The newest of a figure.
    Newest(&'static str),
    /// The least of a figure.
    Least(&'static str),
    /// The greatest of a figure.
    Greatest(&'static str),
    /// The newest word of a state.
    Word(&'static str),
    /// Whatever else.
    By(fn(&Past<'_>, &str) -> Result<Cell, ReportError>),
}

impl Read {
    fn cell(&self, past: &Past<'_>, id: &str) -> Result<Cell, ReportError> {
        let extreme = |key: &str, pick: fn(f64, f64) -> f64| -> Result<Cell, ReportError> {
            let values = past.points(id, key)?.into_iter().map(|(_, value)| value);
            Ok(values.reduce(pick).into())
        };
        match self {
            Self::Newest(key) => Ok(past.newest(id, key)?.into()),
            Self::Least(key) => extreme(key, f64::min),
            Self::Greatest(key) => extreme(key, f64::max),
            Self::Word(key) => Ok(text(past.word(id, key)?)),
            Self::By(read) => read(past, id),
        }
    }
}

/// A table whose first column is the name of each of `ids`, and the others as they are read.
fn table(
    past: &Past<'_>,
    (id, title, name): (&'static str, &str, &str),
    ids: Vec<&str>,
    fields: Vec<(Column, Read)>,
) -> Result<Table, ReportError> {
    let row = |part: &str| -> Result<Vec<Cell>, ReportError> {
        let cells = fields.iter().map(|(_, read)| read.cell(past, part));
        std::iter::once(Ok(past.label(part).into()))
            .chain(cells)
            .collect()
    };
    let rows: Result<Vec<_>, ReportError> = ids.into_iter().take(ROWS).map(row).collect();
    let rows = rows?;
    let columns = fields.into_iter().map(|(column, _)| column);
    let first = Column::text(&name.to_lowercase(), name);
    Ok(Table {
        id,
        title: title.to_owned(),
        columns: std::iter::once(first).chain(columns).collect(),
        rows,
        ..Table::default()
    })
}

pub(super) fn hottest(past: &Past<'_>) -> Result<Table, ReportError> {
    let degrees = |key: &str, label: &str| Column::number(key, label, "°C", 1);
    let mut hottest = Vec::new();
    for id in past.subjects("temp-", "temperature_c") {
        if let Cell::Number(most) = Read::Greatest("temperature_c").cell(past, id)? {
            hottest.push((id, most));
        }
    }
    hottest.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let ids = hottest.into_iter().take(HOTTEST).map(|(id, _)| id);
    let table = table(
        past,
        ("hottest", "Hottest parts", "Part"),
        ids.collect(),
        vec![
            (degrees("min_c", "Least"), Read::Least("temperature_c")),
            (degrees("mean_c", "Mean"), Read::By(mean)),
            (
                degrees("max_c", "Greatest"),
                Read::Greatest("temperature_c"),
            ),
            (
                degrees("critical_c", "Critical"),
                Read::Newest("critical_c"),
            ),
        ],
    )?;
    Ok(Table {
        bar: Some("max_c"),
        ..table
    })
}

/// The mean temperature.
fn mean(past: &Past<'_>, id: &str) -> Result<Cell, ReportError> {
    let span = past.question.frame.span;
    let (mut sum, mut count) = (0.0, 0_u32);
    if span.hours() <= MEANS {
        let series = format!("health/{id}/temperature_c");
        let add = |_, value: f64| {
            sum += value;
            count += 1;
            true
        };
        (past.question.store).each_sample(&series, span.from, span.to, add)?;
    }
    Ok((count > 0).then(|| sum / f64::from(count)).into())
}

pub(super) fn fans(past: &Past<'_>) -> Result<Table, ReportError> {
    let speed = |key: &str, label: &str| Column::number(key, label, "rpm", 0);
    table(
        past,
        ("fans", "Fans", "Fan"),
        past.subjects("fan-", "fan_rpm"),
        vec![
            (speed("min_rpm", "Least"), Read::Least("fan_rpm")),
            (speed("max_rpm", "Greatest"), Read::Greatest("fan_rpm")),
            (speed("last_rpm", "Last"), Read::Newest("fan_rpm")),
        ],
    )
}

/// The greatest temperature of a disk: smartctl is asked seldom, its sensor each tick.
fn warmest(past: &Past<'_>, id: &str) -> Result<Cell, ReportError> {
    let mut most = None;
    for id in [
        id.to_owned(),
        format!("temp-{id}"),
        format!("temp-{id}-composite"),
    ] {
        if let Cell::Number(degrees) = Read::Greatest("temperature_c").cell(past, &id)? {
            most = Some(most.map_or(degrees, |most: f64| most.max(degrees)));
        }
    }
    Ok(most.into())
}

pub(super) fn disks(past: &Past<'_>) -> Result<Table, ReportError> {
    let reason = |past: &Past<'_>, id: &str| {
        let known = past.known.get(&format!("health/{id}"));
        Ok(text(known.and_then(|known| known.reason.clone())))
    };
    let number = Column::number;
    table(
        past,
        ("disks", "Disks", "Disk"),
        past.subjects("disk-", "verdict"),
        vec![
            (Column::text("verdict", "Verdict"), Read::Word("verdict")),
            (Column::text("reason", "Reason"), Read::By(reason)),
            (number("max_c", "Warmest", "°C", 0), Read::By(warmest)),
            (number("wear_pct", "Wear", "%", 0), Read::Newest("wear_pct")),
            (
                number("reallocated", "Replaced sectors", "", 0),
                Read::Newest("reallocated"),
            ),
            (
                number("pending", "Pending sectors", "", 0),
                Read::Newest("pending"),
            ),
            (
                number("power_on_hours", "On for", "h", 0),
                Read::Newest("power_on_hours"),
            ),
        ],
    )
}

pub(super) fn filesystems(past: &Past<'_>) -> Result<Table, ReportError> {
    let free = |past: &Past<'_>, id: &str| {
        let free = past.newest(id, "free_bytes")?;
        Ok(free.map(|bytes| bytes / 1_073_741_824.0).into())
    };
    let table = table(
        past,
        ("filesystems", "Filesystems", "Filesystem"),
        past.subjects("fs-", "used_pct"),
        vec![
            (
                Column::number("used_pct", "Used", "%", 1),
                Read::Newest("used_pct"),
            ),
            (Column::number("free_gib", "Free", "GiB", 1), Read::By(free)),
            (
                Column::text("full", "Full"),
                Read::By(|past, id| Ok(past.due(Kind::Space, id).into())),
            ),
        ],
    )?;
    Ok(Table {
        bar: Some("used_pct"),
        ..table
    })
}

pub(super) fn arrays(past: &Past<'_>) -> Result<Table, ReportError> {
    let state = |past: &Past<'_>, id: &str| {
        Ok(match past.word(id, "state")? {
            Some(state) => state.into(),
            None => match past.newest(id, "degraded")? {
                Some(degraded) if degraded > 0.5 => "degraded".into(),
                Some(_) => "ok".into(),
                None => Cell::Unknown,
            },
        })
    };
    table(
        past,
        ("arrays", "Arrays and pools", "Array"),
        past.subjects("", "degraded"),
        vec![(Column::text("state", "State"), Read::By(state))],
    )
}

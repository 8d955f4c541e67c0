use super::Known;
use super::past;
use super::usage::Share;
use crate::power::{Owner, Sum};
use crate::report::{Cell, Column, Document, Question, ReportError, Table, quantity};
use crate::store::SeriesKind;

/// So many rows a table has; what follows is told together.
const ROWS: usize = 20;

/// What services are told is no measurement.
const SHARED: &str =
    "Shared out by who used processor, graphics and disks; no meter tells them apart.";

/// What the energy went to, the most first.
pub(super) fn services(known: &Known, document: &mut Document) {
    let mut parts: Vec<(&Share, Sum)> = known
        .now
        .parts
        .iter()
        .map(|(share, sum)| (share, *sum))
        .collect();
    parts.sort_by(|(_, a), (_, b)| b.energy_kwh.total_cmp(&a.energy_kwh));
    let before = |share: &Share| Some(known.before.parts.get(share)?.energy_kwh);
    let last = |share: &Share| Some(known.last_year.as_ref()?.parts.get(share)?.energy_kwh);
    // As the machine's own mean: over the time that was watched, however short.
    let hours = Some(known.now.watched_h).filter(|hours| *hours > 0.0);
    let currency = known.currency().filter(|_| known.now.cost.is_some());
    let rows = parts.iter().take(ROWS).map(|(share, sum)| {
        let mut row = vec![
            share.label().into(),
            sum.energy_kwh.into(),
            (sum.energy_kwh / known.now.known_kwh * 100.0).into(),
        ];
        row.extend(currency.map(|_| Cell::from(sum.cost)));
        row.push(hours.map(|hours| sum.energy_kwh * 1000.0 / hours).into());
        row.push(before(share).into());
        row.push(last(share).into());
        row
    });
    let mut columns = vec![
        Column::text("service", "Service"),
        Column::number("energy_kwh", "Energy", "kWh", 2),
        Column::number("share_pct", "Share", "%", 0),
    ];
    columns.extend(currency.map(|code| cost(code, 2)));
    columns.push(Column::number("mean_w", "Mean", "W", 1));
    columns.push(Column::number("before_kwh", "Before", "kWh", 2));
    columns.push(Column::number("last_year_kwh", "Last year", "kWh", 2));
    let rows: Vec<Vec<Cell>> = rows.collect();
    let more = remainder(parts.iter().skip(ROWS).map(|(_, sum)| sum.energy_kwh));
    let remark = format!("{SHARED} {more}").trim_end().to_owned();
    document.table(Table {
        id: "services",
        title: "What the energy went to".to_owned(),
        columns,
        rows,
        bar: Some("energy_kwh"),
        remark,
    });
}

/// What single commands used.
pub(super) fn processes(known: &Known, document: &mut Document) {
    let mut all: Vec<(&Owner, &Sum)> = known.now.processes.iter().collect();
    all.sort_by(|(_, a), (_, b)| b.energy_kwh.total_cmp(&a.energy_kwh));
    let currency = known.currency().filter(|_| known.now.cost.is_some());
    let rows = all.iter().take(ROWS).map(|(owner, sum)| {
        let mut row = vec![
            Cell::from(owner.command.as_str()),
            owner.service.as_str().into(),
            sum.energy_kwh.into(),
        ];
        row.extend(currency.map(|_| Cell::from(sum.cost)));
        row.push(sum.peak_w.into());
        row.push(
            known
                .before
                .processes
                .get(owner)
                .map(|sum| sum.energy_kwh)
                .into(),
        );
        row
    });
    let mut columns = vec![
        Column::text("process", "Process"),
        Column::text("service", "Service"),
        Column::number("energy_kwh", "Energy", "kWh", 3),
    ];
    columns.extend(currency.map(|code| cost(code, 3)));
    columns.push(Column::number("peak_w", "Peak", "W", 1));
    columns.push(Column::number("before_kwh", "Before", "kWh", 3));
    document.table(Table {
        id: "processes",
        title: "Processes".to_owned(),
        columns,
        rows: rows.collect(),
        bar: Some("energy_kwh"),
        remark: remainder(all.iter().skip(ROWS).map(|(_, sum)| sum.energy_kwh)),
    });
}

/// What each meter counted, whatever hangs on it.
pub(super) fn meters(question: &Question<'_>, document: &mut Document) -> Result<(), ReportError> {
    let frame = &question.frame;
    let mut rows = Vec::new();
    for info in question.store.series() {
        let name = info.id.strip_prefix("power/meter-");
        let name = name.and_then(|rest| rest.strip_suffix("/energy_kwh"));
        let (Some(name), SeriesKind::Total) = (name, info.kind) else {
            continue;
        };
        let counted = |span| -> Result<Cell, ReportError> {
            let counted = past::counted(question.store, &info.id, &[span])?;
            Ok(counted.into_iter().next().flatten().into())
        };
        let now = counted(frame.span)?;
        if now != Cell::Unknown {
            let last_year = frame.last_year.map(counted).transpose()?;
            rows.push(vec![
                name.into(),
                now,
                counted(frame.before)?,
                last_year.unwrap_or(Cell::Unknown),
            ]);
        }
    }
    document.table(Table {
        id: "meters",
        title: "Machines and meters".to_owned(),
        columns: vec![
            Column::text("meter", "Meter"),
            energy("energy_kwh", "Energy"),
            energy("before_kwh", "Before"),
            energy("last_year_kwh", "Last year"),
        ],
        rows,
        bar: Some("energy_kwh"),
        remark: "Counted by the meters themselves; one may measure this machine.".to_owned(),
    });
    Ok(())
}

/// A column of kilowatt-hours.
pub(super) fn energy(key: &str, label: &str) -> Column {
    Column::number(key, label, "kWh", 2)
}

/// The column of what something cost.
pub(super) fn cost(currency: &str, decimals: u8) -> Column {
    let key = format!("cost_{}", currency.to_ascii_lowercase());
    Column::number(&key, "Cost", currency, decimals)
}

fn remainder(rest: impl Iterator<Item = f64>) -> String {
    let (count, sum) = rest.fold((0, 0.0), |(count, sum), energy| (count + 1, sum + energy));
    match count {
        0 => String::new(),
        _ => format!("{count} more used {} together.", quantity(sum, "kWh", 2)),
    }
}

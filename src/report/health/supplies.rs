//! UPSes, and when they ran on their batteries.

use jiff::Timestamp;

use super::{POINTS, Past, ROWS};
use crate::report::{Column, Document, Figure, ReportError, Table};

impl Past<'_> {
    pub(super) fn supplies(&self, document: &mut Document) -> Result<(), ReportError> {
        let (mut figures, mut rows) = (Vec::new(), Vec::new());
        for id in self.subjects("ups-", "on_battery") {
            let outages = self.outages(id)?;
            let whole: f64 = outages.iter().map(|(from, to)| minutes(*from, *to)).sum();
            let label = self.label(id);
            let count = outages.len();
            let name = format!("{label} on battery");
            let figure = Figure::new(format!("{id}_on_battery_min"), &name, "min", 1);
            let figure = figure.with(Some(whole), None, None);
            figures.push(figure.remark(match count {
                0 => "never".to_owned(),
                1 => "once".to_owned(),
                _ => format!("{count} times"),
            }));
            for (from, to) in outages.into_iter().rev().take(ROWS) {
                let charges = self.question.store.query(
                    &format!("health/{id}/charge_pct"),
                    from,
                    to,
                    Some(POINTS),
                );
                let charges = charges.unwrap_or_default().into_iter();
                let lowest = charges.filter_map(|point| point.value).reduce(f64::min);
                rows.push(vec![
                    label.clone().into(),
                    self.moment(from).into(),
                    minutes(from, to).into(),
                    lowest.into(),
                ]);
            }
        }
        document.figures("ups", "UPS", figures);
        document.table(Table {
            id: "outages",
            title: "Outages of the mains".to_owned(),
            columns: vec![
                Column::text("ups", "UPS"),
                Column::text("from", "From"),
                Column::number("length_min", "Length", "min", 1),
                Column::number("lowest_charge_pct", "Lowest charge", "%", 0),
            ],
            rows,
            ..Table::default()
        });
        Ok(())
    }

    /// When it ran on its battery: from, to.
    fn outages(&self, id: &str) -> Result<Vec<(Timestamp, Timestamp)>, ReportError> {
        let span = self.question.frame.span;
        let mut outages: Vec<(Timestamp, Timestamp)> = Vec::new();
        let mut open = false;
        let series = format!("health/{id}/on_battery");
        self.question
            .store
            .each_sample(&series, span.from, span.to, |at, value| {
                let on = value > 0.5;
                match outages.last_mut().filter(|_| open) {
                    // Also at the sample that says that it is over.
                    Some((_, to)) => *to = at,
                    None if on => outages.push((at, at)),
                    None => {}
                }
                open = on;
                true
            })?;
        Ok(outages)
    }
}

fn minutes(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / 60.0
}

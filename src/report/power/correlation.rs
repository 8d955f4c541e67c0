use super::charts::share_at;
use super::past;
use crate::report::{Cell, Column, Document, Question, ReportError, Table};

/// What watts may go with: its word in the series, and for people.
const DOINGS: [(&str, &str); 4] = [
    ("cpu", "Processor"),
    ("graphics", "Graphics"),
    ("disk", "Disks"),
    ("network", "Network"),
];

/// How closely the watts went with what the machine did.
pub(super) fn tell(question: &Question<'_>, document: &mut Document) -> Result<(), ReportError> {
    let span = question.frame.span;
    let read = |key: &str, what: &str| -> Result<Vec<f64>, ReportError> {
        let series = format!("power/correlation/{key}_{what}");
        let mut values = past::values(question.store, &series, span)?;
        values.sort_by(f64::total_cmp);
        Ok(values)
    };
    let mut rows = Vec::new();
    for (key, label) in DOINGS {
        let (ties, lags) = (read(key, "correlation")?, read(key, "lag_s")?);
        if let Some(median) = share_at(&ties, 0.5) {
            rows.push(vec![
                Cell::from(label),
                word(median).into(),
                median.into(),
                share_at(&ties, 0.1).into(),
                share_at(&ties, 0.9).into(),
                share_at(&lags, 0.5).into(),
            ]);
        }
    }
    document.table(Table {
        id: "correlation",
        title: "What the watts go with".to_owned(),
        columns: vec![
            Column::text("activity", "Activity"),
            Column::text("strength", "Tie"),
            Column::number("coefficient", "Coefficient", "", 2),
            Column::number("low", "Low", "", 2),
            Column::number("high", "High", "", 2),
            Column::number("lag_s", "Watts follow by", "s", 0),
        ],
        rows,
        bar: None,
        remark:
            "Pearson's coefficient of measured watts with each activity over an hour at a time: \
                 1 is in step, 0 has nothing to do with it. The median; eight in ten times it lay \
                 between low and high."
                .to_owned(),
    });
    Ok(())
}

/// How a coefficient is called.
const fn word(coefficient: f64) -> &'static str {
    match coefficient {
        0.7.. => "close",
        0.4.. => "clear",
        0.2.. => "loose",
        ..=-0.4 => "against it",
        _ => "none",
    }
}

//! The history as text for other programs.

use std::io::{self, Write};

use crate::model::Timestamp;

use super::{Store, StoreError};

/// How the history is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// `series,ts,value,unit` with a line of names first.
    Csv,
    /// One JSON object a line, with the same keys.
    JsonLines,
}

impl Store {
    /// Writes every sample from `from` to `to` of the series that `wanted` says yes to, series by
    /// series, and returns how many there were. Days whose single samples are gone are written
    /// by the hour, least and greatest.
    pub fn export(
        &self,
        format: ExportFormat,
        from: Timestamp,
        to: Timestamp,
        wanted: impl Fn(&str) -> bool,
        out: &mut dyn Write,
    ) -> Result<u64, StoreError> {
        let io = |error: io::Error| StoreError::Io(format!("export: {error}"));
        if format == ExportFormat::Csv {
            writeln!(out, "series,ts,value,unit").map_err(io)?;
        }
        let mut count = 0;
        for info in self.series() {
            if !wanted(&info.id) {
                continue;
            }
            let mut written = Ok(());
            self.each_sample(&info.id, from, to, |at, value| {
                written = match format {
                    ExportFormat::Csv => {
                        writeln!(out, "{},{at:.3},{value},{}", info.id, info.unit)
                    }
                    ExportFormat::JsonLines => {
                        let object = serde_json::json!({
                            "series": info.id,
                            "ts": format!("{at:.3}"),
                            "value": value,
                            "unit": info.unit,
                        });
                        writeln!(out, "{object}")
                    }
                };
                count += 1;
                written.is_ok()
            })?;
            written.map_err(io)?;
        }
        out.flush().map_err(io)?;
        Ok(count)
    }
}

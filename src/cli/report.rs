use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::{Failure, load};
use crate::app;
use crate::config::{Config, Sources};
use crate::host::{Clock, Memory};
use crate::local::{self, LocalError, ReportRequest};
use crate::power::DayBook;
use crate::report::{self, Asked, Basis, Format, Period, Reports};
use crate::store::Collection;

/// `homewatch report …`
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// What it is about
    #[arg(value_parser = PossibleValuesParser::new(report::names()))]
    area: String,
    /// day, week, month or year (so far), yesterday, last-week, last-month, last-year, a date
    /// such as 2026-05-31, 2026-05 or 2026, or FROM..TO
    #[arg(long, default_value = "month")]
    period: String,
    /// About another node that a meter of this one feeds (`feeds = "node-NAME"`)
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Shown::Text)]
    format: Shown,
    /// Write it to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shown {
    /// For this terminal
    Text,
    /// For programs
    Json,
    /// For a spreadsheet
    Csv,
    /// One page with everything in it, for a browser
    Html,
}

impl From<Shown> for Format {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Text => Self::Text,
            Shown::Json => Self::Json,
            Shown::Csv => Self::Csv,
            Shown::Html => Self::Html,
        }
    }
}

/// `homewatch report AREA`: by the running service, else from the store as it lies there.
pub(super) fn run(args: ReportArgs, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let period: Period = match args.period.parse() {
        Ok(period) => period,
        Err(error) => return Err(Failure::Usage(format!("--period {}: {error}", args.period))),
    };
    let config = load(sources)?;
    if let Err(error) = period.place(Clock::Real.now(), &report::time_zone(&config)) {
        return Err(Failure::Usage(format!("--period {}: {error}", args.period)));
    }
    let format = Format::from(args.format);
    let mut text = Vec::new();
    match local::find(&config.data_dir) {
        Ok(dir) => {
            let request = ReportRequest {
                name: args.area,
                period: args.period,
                node: args.node,
                format,
            };
            local::report(&dir, request, &mut text)?;
        }
        Err(LocalError::NotRunning) => {
            let node = args.node;
            let document = reports(config)?.make(&args.area, &Asked { period, node })?;
            text = format.render(&document).into_bytes();
        }
        Err(error) => return Err(error.into()),
    }
    match args.output {
        Some(file) => std::fs::write(&file, text)
            .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?,
        None => out.write_all(&text)?,
    }
    Ok(())
}

/// Reports from the store as it lies there; reading one must not make one.
fn reports(config: Config) -> Result<Reports, Failure> {
    let store = super::store::open(&config)?;
    let kept = store.all(Collection::Memory)?;
    Ok(Reports::new(Basis {
        memory: Memory::new(kept),
        book: DayBook::default(),
        node: app::node_name(&config, &app::host(&config.host)),
        clock: Clock::Real,
        config: Arc::new(config),
        store,
    }))
}

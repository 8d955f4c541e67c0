use std::io::{self, Write};
use std::path::{self, PathBuf};

use clap::{Args, ValueEnum};

use super::{Failure, load};
use crate::config::{Config, Sources};
use crate::host::Clock;
use crate::local::{self, Export, LocalError, Request};
use crate::model::Timestamp;
use crate::store::{self, ExportFormat, Store};

/// The file of `homewatch backup` and `homewatch restore`.
#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The backup
    file: PathBuf,
}

/// `homewatch export …`
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// As what it is written
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// From when on, such as 2026-05-01T00:00:00Z [default: the beginning]
    #[arg(long)]
    from: Option<Timestamp>,
    /// Until when [default: now]
    #[arg(long)]
    to: Option<Timestamp>,
    /// Only series like this, such as 'health/temp-*'; may be given more than once
    #[arg(long, value_name = "PATTERN")]
    series: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// series,ts,value,unit
    Csv,
    /// One JSON object a line
    Jsonl,
}

/// `homewatch backup FILE`: by the running service, else from the store as it lies there.
pub(super) fn backup(
    args: &FileArgs,
    sources: &Sources,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = load(sources)?;
    let file = path::absolute(&args.file)?;
    let dir = match local::find(&config.data_dir) {
        Ok(dir) => {
            local::ask(&dir, &Request::Backup { file: file.clone() })?;
            dir
        }
        Err(LocalError::NotRunning) => {
            open(&config)?.backup(&file)?;
            config.data_dir
        }
        Err(error) => return Err(error.into()),
    };
    writeln!(out, "{} is copied to {}", dir.display(), file.display())?;
    Ok(())
}

/// `homewatch restore FILE`.
pub(super) fn restore(
    args: &FileArgs,
    sources: &Sources,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = load(sources)?;
    let former = store::restore(&args.file, &config.data_dir)?;
    writeln!(
        out,
        "{} is in place in {}",
        args.file.display(),
        config.data_dir.display()
    )?;
    if let Some(former) = former {
        writeln!(
            out,
            "the store that was there is kept as {}",
            former.display()
        )?;
    }
    Ok(())
}

/// `homewatch export`: by the running service, else from the store as it lies there.
pub(super) fn export(
    args: &ExportArgs,
    sources: &Sources,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = load(sources)?;
    let wanted = Export {
        format: match args.format {
            Format::Csv => ExportFormat::Csv,
            Format::Jsonl => ExportFormat::JsonLines,
        },
        from: args.from.unwrap_or(Timestamp::UNIX_EPOCH),
        to: args.to.unwrap_or_else(|| Clock::Real.now()),
        series: args.series.clone(),
    };
    match local::find(&config.data_dir) {
        Ok(dir) => local::export(&dir, wanted, out)?,
        Err(LocalError::NotRunning) => {
            let store = open(&config)?;
            let mut out = io::BufWriter::new(out);
            store.export(
                wanted.format,
                wanted.from,
                wanted.to,
                |id| wanted.wants(id),
                &mut out,
            )?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// The store as it lies there; reading one must not make one.
pub(super) fn open(config: &Config) -> Result<Store, Failure> {
    let dir = &config.data_dir;
    if !Store::exists(dir) {
        return Err(anyhow::anyhow!("there is no store in {}", dir.display()).into());
    }
    Ok(Store::open_with(dir, &config.history)?)
}

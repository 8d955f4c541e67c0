use std::io::Write;

use super::{Failure, load};
use crate::config::Sources;

/// `homewatch check`.
pub(super) fn run(sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    load(sources)?;
    let files = sources.files();
    if files.is_empty() {
        writeln!(
            out,
            "No configuration file; the built-in defaults are fine."
        )?;
    }
    for file in files {
        writeln!(out, "{}: fine", file.display())?;
    }
    Ok(())
}

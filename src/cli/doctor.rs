use std::io::Write;

use clap::Args;

use super::{Failure, load, runtime};
use crate::config::Sources;
use crate::doctor::{self, Finding, Verdict};

/// `homewatch doctor …`
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Also sends a test message to the phone
    #[arg(long)]
    push: bool,
}

/// `homewatch doctor`: what was found here, what is missing and how to get it. Fails if something
/// that is configured cannot work.
pub(super) fn run(
    args: &DoctorArgs,
    sources: &Sources,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let config = load(sources)?;
    let findings = runtime()?.block_on(doctor::examine(&config, args.push));
    let mut failed = false;
    let mut chapter = "";
    for finding in &findings {
        if finding.chapter != chapter {
            chapter = finding.chapter;
            writeln!(out, "\n{chapter}")?;
        }
        failed |= finding.verdict == Verdict::Broken;
        write(finding, out)?;
    }
    if failed {
        writeln!(
            out,
            "\nSomething that is configured cannot work: see \"broken\" above."
        )?;
        return Err(Failure::Told);
    }
    Ok(())
}

fn write(finding: &Finding, out: &mut dyn Write) -> std::io::Result<()> {
    let word = match finding.verdict {
        Verdict::Fine => "ok",
        Verdict::Absent => "-",
        Verdict::Hint => "hint",
        Verdict::Broken => "broken",
    };
    writeln!(out, "  {word:<7} {}", finding.text)?;
    match &finding.remedy {
        Some(remedy) => writeln!(out, "          → {remedy}"),
        None => Ok(()),
    }
}

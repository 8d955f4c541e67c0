use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::load::Load;
use super::{Failure, load, service};
use crate::config::Sources;
use crate::local;
use crate::model::spoken;
use crate::power::{News, Outcome, Wish};

/// Busier than this without any load of ours, %, is worth a word.
const CALM_PCT: f64 = 10.0;

/// `homewatch power …`.
#[derive(Debug, Args)]
pub(super) struct PowerArgs {
    #[command(subcommand)]
    command: PowerCommand,
}

#[derive(Debug, Subcommand)]
enum PowerCommand {
    /// Teach the power model by five loads (0, 10, 30, 60 and 100 % of all processors, made here
    /// at the lowest priority) beside a meter that measures this machine alone. Some minutes with
    /// a meter that speaks every few seconds. Ctrl-C ends the load at once and changes nothing.
    Calibrate(CalibrateArgs),
}

#[derive(Debug, Args)]
struct CalibrateArgs {
    /// Measure and tell, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// How long each load is held, in seconds [default: as long as the meter needs].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(2..=1800))]
    seconds_per_point: Option<u32>,
}

pub(super) fn run(args: &PowerArgs, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    let PowerCommand::Calibrate(args) = &args.command;
    let config = load(sources)?;
    let dir = service::find(&config.data_dir)?;
    let wish = Wish {
        seconds_per_point: args.seconds_per_point,
        dry_run: args.dry_run,
    };
    let load = Load::new()?;
    let mut screen = Screen {
        out,
        redraws: io::stdout().is_terminal(),
        is_open: false,
    };
    let mut failed = None;
    local::calibrate(&dir, wish, |news| {
        if let News::Load { load_pct, .. } = news {
            load.set(load_pct);
        }
        if let News::Stopped { why } = &news {
            load.set(0);
            failed = Some(why.clone());
        }
        screen.show(&news)
    })?;
    match failed {
        None => Ok(()),
        Some(why) => Err(anyhow::anyhow!("stopped, nothing was changed: {why}").into()),
    }
}

/// Where it is told.
struct Screen<'a> {
    out: &'a mut dyn Write,
    /// What is seen is told on one line that is written over.
    redraws: bool,
    is_open: bool,
}

impl Screen<'_> {
    fn show(&mut self, news: &News) -> io::Result<()> {
        let line = line(news);
        let passes = matches!(news, News::Seen { .. });
        if self.is_open {
            write!(self.out, "\r\x1b[K")?;
        }
        self.is_open = passes && self.redraws;
        if self.is_open {
            write!(self.out, "{line}")?;
        } else if !line.is_empty() {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }
}

fn line(news: &News) -> String {
    let time = |seconds: u64| spoken(Duration::from_secs(seconds.max(1)));
    match news {
        News::Begun {
            meter,
            meter_interval_s,
            total_s,
        } => {
            let often = meter_interval_s.map_or_else(String::new, |seconds| {
                format!(", which speaks every {}", time(seconds))
            });
            let hint = if meter_interval_s.is_some_and(|seconds| seconds > 60) {
                "\nThe less often a meter speaks the longer it takes: a Tasmota plug speaks every \
                 10 s after \"TelePeriod 10\" on its console."
            } else {
                ""
            };
            let total = time(*total_s);
            format!("Five loads beside {meter}{often}: about {total} in all.{hint}")
        }
        News::Load {
            point: (number, count),
            load_pct,
        } => format!("point {number} of {count}: {load_pct} % load"),
        News::Seen {
            usage_pct,
            watts,
            readings,
            left_s: (point, all),
        } => {
            let usage = usage_pct.map_or_else(String::new, |usage| format!(" at {usage:.0} % use"));
            let count = match readings {
                0 => "settling".to_owned(),
                1 => "1 reading".to_owned(),
                more => format!("{more} readings"),
            };
            let left = match point {
                0 => "waiting for the meter".to_owned(),
                _ => format!("{} left, {} in all", time(*point), time(*all)),
            };
            format!("  {watts:.1} W{usage}, {count}, {left}")
        }
        News::Point {
            usage_pct,
            watts,
            readings,
        } => format!("  measured: {watts:.1} W at {usage_pct:.1} % use ({readings} readings)"),
        News::Done(outcome) => outcome_of(outcome),
        // Told as the error of the command.
        News::Stopped { .. } => String::new(),
    }
}

fn outcome_of(outcome: &Outcome) -> String {
    let Outcome {
        idle_w,
        max_w,
        check_pct,
        error_pct,
        before_pct,
        kept,
        points,
    } = outcome;
    let before = before_pct.map_or_else(
        || "nothing was estimated before".to_owned(),
        |before| format!("what was estimated before was off by {before:.1} % there"),
    );
    let (usage, _) = points.first().copied().unwrap_or_default();
    let busy = if usage > CALM_PCT {
        format!(
            "\nthe machine was at work meanwhile ({usage:.0} % use without any load from here): \
             what it draws idle is reckoned, so repeat it when it is calm"
        )
    } else {
        String::new()
    };
    let kept = if *kept {
        "The running service estimates by it from now on, and goes on learning."
    } else {
        "A dry run: nothing was changed."
    };
    format!(
        "idle {idle_w:.1} W, full load {max_w:.1} W; estimates within {error_pct:.1} % nine times \
         in ten\nreckoned from the others each point is off by {check_pct:.1} %; {before}{busy}\n{kept}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<News> {
        vec![
            News::Begun {
                meter: "Plug".to_owned(),
                meter_interval_s: Some(300),
                total_s: 4_600,
            },
            News::Load {
                point: (1, 5),
                load_pct: 0,
            },
            News::Seen {
                usage_pct: Some(3.0),
                watts: 21.0,
                readings: 0,
                left_s: (40, 240),
            },
            News::Seen {
                usage_pct: None,
                watts: 21.0,
                readings: 1,
                left_s: (0, 200),
            },
            News::Point {
                usage_pct: 3.0,
                watts: 21.0,
                readings: 3,
            },
            News::Done(Outcome {
                idle_w: 20.0,
                max_w: 70.0,
                points: Vec::new(),
                check_pct: 2.0,
                error_pct: 3.5,
                before_pct: None,
                kept: true,
            }),
        ]
    }

    fn shown(redraws: bool) -> String {
        let mut out = Vec::new();
        let mut screen = Screen {
            out: &mut out,
            redraws,
            is_open: false,
        };
        for news in all() {
            screen.show(&news).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_step_is_told_on_a_line_of_its_own() {
        let text = shown(false);
        for part in [
            "beside Plug, which speaks every 5",
            "TelePeriod 10",
            "point 1 of 5: 0 % load",
            "21.0 W at 3 % use, settling, 40",
            "1 reading, waiting for the meter",
            "measured: 21.0 W at 3.0 % use (3 readings)",
            "idle 20.0 W, full load 70.0 W",
            "nothing was estimated before",
            "from now on",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("at work"), "{text}");
        assert!(!text.contains('\r'));
    }

    #[test]
    fn on_a_terminal_what_passes_is_written_over() {
        let text = shown(true);
        assert_eq!(text.matches("\r\x1b[K").count(), 2, "{text:?}");
        let dry = outcome_of(&Outcome {
            idle_w: 1.0,
            max_w: 2.0,
            points: vec![(22.0, 1.5), (100.0, 2.0)],
            check_pct: 1.0,
            error_pct: 3.0,
            before_pct: Some(12.0),
            kept: false,
        });
        assert!(dry.contains("off by 12.0 %") && dry.contains("dry run"));
        assert!(dry.contains("22 % use without any load"), "{dry}");
        let why = String::new();
        assert_eq!(line(&News::Stopped { why }), "");
    }
}

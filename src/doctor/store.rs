use std::path::Path;

use rustix::fs::Access;

use super::{Finding, Verdict, is_running};
use crate::config::Config;
use crate::http::Tokens;
use crate::model::{Metric, Unit, figure};
use crate::store::Store;

const CHAPTER: &str = "Store and access";

static FREE: Metric = Metric::gauge("free_bytes", "Free", Unit::Byte);

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let dir = config.data_dir.display();
    let store = if is_running(config) {
        Finding::new(
            CHAPTER,
            Verdict::Fine,
            format!("{dir}, in use by the running homewatch"),
        )
    } else if !Store::exists(&config.data_dir) {
        make(&config.data_dir)
    } else {
        match Store::open_with(&config.data_dir, &config.history) {
            Ok(_) => Finding::new(CHAPTER, Verdict::Fine, format!("{dir} can be used")),
            Err(error) => Finding::new(CHAPTER, Verdict::Broken, error.to_string()),
        }
    };
    let mut findings = vec![store];
    if let Ok(stat) = rustix::fs::statvfs(&config.data_dir) {
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        let free = (stat.f_bavail * stat.f_frsize) as f64;
        let text = format!("{} free there", figure(Some(&FREE), free));
        let enough = stat.f_bavail * stat.f_frsize > config.history.max_size;
        findings.push(if enough {
            Finding::new(CHAPTER, Verdict::Fine, text)
        } else {
            Finding::new(
                CHAPTER,
                Verdict::Hint,
                format!("{text}, less than history.max_size"),
            )
            .with("make room, put data_dir on a larger disk, or lower history.max_size")
        });
    }
    findings.push(match Tokens::new(&config.data_dir).list() {
        Ok(tokens) if tokens.is_empty() => Finding::new(
            CHAPTER,
            Verdict::Hint,
            "no access token yet: nobody can read over REST",
        )
        .with("homewatch token add phone --scope read,ack"),
        Ok(tokens) => Finding::new(
            CHAPTER,
            Verdict::Fine,
            format!("{} access token(s)", tokens.len()),
        ),
        Err(error) => Finding::new(CHAPTER, Verdict::Broken, error.to_string()),
    });
    findings
}

/// Whether the first start could make the folder.
fn make(dir: &Path) -> Finding {
    let there = dir.ancestors().find(|dir| dir.exists());
    let place = match there {
        Some(place) if !place.as_os_str().is_empty() => place,
        _ => Path::new("."),
    };
    let shown = dir.display();
    if rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Finding::new(
            CHAPTER,
            Verdict::Fine,
            format!("{shown} is made at the first start"),
        );
    }
    let text = format!(
        "{shown} cannot be made: {} may not be written",
        place.display()
    );
    Finding::new(CHAPTER, Verdict::Broken, text)
        .with("set data_dir to a folder that the user running homewatch may write")
}

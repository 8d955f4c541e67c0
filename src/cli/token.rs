use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};

use crate::host::Clock;
use crate::http::{Scope, Tokens};

/// `homewatch token …`
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub(super) action: TokenAction,
}

/// What to do with access tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenAction {
    /// Makes a token and shows it, this once
    Add {
        /// Its name, such as "phone"
        name: String,
        /// What it allows, separated by commas
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        scope: Vec<Scope>,
        /// Also draws it as a QR code
        #[arg(long)]
        qr: bool,
    },
    /// Lists tokens by name, never the tokens themselves
    List,
    /// Ends a token; a running service knows it within a second
    Revoke {
        /// Its name
        name: String,
    },
}

/// Does it, in `data_dir`, and tells on `out`. Works while the service runs. Blocks.
pub(super) fn run(
    args: TokenArgs,
    data_dir: &Path,
    clock: &Clock,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let tokens = Tokens::new(data_dir);
    match args.action {
        TokenAction::Add { name, scope, qr } => {
            let token = tokens.add(&name, &scope, clock.now())?;
            writeln!(out, "{token}")?;
            if qr {
                let code = qrcode::QrCode::new(token.as_bytes())?;
                let picture = code.render::<qrcode::render::unicode::Dense1x2>().build();
                writeln!(out, "{picture}")?;
            }
            writeln!(out, "Keep it now: it is not shown again. Send it as")?;
            writeln!(out, "Authorization: Bearer {token}")?;
        }
        TokenAction::List => {
            let list = tokens.list()?;
            if list.is_empty() {
                writeln!(
                    out,
                    "no tokens; `homewatch token add phone --scope read,ack`"
                )?;
            }
            for (name, token) in list {
                let scopes: Vec<_> = token.scopes.iter().map(|scope| scope.as_str()).collect();
                writeln!(
                    out,
                    "{name:<20} {:<18} {:.0}",
                    scopes.join(","),
                    token.created
                )?;
            }
        }
        TokenAction::Revoke { name } => {
            tokens.revoke(&name)?;
            writeln!(out, "revoked {name}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: TokenArgs,
    }

    fn tell(words: &str, dir: &Path) -> anyhow::Result<String> {
        let line = Line::try_parse_from(format!("token {words}").split(' '))?;
        let mut out = Vec::new();
        run(
            line.args,
            dir,
            &Clock::set_to(jiff::Timestamp::UNIX_EPOCH),
            &mut out,
        )?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn a_token_is_made_listed_and_revoked() {
        let dir = tempfile::tempdir().unwrap();
        assert!(tell("list", dir.path()).unwrap().contains("token add"));
        let shown = tell("add phone --scope read,ack --qr", dir.path()).unwrap();
        let token = shown.lines().next().unwrap().to_owned();
        assert!(token.starts_with("hw_") && shown.contains('█'), "{shown}");
        let list = tell("list", dir.path()).unwrap();
        assert!(
            list.contains("phone") && list.contains("read,ack"),
            "{list}"
        );
        assert!(!list.contains(&token));
        tell("revoke phone", dir.path()).unwrap();
        assert!(tell("revoke phone", dir.path()).is_err());
    }

    #[test]
    fn no_scope_and_an_unknown_one_are_usage_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(tell("add phone", dir.path()).is_err());
        assert!(tell("add phone --scope all", dir.path()).is_err());
        assert!(tell("list", dir.path()).unwrap().contains("no tokens"));
    }
}

//! The UPS of the simulated home: a server that speaks NUT's protocol, as `upsd` does.

use std::io;
use std::net::{SocketAddr, TcpListener};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::watch;

use super::machine::Machine;

/// What hangs on it can be so much, W.
const NOMINAL: f64 = 550.0;
/// The network cabinet hangs on it as well, W.
const CABINET: f64 = 14.3;
/// A full battery carries 1 W for so long, s.
const WATT_SECONDS: f64 = 180_000.0;
/// The longest line that is read of a client, bytes.
const LONGEST: u64 = 1_024;

/// The UPS as it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Supply {
    mains: bool,
    charge_pct: f64,
    watts: f64,
}

impl Supply {
    /// The UPS of `machine`.
    pub(super) fn of(machine: &Machine) -> Self {
        Self {
            mains: machine.controls.get("mains") >= 1.0,
            charge_pct: machine.charge_pct,
            watts: machine.wall_w() + CABINET,
        }
    }

    fn answer(&self, line: &str) -> String {
        match line {
            "LIST UPS" => "BEGIN LIST UPS\nUPS rack \"Rack UPS\"\nEND LIST UPS\n".to_owned(),
            "LIST VAR rack" => self.variables(),
            "LOGOUT" => "OK Goodbye\n".to_owned(),
            "STARTTLS" => "ERR FEATURE-NOT-CONFIGURED\n".to_owned(),
            _ => "ERR UNKNOWN-COMMAND\n".to_owned(),
        }
    }

    fn variables(&self) -> String {
        let status = match (self.mains, self.charge_pct < 20.0, self.charge_pct < 99.0) {
            (true, _, true) => "OL CHRG",
            (true, _, false) => "OL",
            (false, true, _) => "OB DISCHRG LB",
            (false, false, _) => "OB DISCHRG",
        };
        let volts = if self.mains { 231.0 } else { 0.0 };
        let runtime = WATT_SECONDS * self.charge_pct / 100.0 / self.watts.max(1.0);
        let load = self.watts / NOMINAL * 100.0;
        let rows = [
            ("device.mfr", "Eaton".to_owned()),
            ("device.model", "Ellipse PRO 850".to_owned()),
            ("device.serial", "G000SIMULATED".to_owned()),
            ("ups.status", status.to_owned()),
            ("ups.load", format!("{load:.0}")),
            ("ups.realpower", format!("{:.0}", self.watts)),
            ("ups.realpower.nominal", format!("{NOMINAL:.0}")),
            ("battery.charge", format!("{:.0}", self.charge_pct)),
            ("battery.runtime", format!("{runtime:.0}")),
            ("input.voltage", format!("{volts:.1}")),
            ("output.voltage", "230.0".to_owned()),
        ];
        let row = |(name, value): &(&str, String)| format!("VAR rack {name} \"{value}\"\n");
        let rows: String = rows.iter().map(row).collect();
        format!("BEGIN LIST VAR rack\n{rows}END LIST VAR rack\n")
    }
}

/// Where the server listens, on a port that was free.
pub(super) fn bind() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves one client after the other until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    supply: watch::Receiver<Supply>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        if let Err(error) = talk(client, &supply).await {
            tracing::debug!(%error, "a client of the simulated UPS has gone");
        }
    }
}

async fn talk(client: tokio::net::TcpStream, supply: &watch::Receiver<Supply>) -> io::Result<()> {
    let (read, mut write) = client.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = String::new();
        if (&mut read).take(LONGEST).read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let answer = supply.borrow().answer(line);
        write.write_all(answer.as_bytes()).await?;
        if line == "LOGOUT" {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_it_stands_in_nut_s_words() {
        let told = |mains, charge_pct| {
            let supply = Supply {
                mains,
                charge_pct,
                watts: 100.0,
            };
            supply.answer("LIST VAR rack")
        };
        for (mains, charge, words) in [
            (true, 100.0, "ups.status \"OL\""),
            (true, 60.0, "ups.status \"OL CHRG\""),
            (false, 60.0, "ups.status \"OB DISCHRG\""),
            (false, 10.0, "ups.status \"OB DISCHRG LB\""),
            (true, 50.0, "battery.runtime \"900\""),
            (false, 50.0, "input.voltage \"0.0\""),
        ] {
            let told = told(mains, charge);
            assert!(told.contains(words), "{told}");
        }
    }

    #[tokio::test]
    async fn a_client_is_answered_until_it_has_enough() {
        let (listener, address) = bind().unwrap();
        let (_keep, supply) = watch::channel(Supply::default());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(serve(listener, supply));
        // One that goes without a word holds up nobody.
        drop(tokio::net::TcpStream::connect(address).await.unwrap());
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"STARTTLS\nLIST UPS\nHELP\nLOGOUT\n")
            .await
            .unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        assert_eq!(
            told,
            "ERR FEATURE-NOT-CONFIGURED\nBEGIN LIST UPS\nUPS rack \"Rack UPS\"\nEND LIST UPS\n\
             ERR UNKNOWN-COMMAND\nOK Goodbye\n"
        );
    }
}

//! The containers of the simulated home: the socket of an engine that speaks Docker's interface.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// Their names and images. The last one is the one that a scenario can fell.
const CONTAINERS: [(&str, &str); 3] = [
    ("paperless", "ghcr.io/paperless-ngx/paperless-ngx:2.14"),
    ("grafana", "grafana/grafana-oss:11.3.0"),
    ("frigate", "ghcr.io/blakeblackshear/frigate:0.14.1"),
];

/// Answers at `socket` until it is dropped; `down` tells whether the last container has failed.
pub(super) async fn serve(socket: &Path, down: watch::Receiver<bool>) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    loop {
        let (client, _) = listener.accept().await?;
        let down = *down.borrow();
        if let Err(error) = talk(client, down).await {
            tracing::debug!(%error, "a client of the simulated engine has gone");
        }
    }
}

async fn talk(mut client: UnixStream, down: bool) -> io::Result<()> {
    let mut request = vec![0; 2_048];
    let length = client.read(&mut request).await?;
    request.truncate(length);
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match answer(path, down) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", json!({"message": "no such container"})),
    };
    let text = format!("HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}");
    client.write_all(text.as_bytes()).await
}

fn answer(path: &str, down: bool) -> Option<Value> {
    let all = CONTAINERS.iter().enumerate();
    let id = |index: usize| format!("{:064x}", 0x51_u64 + index as u64);
    let is_down = |index: usize| down && index + 1 == CONTAINERS.len();
    if path.starts_with("/containers/json") {
        let listed = all.map(|(index, (name, image))| {
            let (state, status) = if is_down(index) {
                ("exited", "Exited (137) 2 minutes ago")
            } else {
                ("running", "Up 19 days (healthy)")
            };
            json!({"Id": id(index), "Names": [format!("/{name}")], "Image": image,
                "State": state, "Status": status})
        });
        return Some(listed.collect());
    }
    let wanted = path.strip_prefix("/containers/")?.strip_suffix("/json")?;
    let (index, _) = all.into_iter().find(|(index, _)| id(*index) == wanted)?;
    let down = is_down(index);
    Some(json!({"RestartCount": 0, "State": {
        "ExitCode": if down { 137 } else { 0 }, "OOMKilled": down}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(socket: &Path, path: &str) -> String {
        let mut client = UnixStream::connect(socket).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).await.unwrap();
        told
    }

    #[tokio::test]
    async fn containers_are_listed_and_one_can_fail() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        let (fell, down) = watch::channel(false);
        let mut tasks = tokio::task::JoinSet::new();
        let served = socket.clone();
        tasks.spawn(async move { serve(&served, down).await });
        while !socket.exists() {
            tokio::task::yield_now().await;
        }
        let told = ask(&socket, "/containers/json?all=1").await;
        assert!(
            told.contains("paperless") && !told.contains("exited"),
            "{told}"
        );
        fell.send_replace(true);
        let told = ask(&socket, "/containers/json?all=1").await;
        assert!(told.contains("Exited (137)"), "{told}");
        let last = format!("/containers/{:064x}/json", 0x53);
        assert!(ask(&socket, &last).await.contains("\"OOMKilled\":true"));
        assert!(
            ask(&socket, "/containers/none/json")
                .await
                .starts_with("HTTP/1.0 404")
        );
    }
}

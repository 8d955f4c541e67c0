//! The one HTTP client against servers that behave and servers that do not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::net::SocketAddr;
use std::time::Duration;

use homewatch::host::{Host, Http, HttpError};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that answers one request with these bytes and hangs up; gives back what was asked.
async fn once(answer: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 4096];
        let count = socket.read(&mut asked).await.unwrap();
        asked.truncate(count);
        // The client may have hung up before the end, which is what some tests are about.
        drop(socket.write_all(&answer).await);
        drop(socket.shutdown().await);
        String::from_utf8(asked).unwrap()
    });
    (address, task)
}

async fn get(http: &Http, address: SocketAddr) -> Result<homewatch::host::Answer, HttpError> {
    let request = http.request(Method::GET, &format!("http://{address}/secret-path"))?;
    http.exchange(request).await
}

#[tokio::test]
async fn an_answer_has_status_fields_and_body_and_the_server_learns_our_name() {
    let answer = "HTTP/1.1 429 Too Many\r\nRetry-After: 17\r\nContent-Length: 2\r\n\r\nno";
    let (address, asked) = once(answer.as_bytes().to_vec()).await;
    let answer = get(&Host::real().http, address).await.unwrap();
    assert_eq!((answer.status, answer.is_success()), (429, false));
    assert_eq!(answer.retry_after(), Some(Duration::from_secs(17)));
    assert_eq!(&answer.body[..], b"no");
    let asked = asked.await.unwrap().to_lowercase();
    assert!(asked.contains("user-agent: homewatch/"), "{asked}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let (address, _) = once(answer.as_bytes().to_vec()).await;
    assert_eq!(get(&Host::real().http, address).await.unwrap().status, 302);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(3 << 20, b'x');
    let (address, _) = once(answer).await;
    let error = get(&Host::real().http, address).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge(_)), "{error}");
}

#[tokio::test]
async fn errors_say_the_cause_and_never_the_address_that_may_hold_a_secret() {
    for answer in [
        &b""[..],
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1",
    ] {
        let (address, _) = once(answer.to_vec()).await;
        let error = get(&Host::real().http, address).await.unwrap_err();
        assert!(matches!(error, HttpError::Connection(_)), "{error}");
        assert!(!error.to_string().contains("secret-path"), "{error}");
    }
    let http = Http::default();
    let error = match http.request(Method::GET, "no url: secret-path") {
        Ok(request) => http.exchange(request).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, HttpError::Request(_)), "{error}");
    assert!(!error.to_string().contains("secret-path"), "{error}");
}

#[tokio::test]
async fn a_stream_comes_by_lines_and_its_end_and_its_silence_are_noticed() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\none\ntwo\nunfinished".to_vec();
    let (address, _) = once(answer).await;
    let http = Host::real().http;
    let request = http
        .request(Method::GET, &format!("http://{address}/"))
        .unwrap();
    let mut lines = http.stream(request, Duration::from_mins(1)).await.unwrap();
    assert_eq!(lines.status(), 200);
    assert_eq!(&lines.next().await.unwrap().unwrap()[..], b"one");
    assert_eq!(&lines.next().await.unwrap().unwrap()[..], b"two");
    assert_eq!(lines.next().await.unwrap(), None);

    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.resize(1 << 20, b'x');
    let (address, _) = once(answer).await;
    let request = http
        .request(Method::GET, &format!("http://{address}/"))
        .unwrap();
    let mut lines = http.stream(request, Duration::from_mins(1)).await.unwrap();
    let error = lines.next().await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge(_)), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        assert!(socket.read(&mut asked).await.unwrap() > 0);
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let request = http
        .request(Method::GET, &format!("http://{address}/"))
        .unwrap();
    let mut lines = http
        .stream(request, Duration::from_millis(20))
        .await
        .unwrap();
    let error = lines.next().await.unwrap_err();
    assert!(matches!(error, HttpError::TimeOut(_)), "{error}");
    silent.abort();
}

#[tokio::test]
async fn nothing_is_built_before_the_first_request() {
    let http = Host::real().http;
    assert!(format!("{http:?}").contains("built: false"));
    let clone = http.clone();
    drop(http.request(Method::GET, "http://127.0.0.1/").unwrap());
    assert!(
        format!("{clone:?}").contains("built: true"),
        "clones share it"
    );
}

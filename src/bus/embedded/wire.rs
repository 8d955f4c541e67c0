//! The bytes of one connection, and how it ends.

use bytes::{BufMut as _, BytesMut};
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{ConnAck, ConnectReturnCode, Packet, Protocol as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::guard::{Guard, Hello, Incoming, Level, Violation};
use super::hub::{HELLO_TIME, WRITE_TIME};
use super::router::Died;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("it said goodbye")]
    Goodbye,
    #[error("it closed the connection")]
    Closed,
    #[error("it {0}")]
    Violation(#[from] Violation),
    #[error("it was silent for longer than its keep-alive time")]
    Silent,
    #[error("it took or acknowledged nothing for too long")]
    Slow,
    #[error("it did not say who it is within {HELLO_TIME:?}")]
    NoHello,
    #[error("its login is wrong")]
    Login,
    #[error("another client took its id, or the broker stops")]
    Ended,
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the codec failed: {0}")]
    Codec(#[from] rumqttd::protocol::Error),
    #[error(transparent)]
    Router(#[from] Died),
}

/// The bytes of a connection.
pub(super) struct Wire<S> {
    stream: S,
    guard: Guard,
    input: BytesMut,
    /// What is to be written next.
    pub(super) output: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// A connection of which nothing has been read.
    pub(super) fn new(stream: S, max_payload: usize) -> Self {
        Self {
            stream,
            guard: Guard::new(max_payload),
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// The largest packet that is read, bytes.
    pub(super) const fn max_packet(&self) -> usize {
        self.guard.max_packet()
    }

    /// The next packet that is already here.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Violation> {
        self.guard.next(&mut self.input)
    }

    /// Reads more bytes. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<(), End> {
        self.input.reserve(2048);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(End::Closed),
            _ => Ok(()),
        }
    }

    /// Queues a packet for the next flush.
    pub(super) fn put(&mut self, level: Level, packet: Packet) -> Result<(), End> {
        match level {
            Level::V4 => V4.write(packet, &mut self.output)?,
            Level::V5 => V5.write(packet, &mut self.output)?,
        };
        Ok(())
    }

    /// Writes what is queued; a client that does not take it in time is given up.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let writing = self.stream.write_all(&self.output);
        timeout(WRITE_TIME, writing)
            .await
            .map_err(|_| End::Slow)??;
        self.output.clear();
        Ok(())
    }

    /// Waits for CONNECT; another protocol level is told that it is not spoken here.
    pub(super) async fn hello(&mut self) -> Result<(Level, Hello), End> {
        loop {
            match self.next() {
                Ok(Some(Incoming::Connect(hello))) => {
                    let level = self.guard.level().unwrap_or(Level::V4);
                    return Ok((level, *hello));
                }
                Ok(Some(_)) => return Err(Violation::Protocol("no CONNECT first").into()),
                Ok(None) => self.fill().await?,
                Err(violation) => {
                    if matches!(violation, Violation::Level(_)) {
                        // "Unacceptable protocol version", in the words of 3.1.1.
                        self.output.put_slice(&[0x20, 2, 0, 1]);
                        self.flush().await?;
                    }
                    return Err(violation.into());
                }
            }
        }
    }

    /// Answers CONNECT with a refusal.
    pub(super) async fn refuse(
        &mut self,
        level: Level,
        v4: ConnectReturnCode,
        v5: ConnectReturnCode,
    ) -> Result<(), End> {
        let code = if level == Level::V4 { v4 } else { v5 };
        let ack = ConnAck {
            session_present: false,
            code,
        };
        self.put(level, Packet::ConnAck(ack, None))?;
        self.flush().await
    }
}

//! The outer form of packets: where one begins and ends, and what can be told of it unread.

use super::{Level, Violation};

/// Where the parts of the packet at the head of a buffer are.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) head: usize,
    pub(super) len: usize,
}

impl Frame {
    /// Finds the packet at the head; refuses what no client may send before the codec, which
    /// would panic over some of it, sees it.
    pub(super) fn find(buffer: &[u8], max_packet: usize) -> Result<Option<Self>, Violation> {
        let Some((first, rest)) = buffer.split_first() else {
            return Ok(None);
        };
        let (kind, flags) = (first >> 4, first & 0x0f);
        let fine = match kind {
            3 => flags & 0b0110 != 0b0110,
            6 | 8 | 10 => flags == 0b0010,
            1 | 4 | 5 | 7 | 12 | 14 => flags == 0,
            _ => false,
        };
        if !fine {
            return Err(Violation::Protocol(
                "a packet type or flags no client may send",
            ));
        }
        let mut length = 0;
        for (index, byte) in rest.iter().enumerate() {
            length |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 != 0 {
                if index == 3 {
                    return Err(Violation::Protocol("a malformed length"));
                }
                continue;
            }
            if length > max_packet {
                return Err(Violation::TooLarge(length));
            }
            let (head, len) = (index + 2, index + 2 + length);
            let whole = buffer.len() >= len;
            return Ok(whole.then_some(Self {
                kind,
                flags,
                head,
                len,
            }));
        }
        Ok(None)
    }

    /// The packet identifier of a PUBLISH with `QoS`, which the codec keeps to itself; else 0.
    pub(super) fn packet_id(&self, buffer: &[u8]) -> u16 {
        let u16_at = |at: usize| {
            let bytes = buffer.get(at..self.len)?.first_chunk::<2>()?;
            Some(u16::from_be_bytes(*bytes))
        };
        if self.kind != 3 || self.flags & 0b0110 == 0 {
            return 0;
        }
        u16_at(self.head)
            .and_then(|len| u16_at(self.head + 2 + usize::from(len)))
            .unwrap_or(0)
    }
}

/// The protocol level in a CONNECT's body.
pub(super) fn level_of(body: &[u8]) -> Result<Level, Violation> {
    let name_len = body
        .first_chunk::<2>()
        .map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
    let level = name_len.and_then(|len| body.get(2 + len)).copied();
    match level {
        Some(4) => Ok(Level::V4),
        Some(5) => Ok(Level::V5),
        Some(other) => Err(Violation::Level(other)),
        None => Err(Violation::Protocol("a CONNECT without a protocol level")),
    }
}

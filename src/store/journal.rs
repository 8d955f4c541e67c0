//! The ring journal: fixed 4 KiB slots, written in place, each with a sequence number and a
//! checksum. An entry takes one slot or several neighbouring ones and counts only if all of them
//! are whole, so that a power cut tears at most the entry in hand.
//!
//! Slot 0 is the header; the entry with sequence number `n` starts in slot `1 + (n - 1) % slots`.

use std::io;

use redb::StorageBackend;

use super::medium::Medium;

/// Bytes of a slot.
const SLOT: usize = 4096;
/// Bytes of a slot before its payload.
const HEAD: usize = 32;
const ROOM: usize = SLOT - HEAD;
const MAGIC: &[u8; 4] = b"hwj1";
/// How many slots of a new journal are written at once.
const AT_ONCE: usize = 64;

/// Aligned as direct writes need it.
#[derive(Debug)]
#[repr(align(4096))]
struct Slot([u8; SLOT]);

/// What a slot's head says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    generation: u64,
    sequence: u64,
    part: u16,
    parts: u16,
    len: u16,
}

impl Head {
    fn seal(&self, slot: &mut [u8; SLOT], payload: &[u8]) {
        slot.fill(0);
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&[0; 4]);
        head.extend_from_slice(&self.generation.to_le_bytes());
        head.extend_from_slice(&self.sequence.to_le_bytes());
        head.extend_from_slice(&self.part.to_le_bytes());
        head.extend_from_slice(&self.parts.to_le_bytes());
        head.extend_from_slice(&self.len.to_le_bytes());
        head.resize(HEAD, 0);
        for (to, from) in slot.iter_mut().zip(head.iter().chain(payload)) {
            *to = *from;
        }
        let sum = crc32fast::hash(slot.get(8..).unwrap_or_default());
        for (to, from) in slot.iter_mut().skip(4).zip(sum.to_le_bytes()) {
            *to = from;
        }
    }

    /// The head and the payload, if the slot is whole.
    fn open(slot: &[u8]) -> Option<(Self, &[u8])> {
        let (magic, rest) = slot.split_first_chunk::<4>()?;
        let (sum, body) = rest.split_first_chunk::<4>()?;
        if magic != MAGIC || u32::from_le_bytes(*sum) != crc32fast::hash(body) {
            return None;
        }
        let (generation, body) = body.split_first_chunk::<8>()?;
        let (sequence, body) = body.split_first_chunk::<8>()?;
        let (part, body) = body.split_first_chunk::<2>()?;
        let (parts, body) = body.split_first_chunk::<2>()?;
        let (len, _) = body.split_first_chunk::<2>()?;
        let head = Self {
            generation: u64::from_le_bytes(*generation),
            sequence: u64::from_le_bytes(*sequence),
            part: u16::from_le_bytes(*part),
            parts: u16::from_le_bytes(*parts),
            len: u16::from_le_bytes(*len),
        };
        let payload = slot.get(HEAD..HEAD + usize::from(head.len))?;
        Some((head, payload))
    }
}

/// What stands in the header of a journal file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// An empty file.
    New,
    /// A journal of this layout and of the store with this generation.
    Known {
        /// The version of the whole store's layout.
        layout: u16,
        /// Ties journal and database together.
        generation: u64,
    },
    /// Something else.
    Broken,
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    medium: Medium,
    generation: u64,
    slots: u64,
    /// The sequence number of the next slot.
    next: u64,
    /// Up to this sequence number, all is in the database.
    folded: u64,
    slot: Box<Slot>,
}

/// Why an entry was not written.
#[derive(Debug)]
pub(super) enum JournalError {
    /// It is full: the database must take what it has.
    Full,
    /// The medium failed.
    Io(io::Error),
}

impl Journal {
    /// Reads the header of a journal without changing anything.
    pub(super) fn header(medium: &Medium) -> io::Result<Header> {
        let len = medium.len()?;
        if len == 0 {
            return Ok(Header::New);
        }
        let mut bytes = vec![0; SLOT];
        if len < SLOT as u64 {
            return Ok(Header::Broken);
        }
        medium.read(0, &mut bytes)?;
        Ok(match Head::open(&bytes) {
            Some((head, _)) if head.sequence == 0 => Header::Known {
                layout: head.part,
                generation: head.generation,
            },
            _ => Header::Broken,
        })
    }

    /// Makes a journal of `slots` slots, all of them written, so that a full disk cannot stop it.
    pub(super) fn create(
        medium: Medium,
        slots: u64,
        layout: u16,
        generation: u64,
        folded: u64,
    ) -> io::Result<Self> {
        let mut journal = Self {
            medium,
            generation,
            slots,
            next: folded + 1,
            folded,
            slot: Box::new(Slot([0; SLOT])),
        };
        journal.medium.set_len((slots + 1) * SLOT as u64)?;
        // Each write waits for the disk: few large ones, or the first start takes long.
        let blank = vec![0; SLOT * AT_ONCE];
        for first in (1..=slots).step_by(AT_ONCE) {
            let count = (slots + 1 - first).min(AT_ONCE as u64);
            let (piece, _) = blank.split_at(SLOT * usize::try_from(count).unwrap_or(AT_ONCE));
            journal.medium.write(first * SLOT as u64, piece)?;
        }
        journal.medium.sync_data()?;
        let head = Head {
            generation,
            sequence: 0,
            part: layout,
            parts: 0,
            len: 0,
        };
        head.seal(&mut journal.slot.0, &[]);
        journal.medium.write(0, &journal.slot.0)?;
        journal.medium.sync_data()?;
        Ok(journal)
    }

    /// Opens a journal and hands every whole entry after `folded` to `visit`, in order; `None`
    /// stands for entries that the medium has lost.
    pub(super) fn open(
        medium: Medium,
        generation: u64,
        folded: u64,
        mut visit: impl FnMut(Option<&[u8]>),
    ) -> io::Result<Self> {
        let slots = (medium.len()? / SLOT as u64).saturating_sub(1).max(1);
        let mut journal = Self {
            medium,
            generation,
            slots,
            next: folded + 1,
            folded,
            slot: Box::new(Slot([0; SLOT])),
        };
        let mut entry: Vec<u8> = Vec::new();
        let mut want: Option<(u16, u16)> = None;
        for sequence in folded + 1..=folded + slots {
            let place = journal.place(sequence);
            journal.medium.read(place, &mut journal.slot.0)?;
            let Some((head, payload)) = Head::open(&journal.slot.0) else {
                // Torn or never written. Never written means the end; a torn slot may have whole
                // ones after it only if the medium lost it later.
                want = None;
                visit(None);
                if journal.slot.0.iter().all(|byte| *byte == 0) {
                    break;
                }
                continue;
            };
            if head.generation != generation || head.sequence != sequence {
                break;
            }
            if head.part == 0 {
                entry.clear();
                want = Some((0, head.parts));
            }
            if want != Some((head.part, head.parts)) {
                want = None;
                visit(None);
                continue;
            }
            entry.extend_from_slice(payload);
            want = Some((head.part + 1, head.parts));
            if head.part + 1 == head.parts {
                visit(Some(&entry));
                journal.next = sequence + 1;
                want = None;
            }
        }
        Ok(journal)
    }

    fn place(&self, sequence: u64) -> u64 {
        (1 + (sequence - 1) % self.slots) * SLOT as u64
    }

    /// Writes an entry; when this returns it is on the disk. Nothing counts if it fails.
    pub(super) fn write(&mut self, entry: &[u8]) -> Result<(), JournalError> {
        let parts = entry.len().div_ceil(ROOM).max(1);
        let count = u16::try_from(parts).map_err(|_| JournalError::Full)?;
        if self.used() + u64::from(count) > self.slots {
            return Err(JournalError::Full);
        }
        let mut rest = entry;
        for part in 0..count {
            let (payload, tail) = rest.split_at(rest.len().min(ROOM));
            rest = tail;
            let sequence = self.next + u64::from(part);
            let head = Head {
                generation: self.generation,
                sequence,
                part,
                parts: count,
                len: u16::try_from(payload.len()).unwrap_or(0),
            };
            head.seal(&mut self.slot.0, payload);
            let place = self.place(sequence);
            self.medium
                .write(place, &self.slot.0)
                .map_err(JournalError::Io)?;
        }
        self.medium.sync_data().map_err(JournalError::Io)?;
        self.next += u64::from(count);
        Ok(())
    }

    /// Slots that the database does not have yet.
    pub(super) fn used(&self) -> u64 {
        self.next - 1 - self.folded
    }

    /// Whether it is time for the database to take what is here.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.used() * 8 >= self.slots * 7
    }

    /// The sequence number of the last slot that was written.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    /// The database has everything up to the slot with this sequence number.
    pub(super) fn set_folded(&mut self, sequence: u64) {
        self.folded = sequence;
    }
}

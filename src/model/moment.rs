//! How moments are written everywhere outside: RFC 3339 in UTC with milliseconds.

use jiff::Timestamp;
use serde::{Deserializer, Serializer};

/// For `#[serde(with = …)]` of a moment.
pub(super) mod required {
    use super::{Deserializer, Serializer, Timestamp};

    pub(in crate::model) fn serialize<S: Serializer>(
        moment: &Timestamp,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_str(&format_args!("{moment:.3}"))
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Timestamp, D::Error> {
        serde::Deserialize::deserialize(from)
    }
}

/// For `#[serde(with = …)]` of a moment that may be absent.
pub(super) mod optional {
    use super::{Deserializer, Serializer, Timestamp};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(in crate::model) fn serialize<S: Serializer>(
        moment: &Option<Timestamp>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => super::required::serialize(moment, out),
            None => out.serialize_none(),
        }
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Timestamp>, D::Error> {
        serde::Deserialize::deserialize(from)
    }
}

/// The same moment without what is finer than a millisecond.
pub fn to_millisecond(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}

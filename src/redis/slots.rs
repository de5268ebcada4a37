//! The 16384 slots: ranges, their division among masters, and the slot of a key.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many slots a cluster has (Redis cluster specification).
pub const SLOTS: u16 = 16384;

/// Slots `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SlotRange {
    pub first: u16,
    pub last: u16,
}

impl SlotRange {
    pub const fn new(first: u16, last: u16) -> Self {
        Self { first, last }
    }

    pub fn contains(self, slot: u16) -> bool {
        (self.first..=self.last).contains(&slot)
    }

    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl FromStr for SlotRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |word: &str| word.parse::<u16>().ok().filter(|slot| *slot < SLOTS).ok_or(());
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(Self { first, last }).ok_or(())
    }
}

/// Ranges for a message: `0-5460, 7000`.
pub(crate) fn show(ranges: &[SlotRange]) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How many slots the ranges hold.
pub(crate) fn count(ranges: &[SlotRange]) -> usize {
    ranges.iter().map(|range| usize::from(range.last - range.first) + 1).sum()
}

/// Joins single slots, in ascending order, to ranges.
pub(crate) fn join(slots: impl IntoIterator<Item = u16>) -> Vec<SlotRange> {
    let mut ranges: Vec<SlotRange> = Vec::new();
    for slot in slots {
        match ranges.last_mut() {
            Some(range) if range.last + 1 == slot => range.last = slot,
            _ => ranges.push(SlotRange::new(slot, slot)),
        }
    }
    ranges
}

/// The ranges of `masters` masters, exactly as `redis-cli --cluster create` computes them, in its float
/// arithmetic.
pub(crate) fn ranges(masters: usize) -> Vec<SlotRange> {
    let masters = u16::try_from(masters.clamp(1, usize::from(SLOTS))).unwrap_or(SLOTS);
    let per_node = f32::from(SLOTS) / f32::from(masters);
    let (mut first, mut cursor) = (0u16, 0f32);
    (0..masters)
        .map(|index| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 16384 after rounding"
            )]
            let rounded = (cursor + per_node - 1.0).round().max(0.0) as u16;
            let last = if index + 1 == masters { SLOTS - 1 } else { rounded.min(SLOTS - 1).max(first) };
            let range = SlotRange::new(first, last);
            first = last.saturating_add(1);
            cursor += per_node;
            range
        })
        .collect()
}

/// The slot of a key: CRC16 of the key, or of what stands in its first non-empty braces.
pub fn of_key(key: &str) -> u16 {
    let hashed = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty())
        .unwrap_or(key);
    crc16(hashed.as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, bit by bit: keys are short.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_masters_get_what_redis_cli_gives() {
        assert_eq!(show(&ranges(3)), "0-5460, 5461-10922, 10923-16383");
    }

    #[test]
    fn keys_are_where_the_specification_says() {
        assert_eq!(of_key("123456789"), 0x31c3);
        assert_eq!(of_key("name"), 5798);
        assert_eq!(of_key("{user1000}.following"), of_key("user1000"));
        assert_eq!(of_key("foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS);
    }

    #[test]
    fn malformed_text_is_no_range() {
        for text in ["", "-", "5-3", "16384", "1-16384", "a-b"] {
            assert_eq!(text.parse::<SlotRange>(), Err(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_slot_stands_once(masters in 1usize..1000) {
            let ranges = ranges(masters);
            prop_assert_eq!(ranges.len(), masters);
            let all: Vec<u16> = ranges.iter().flat_map(|range| range.iter()).collect();
            prop_assert_eq!(all, (0..SLOTS).collect::<Vec<_>>());
        }

        #[test]
        fn shares_differ_by_one_at_most(masters in 3usize..500) {
            let sizes: Vec<usize> = ranges(masters).iter().map(|range| count(&[*range])).collect();
            let (min, max) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            prop_assert!(max - min <= 2, "{:?}", sizes);
        }
    }
}

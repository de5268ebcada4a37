//! Inputs as a broken or hostile host would send them, for property tests: a real answer with some of its
//! bytes changed. What nearly is an answer goes deeper into a parser than any random text.

use proptest::{prelude::*, sample::Index};

/// How long a mutated sample may become, in bytes.
const MAX_LENGTH: usize = 1 << 16;

/// A sample with up to twelve changes: bytes replaced, removed and inserted, the text cut off, and parts of
/// it said twice.
pub(crate) fn mutated(sample: &str) -> impl Strategy<Value = String> + use<> {
    let sample = sample.as_bytes().to_vec();
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"\n =|:,-/0\x1b\xff"[..])];
    let changes = prop::collection::vec((0..6u8, any::<Index>(), any::<Index>(), byte), 0..12);
    changes.prop_map(move |changes| {
        let mut bytes = sample.clone();
        for (kind, from, to, byte) in changes {
            if bytes.is_empty() || bytes.len() > MAX_LENGTH {
                break;
            }
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = from.min(to)..from.max(to);
            match kind {
                0 => bytes[from] = byte,
                1 => drop(bytes.remove(from)),
                2 => bytes.insert(from, byte),
                3 => drop(bytes.drain(part)),
                4 => bytes.truncate(from),
                _ => {
                    let again = bytes[part].to_vec();
                    bytes.splice(from..from, again);
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The same as the lines of a script's output.
pub(crate) fn mutated_lines(sample: &str) -> impl Strategy<Value = Vec<String>> + use<> {
    mutated(sample).prop_map(|text| text.lines().map(str::to_owned).collect())
}

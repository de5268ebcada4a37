//! A map whose values are made once: the first task that asks for a key makes its value, the others wait for
//! it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;

/// Values that are made once for each key.
pub(super) struct OnceMap<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K, V> Default for OnceMap<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> OnceMap<K, V> {
    /// The cell of a key, to be filled by `get_or_init`.
    pub(super) fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_value_is_made_once_for_each_key() {
        let (map, count) = (OnceMap::<&str, usize>::default(), AtomicUsize::new(0));
        let get = async |key| {
            let make = || async {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::SeqCst)
            };
            *map.cell(key).get_or_init(make).await
        };
        let (one, other, again) = tokio::join!(get("a"), get("b"), get("a"));
        assert_eq!((one, again), (one, one));
        assert_ne!(one, other);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}

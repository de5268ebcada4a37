//! The inventory: TOML types, loading with spanned errors, and resolution into a [`Fleet`].

mod fleet;

pub use fleet::{Address, Directives, Engine, Fleet, Host, Node, Place, Source, Version};

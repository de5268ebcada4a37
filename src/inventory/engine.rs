//! The server software and its versions.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The server software.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    Redis,
    Valkey,
}

impl Engine {
    /// `redis` or `valkey`: the name of packages, folders and units.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    /// The server's file name and make target.
    pub fn server(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// The command line client users know, for the lines we suggest; provision never runs it.
    pub fn client(self) -> &'static str {
        match self {
            Self::Redis => "redis-cli",
            Self::Valkey => "valkey-cli",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `major.minor.patch`. Engine versions are not semver (`6.0`, `7.2-rc1`); only released ones are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<u32> = text
            .split('.')
            .map(|part| part.parse().map_err(|_| format!("`{text}` is not a version like 7.0.15")))
            .collect::<Result<_, _>>()?;
        match parts[..] {
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(format!("`{text}` is not a version like 7.0.15")),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_version_is_read_as_it_is_written(parts in any::<(u32, u32, u32)>()) {
            let version = Version::new(parts.0, parts.1, parts.2);
            prop_assert_eq!(version.to_string().parse::<Version>(), Ok(version));
            let json = serde_json::to_string(&version).unwrap();
            prop_assert_eq!(serde_json::from_str::<Version>(&json).unwrap(), version);
        }

        #[test]
        fn versions_are_ordered_by_their_numbers(a in any::<[u32; 3]>(), b in any::<[u32; 3]>()) {
            let version = |[major, minor, patch]: [u32; 3]| Version::new(major, minor, patch);
            prop_assert_eq!(version(a).cmp(&version(b)), a.cmp(&b));
        }
    }

    #[test]
    fn only_three_numbers_are_a_version() {
        for text in ["", "7", "7.0", "7.0.15.1", "7.0.x", "7.0.-1", "7.0.15-rc1", "v7.0.15", "7..15"] {
            let error = text.parse::<Version>().unwrap_err();
            assert_eq!(error, format!("`{text}` is not a version like 7.0.15"));
        }
    }
}

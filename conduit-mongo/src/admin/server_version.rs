//! Which MongoDB it is.

use std::fmt;

/// A version of the server; compares by age.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerVersion {
    /// The major version, say the 6 of 6.0.5.
    pub major: u32,
    /// The minor version, say the 0 of 6.0.5.
    pub minor: u32,
    /// The patch, say the 5 of 6.0.5.
    pub patch: u32,
}

impl ServerVersion {
    /// Makes a version of its parts.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads the `versionArray` of `buildInfo`.
    pub(super) fn of(build_info: &bson::Document) -> Option<Self> {
        let parts = build_info.get_array("versionArray").ok()?;
        let part = |index: usize| {
            parts
                .get(index)?
                .as_i32()
                .and_then(|part| u32::try_from(part).ok())
        };
        Some(Self::new(part(0)?, part(1)?, part(2)?))
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn versions_compare_by_age() {
        let old = ServerVersion::of(&doc! { "versionArray": [4, 4, 29, 0] }).unwrap();
        assert!(old < ServerVersion::new(6, 0, 0));
        assert_eq!(old.to_string(), "4.4.29");
        assert_eq!(ServerVersion::of(&doc! {}), None);
    }
}

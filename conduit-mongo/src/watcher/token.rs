//! What is read out of a resume token.

use conduit_core::ClusterTime;

/// Reads the cluster time that a token begins with.
///
/// A token is a KeyString in hexadecimal: the byte 0x82 says that a timestamp follows, as eight bytes,
/// big-endian, the seconds first (MongoDB's `resume_token.h` and `key_string.cpp`; seen on 6.0).
pub(super) fn token_time(token: &str) -> Option<ClusterTime> {
    let digits = token.strip_prefix("82")?;
    let t = u32::from_str_radix(digits.get(..8)?, 16).ok()?;
    let i = u32::from_str_radix(digits.get(8..16)?, 16).ok()?;
    Some(ClusterTime::new(t, i))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_begins_with_its_cluster_time() {
        let token = "826B0354A0000000032B0229296E04";
        assert_eq!(token_time(token), Some(ClusterTime::new(0x6B03_54A0, 3)));
        for bad in [
            "",
            "82",
            "816B0354A0000000032B",
            "826B0354A00000",
            "82zz0354A000000003",
            "82ä",
        ] {
            assert_eq!(token_time(bad), None, "{bad}");
        }
    }
}

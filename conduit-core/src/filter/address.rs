//! IP addresses in strings, and blocks of them.

/// How many bytes an address may have: the longest has 39, but leading zeros may come on top.
pub(super) const MAX_BYTES: usize = 256;

/// An address. What IPv6 says of an IPv4 address (`::ffff:a00:7`) is that IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    V4(u32),
    V6(u128),
}

impl Address {
    /// The address that a string spells, if it spells one. IPv4 is four decimal numbers of at most 15 characters together,
    /// leading zeros allowed; IPv6 is groups of hexadecimal digits.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        // Most strings that are no address are told by their first byte.
        match text.first()? {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' | b':' => {}
            _ => return None,
        }
        if text.len() > MAX_BYTES {
            return None;
        }
        if text.contains(&b':') {
            Self::of_v6(text)
        } else {
            Self::of_v4(text)
        }
    }

    fn of_v4(text: &[u8]) -> Option<Self> {
        if text.len() > 15 {
            return None;
        }
        let (mut address, mut parts) = (0_u32, 0);
        for part in text.split(|&byte| byte == b'.') {
            address = address << 8 | u32::from(decimal(part)?);
            parts += 1;
        }
        (parts == 4).then_some(Self::V4(address))
    }

    fn of_v6(text: &[u8]) -> Option<Self> {
        let mut halves = [0_u128; 2];
        let mut counts = [0_u32; 2];
        let (head, tail) = match text.windows(2).position(|pair| pair == b"::") {
            Some(at) => (text.get(..at)?, Some(text.get(at + 2..)?)),
            None => (text, None),
        };
        for (half, part) in [Some(head), tail].into_iter().enumerate() {
            for group in part.filter(|part| !part.is_empty()).into_iter().flat_map(groups) {
                halves[half] = halves[half] << 16 | u128::from(hexadecimal(group)?);
                counts[half] += 1;
                if counts[half] > 8 {
                    return None;
                }
            }
        }
        let count = counts[0] + counts[1];
        let is_whole = if tail.is_some() { count < 8 } else { count == 8 };
        if !is_whole {
            return None;
        }
        let missing = 16 * (8 - counts[0]);
        let address = halves[0].checked_shl(missing).unwrap_or(0) | halves[1];
        Some(match u32::try_from(address ^ 0xFFFF << 32) {
            Ok(mapped) => Self::V4(mapped),
            Err(_) => Self::V6(address),
        })
    }

    /// How many bits an address of this kind has.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::V4(_) => 32,
            Self::V6(_) => 128,
        }
    }
}

fn groups(part: &[u8]) -> impl Iterator<Item = &[u8]> {
    part.split(|&byte| byte == b':')
}

fn decimal(part: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let value = part.iter().try_fold(0_u16, |value, byte| {
        let value = value * 10 + digit(byte)?;
        (value < 256).then_some(value)
    })?;
    if part.is_empty() {
        None
    } else {
        u8::try_from(value).ok()
    }
}

fn hexadecimal(group: &[u8]) -> Option<u16> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = group.iter().try_fold(0_u32, |value, byte| {
        let value = value << 4 | digit(byte)?;
        (value < 0x1_0000).then_some(value)
    })?;
    if group.is_empty() {
        None
    } else {
        u16::try_from(value).ok()
    }
}

/// All addresses of one kind that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    address: Address,
    bits: u32,
}

impl Block {
    /// The block of `address` with that many leading bits; there must be at least one bit left.
    pub(super) fn new(address: Address, bits: u32) -> Option<Self> {
        (bits < address.bits()).then_some(Self { address, bits })
    }

    pub(super) fn has(&self, address: Address) -> bool {
        match (self.address, address) {
            (Address::V4(ours), Address::V4(theirs)) => (ours ^ theirs).leading_zeros() >= self.bits,
            (Address::V6(ours), Address::V6(theirs)) => (ours ^ theirs).leading_zeros() >= self.bits,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn spellings_of_one_address_are_equal() {
        for (one, other) in [
            ("10.0.0.7", "10.0.0.07"),
            ("10.0.0.7", "010.000.000.007"),
            ("::1", "0:0:0:0:0:0:0:1"),
            ("::1", "0000:0000::0001"),
            ("2001:db8::", "2001:DB8:0:0:0:0:0:0"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("10.0.0.7", "::ffff:a00:7"),
            ("::", "0::0"),
        ] {
            assert!(Address::of(one.as_bytes()).is_some(), "{one}");
            assert_eq!(
                Address::of(one.as_bytes()),
                Address::of(other.as_bytes()),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "10",
            "10.0.0",
            "10.0.0.0.1",
            "10.0.0.256",
            "10..0.1",
            "10.0.0.",
            ".0.0.1",
            "0x1.0.0.1",
            "0000010.0.0.0001",
            "a.b.c.d",
            ":",
            "1:2",
            ":1::2",
            "1::2:",
            "1::2::3",
            ":::",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8",
            "12345::",
            "::g",
            "::1%eth0",
            "::10.0.0.7",
            "1:2:3:4:5:6:7:",
            " ::1",
            "face",
            "10.0.0.1 ",
        ] {
            assert_eq!(Address::of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_block_has_what_begins_with_its_bits() {
        let block = |address: &str, bits| Block::new(Address::of(address.as_bytes()).unwrap(), bits);
        let has = |block: Block, address: &str| block.has(Address::of(address.as_bytes()).unwrap());
        let office = block("10.1.2.3", 24).unwrap();
        assert!(has(office, "10.1.2.0") && has(office, "10.1.2.255"));
        assert!(!has(office, "10.1.3.0") && !has(office, "::1"));
        let all = block("0.0.0.0", 0).unwrap();
        assert!(has(all, "255.255.255.255") && !has(all, "::1"));
        let site = block("2001:db8::", 32).unwrap();
        assert!(has(site, "2001:db8:ffff::1") && !has(site, "2001:db9::") && !has(site, "32.1.13.184"));
        assert!(block("::", 127).is_some() && block("::", 128).is_none());
        assert!(block("1.2.3.4", 31).is_some() && block("1.2.3.4", 32).is_none());
    }

    proptest! {
        #[test]
        fn what_std_writes_is_read(v4 in any::<u32>(), v6 in any::<u128>()) {
            let (four, six) = (Ipv4Addr::from(v4).to_string(), Ipv6Addr::from(v6).to_string());
            prop_assert_eq!(Address::of(four.as_bytes()), Some(Address::V4(v4)));
            if !six.contains('.') {
                prop_assert_eq!(Address::of(six.as_bytes()), Some(Address::V6(v6)));
            }
        }

        #[test]
        fn what_std_reads_as_ipv6_is_read(text in "[0-9a-f:]{2,20}") {
            if let Ok(address) = text.parse::<Ipv6Addr>() {
                prop_assert!(Address::of(text.as_bytes()).is_some(), "{address}");
            }
        }
    }
}

//! Notices when a document has the same field name twice.

use std::collections::HashSet;

use super::element::{DecodeError, Elements};

/// Up to so many names are compared one by one when the filter is unsure.
const FEW: usize = 64;

/// The field names of one document, as far as it was read.
///
/// Nearly no document has a name twice, and every field of every document is checked. So a small Bloom filter
/// says "surely new" for most names; only when it is unsure are the names before looked at again, and a
/// document of many fields gets a hash set.
#[derive(Debug, Default)]
pub(crate) struct FieldNames<'a> {
    filter: [u64; 4],
    count: usize,
    many: Option<HashSet<&'a [u8]>>,
}

impl<'a> FieldNames<'a> {
    /// Adds the name of the element of `document` that starts at `offset`; says whether it was there before.
    pub(crate) fn is_repeated(
        &mut self,
        name: &'a [u8],
        document: &'a [u8],
        offset: usize,
    ) -> Result<bool, DecodeError> {
        self.count += 1;
        if let Some(names) = &mut self.many {
            return Ok(!names.insert(name));
        }
        if self.count > FEW {
            let mut names = before(document, offset)?.collect::<Result<HashSet<_>, _>>()?;
            let repeated = !names.insert(name);
            self.many = Some(names);
            return Ok(repeated);
        }
        let bit = filter_bit(name);
        let word = &mut self.filter[bit / 64];
        let mask = 1 << (bit % 64);
        if *word & mask == 0 {
            *word |= mask;
            return Ok(false);
        }
        for earlier in before(document, offset)? {
            if earlier? == name {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn before(
    document: &[u8],
    offset: usize,
) -> Result<impl Iterator<Item = Result<&[u8], DecodeError>>, DecodeError> {
    let mut elements = Elements::new(document)?;
    Ok(std::iter::from_fn(move || {
        if elements.offset() >= offset {
            None
        } else {
            Some(elements.next()?.map(|element| element.name))
        }
    }))
}

fn filter_bit(name: &[u8]) -> usize {
    let middle = name.get(name.len() / 2).copied().unwrap_or(0);
    let first = name.first().copied().unwrap_or(0);
    let last = name.last().copied().unwrap_or(0);
    let length = u8::try_from(name.len() & 0xFF).unwrap_or(0);
    let mixed = u32::from_le_bytes([first, middle, last, length]).wrapping_mul(0x9E37_79B1);
    usize::try_from(mixed >> 24).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, raw::CString};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_second_and_later_of_a_name_are_repeated(
            picks in proptest::collection::vec(0u32..150, 0..200),
        ) {
            let mut document = RawDocumentBuf::new();
            for pick in &picks {
                document.append(CString::try_from(format!("field{pick}")).unwrap(), 1);
            }
            let bytes = document.as_bytes();
            let mut names = FieldNames::default();
            let mut seen = HashSet::new();
            let mut elements = Elements::new(bytes).unwrap();
            loop {
                let offset = elements.offset();
                let Some(element) = elements.next() else { break };
                let name = element.unwrap().name;
                prop_assert_eq!(names.is_repeated(name, bytes, offset).unwrap(), !seen.insert(name));
            }
        }
    }
}

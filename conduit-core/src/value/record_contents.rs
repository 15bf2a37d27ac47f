//! What a record holds of its document.

use std::convert::Infallible;

use bytes::Bytes;

/// Writes the contents of a record as JSON, straight to where they stay.
///
/// Each part is an object, appended to `out`. What was appended before an error, or where an image is not there, does no
/// harm.
pub trait RecordContents {
    /// Why a part cannot be written.
    type Error;

    /// About how many bytes of JSON all parts have together.
    fn size_hint(&self) -> usize;

    /// Writes the key.
    ///
    /// # Errors
    /// If it cannot be written.
    fn write_keys(&self, out: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// Writes the document after the change, and says whether it is there.
    ///
    /// # Errors
    /// If it cannot be written.
    fn write_new_image(&self, out: &mut Vec<u8>) -> Result<bool, Self::Error>;

    /// Writes the document before the change, and says whether it is there.
    ///
    /// # Errors
    /// If it cannot be written.
    fn write_old_image(&self, out: &mut Vec<u8>) -> Result<bool, Self::Error>;

    /// Returns the images as plain JSON too, of a record that is written otherwise and filtered.
    ///
    /// # Errors
    /// If they cannot be written.
    fn plain_images(&self) -> Result<Option<PlainImages>, Self::Error> {
        Ok(None)
    }
}

/// The images as plain JSON, of a record that is written otherwise.
#[derive(Clone, Debug)]
pub struct PlainImages {
    /// The document after the change.
    pub new: Option<Bytes>,
    /// The document before the change.
    pub old: Option<Bytes>,
}

/// Contents that are JSON already.
pub(super) struct Encoded<'a> {
    pub(super) keys: &'a [u8],
    pub(super) new_image: Option<&'a [u8]>,
    pub(super) old_image: Option<&'a [u8]>,
}

impl Encoded<'_> {
    fn write(image: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(image.unwrap_or_default());
        image.is_some()
    }
}

impl RecordContents for Encoded<'_> {
    type Error = Infallible;

    fn size_hint(&self) -> usize {
        let images = [self.new_image, self.old_image];
        self.keys.len() + images.iter().flatten().map(|image| image.len()).sum::<usize>()
    }

    fn write_keys(&self, out: &mut Vec<u8>) -> Result<(), Infallible> {
        out.extend_from_slice(self.keys);
        Ok(())
    }

    fn write_new_image(&self, out: &mut Vec<u8>) -> Result<bool, Infallible> {
        Ok(Self::write(self.new_image, out))
    }

    fn write_old_image(&self, out: &mut Vec<u8>) -> Result<bool, Infallible> {
        Ok(Self::write(self.old_image, out))
    }
}

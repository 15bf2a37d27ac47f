//! The documents that are written.

use bson::{DateTime, Document, doc};

/// About 500 bytes of the types that documents mostly hold.
pub(crate) fn document(id: impl Into<bson::Bson>) -> Document {
    doc! {
        "_id": id.into(), "number": 42_i32, "long": 9_007_199_254_740_993_i64, "price": 12.5,
        "at": DateTime::from_millis(1_795_380_247_402), "name": "Grüße aus Köln",
        "nested": { "a": 1, "b": [1, 2.5, "three", bson::Bson::Null, true] }, "pad": "x".repeat(321),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_about_500_bytes() {
        let bytes = bson::serialize_to_vec(&document(bson::oid::ObjectId::from_bytes([7; 12])))
            .unwrap()
            .len();
        assert!((450..550).contains(&bytes), "{bytes} bytes");
    }
}

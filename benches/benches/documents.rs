//! Documents to JSON: Conduit's way from the raw bytes, beside the way through trees.

use bson::{Bson, Document, RawDocumentBuf, doc};
use conduit_core::ImageFormat;
use conduit_mongo::write_json;
use divan::{Bencher, counter::BytesCount};

fn main() {
    divan::main();
}

/// About 500 bytes of the types that documents mostly hold.
fn document() -> Document {
    doc! {
        "_id": bson::oid::ObjectId::from_bytes([7; 12]), "number": 42_i32, "long": 9_007_199_254_740_993_i64,
        "price": 12.5, "at": bson::DateTime::from_millis(1_795_380_247_402), "name": "Grüße aus Köln",
        "nested": { "a": 1, "b": [1, 2.5, "three", null, true] }, "pad": "x".repeat(260),
    }
}

#[divan::bench]
fn raw_bytes_to_json(bencher: Bencher<'_, '_>) {
    let raw = RawDocumentBuf::try_from(&document()).unwrap_or_default();
    let mut json = Vec::with_capacity(1024);
    bencher
        .counter(BytesCount::new(raw.as_bytes().len()))
        .bench_local(|| {
            json.clear();
            write_json(&raw, ImageFormat::Json, &mut json).is_ok()
        });
}

#[divan::bench]
fn through_a_tree(bencher: Bencher<'_, '_>) {
    let raw = RawDocumentBuf::try_from(&document()).unwrap_or_default();
    bencher
        .counter(BytesCount::new(raw.as_bytes().len()))
        .bench_local(|| {
            let tree = Document::try_from(raw.as_ref())
                .map(Bson::Document)
                .unwrap_or(Bson::Null);
            serde_json::to_string(&tree.into_relaxed_extjson()).map(|text| text.len())
        });
}

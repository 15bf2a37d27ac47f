//! What a filter costs, against one pass of `serde_json` over the same bytes that looks at nothing (`IgnoredAny`): for a
//! record of 500 bytes that matches five fields and for ones that do not, and how it grows with arrays.
//!
//! ```text
//! cargo bench -p conduit-benches --bench filter
//! ```
//!
//! All ways take turns, and medians are told, so that other work on the machine strikes all alike.
//! `CONDUIT_BENCH_ROUNDS` sets how many turns (201).

use std::hint::black_box;
use std::time::Duration;

use conduit_core::{EventPattern, PatternError};
use serde::de::IgnoredAny;
use tokio::time::Instant;

/// Passes timed together.
const PASSES: u32 = 2_000;

const PATTERN: &str = r#"{"new_image": {
    "status": ["paid", "shipped"],
    "total": [{"numeric": [">", 100]}],
    "customer": {"tier": [{"prefix": "gold"}]},
    "country": [{"anything-but": ["US", "CA"]}],
    "note": [{"exists": true}]
}}"#;

/// A record of 500 bytes, as orders go.
fn record(status: &str, note: &str) -> String {
    let mut json = format!(
        "{{\"_id\":\"64f1c2a9e4b0a1d2c3f4e5a6\",\"number\":100042,\"status\":\"{status}\",\"total\":259.9,\
         \"customer\":{{\"id\":\"C-1029\",\"name\":\"Grüße aus Köln\",\"tier\":\"gold-2\",\"since\":\"2021-03-04T05:06:07.000Z\"}},\
         \"country\":\"DE\",\"{note}\":\"leave at the door\",\"paid\":true,\"coupon\":null,\
         \"items\":[{{\"sku\":\"A-1\",\"count\":2,\"price\":99.95}},{{\"sku\":\"B-77\",\"count\":1,\"price\":60.0}}],\
         \"createdAt\":\"2026-11-23T05:31:11.000Z\",\"text\":\""
    );
    json.push_str(&"x".repeat(498_usize.saturating_sub(json.len())));
    json.push_str("\"}");
    json
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9
}

fn timed(passes: u32, mut pass: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    for _ in 0..passes {
        black_box(pass());
    }
    began.elapsed() / passes
}

fn ignored(json: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(black_box(json)).is_ok()
}

fn compare(rounds: usize) -> Result<(), PatternError> {
    let pattern = EventPattern::parse(PATTERN)?;
    let records = [
        ("matching", record("paid", "note"), true),
        ("not matching, an early field", record("open", "note"), false),
        ("not matching, no such field", record("paid", "memo"), false),
    ];
    println!(
        "{:>30} {:>8} {:>10} {:>10} {:>6}",
        "record", "bytes", "ignored", "filter", "ratio"
    );
    for (name, json, expected) in records {
        let json = json.as_bytes();
        assert_eq!(pattern.matches(Some(json), None), expected);
        let (mut baseline, mut filter, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (one, other) = (
                timed(PASSES, || ignored(json)),
                timed(PASSES, || pattern.matches(Some(black_box(json)), None)),
            );
            ratios.push(other.as_secs_f64() / one.as_secs_f64());
            baseline.push(one);
            filter.push(other);
        }
        ratios.sort_unstable_by(f64::total_cmp);
        println!(
            "{name:>30} {:>8} {:>7.0} ns {:>7.0} ns {:>6.2}",
            json.len(),
            median(baseline),
            median(filter),
            ratios[rounds / 2]
        );
    }
    Ok(())
}

/// Arrays in which nothing matches, so that every element is asked.
fn grow(rounds: usize) -> Result<(), PatternError> {
    type Element = fn(usize) -> String;
    let shapes: [(&str, &str, Element); 4] = [
        ("strings", r#"{"new_image":{"a":["none"]}}"#, |number| {
            format!("\"tag-{number}\"")
        }),
        (
            "objects, one field",
            r#"{"new_image":{"a":{"b":["none"]}}}"#,
            |number| format!("{{\"b\":\"x\",\"n\":{number}}}"),
        ),
        (
            "objects, three fields together",
            r#"{"new_image":{"a":{"b":["x"],"c":[1],"d":["none"]}}}"#,
            |number| format!("{{\"b\":\"x\",\"c\":1,\"d\":\"y\",\"n\":{number}}}"),
        ),
        (
            "arrays of objects",
            r#"{"new_image":{"a":{"b":["x"],"c":[2],"e":[{"exists":false},1]}}}"#,
            |number| format!("[{{\"b\":\"x\",\"c\":1}},[{{\"c\":2}}],{number}]"),
        ),
    ];
    println!(
        "\n{:>32} {:>14} {:>14} {:>14}",
        "elements of", "1,000", "10,000", "100,000"
    );
    for (name, text, element) in shapes {
        let pattern = EventPattern::parse(text)?;
        print!("{name:>32}");
        for count in [1_000, 10_000, 100_000] {
            let elements: Vec<String> = (0..count).map(element).collect();
            let json = format!("{{\"a\":[{}]}}", elements.join(","));
            let pass = || pattern.matches(Some(black_box(json.as_bytes())), None);
            assert!(!pass());
            let passes = u32::try_from(200_000 / count).unwrap_or(1);
            let times = (0..rounds.div_ceil(10)).map(|_| timed(passes, pass)).collect();
            #[allow(clippy::cast_precision_loss)]
            let each = median(times) / count as f64;
            print!(" {each:>11.1} ns");
        }
        println!();
    }
    Ok(())
}

fn main() -> Result<(), PatternError> {
    let set = std::env::var("CONDUIT_BENCH_ROUNDS").ok();
    let rounds = set.and_then(|text| text.parse().ok()).unwrap_or(201);
    compare(rounds)?;
    grow(rounds)
}

//! Deciding a record allocates nothing. In a program of its own, for it counts all allocations.

use conduit_core::EventPattern;

/// How often `work` allocates on this thread, and what it returns.
fn allocations_of(work: impl FnOnce() -> bool) -> (u64, bool) {
    let mut result = false;
    let counted = allocation_counter::measure(|| result = work());
    (counted.count_total, result)
}

#[test]
fn the_counter_counts() {
    let (allocations, _) = allocations_of(|| Vec::<u8>::with_capacity(10).is_empty());
    assert_eq!(allocations, 1);
}

#[test]
fn deciding_a_record_allocates_nothing() {
    let wide: Vec<String> = (0..100)
        .map(|number| format!("\"f{number}\":[{{\"exists\":false}},1]"))
        .collect();
    let wide = format!("{{\"new_image\":{{{}}}}}", wide.join(","));
    let patterns = [
        r#"{"new_image":{"name":[{"prefix":"ab"},{"suffix":"é"}],"n":[{"numeric":[">",0.1234]}],"w":[{"wildcard":"*a*b*"}]}}"#,
        r#"{"new_image":{"name":[{"equals-ignore-case":"\u00c9t\u00e9"}],"ip":[{"cidr":"10.0.0.0/8"},"::1"],"n":[{"anything-but":[1,2]}]}}"#,
        r#"{"new_image":{"name":[{"suffix":{"equals-ignore-case":"T\u00c9"}}],"n":[9007199254740993]}}"#,
        r#"{"$or":[{"new_image":{"items":{"a":[1],"b":[2],"c":[{"exists":false},3]}}},{"old_image":{"a.b":[{"exists":true}]}}]}"#,
        &wide,
    ];
    let documents = [
        r#"{"name":"\u0061b\u00e9","n":0.30000000000000004,"w":"xa\u0061yb","ip":"10.0.\u0030.1","\u0069tems":[{"a":1,"b":2},{"c":3,"a":1}]}"#,
        r#"{"name":"été","n":12345678901234567890,"w":"","ip":"0:0::1","items":[[{"a":1},{"b":2}],"x"],"a":{"b":1},"a.b":2}"#,
        r#"{"name":"ÉTÉ","n":9007199254740993,"n":9007199254740993,"items":[{"a":1,"b":2,"c":3}]}"#,
        r#"{"name":["#,
        "",
    ];
    let mut matched = 0;
    for text in patterns {
        let pattern = EventPattern::parse(text).unwrap();
        for document in documents {
            let image = Some(document.as_bytes());
            let (allocations, is_match) = allocations_of(|| pattern.matches(image, image));
            assert_eq!(allocations, 0, "{text} on {document}");
            matched += usize::from(is_match);
        }
    }
    assert!(matched >= 8, "{matched}");
}

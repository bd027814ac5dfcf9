//! The JSON and Avro decoders.

use joinscope_core::operator::codec::fuzz;

#[test]
fn decoders() {
    let mut seeds = Vec::new();
    let values = [
        r#"{"id":5301442097718812,"ts":1763626401480,"a":{"b":"x"},"m":{"k":1},"id":"again"}"#,
        r#"{"ts":"2025-11-20T08:13:21.480+01:00","a":{"b":2.5},"id":-1.5e3}"#,
        r#"{"i\u0064":"\ud83d\ude00","ts":1763626401.48,"a":{"b":true,"c":[[[{}]]]}}"#,
        r#"{"id":9223372036854775808,"ts":-9223372036854775808,"a":{"b":1}}"#,
        "[]",
        "",
    ];
    for choice in (0..10).step_by(2) {
        for value in values {
            seeds.push([&[choice], value.as_bytes()].concat());
        }
        seeds.push([&[choice][..], &b"[".repeat(3_000), &b"]".repeat(3_000)].concat());
    }
    // id: long 5; ts; a: {"b": int 1}; e: q; l: one item; d; m: {"k": 1.0}.
    let body: &[u8] = &[
        0, 0, 0, 0, 1, 4, 10, 0x80, 1, 2, 2, b'b', 4, 2, 0, 2, 2, 1, 2, 3, 0, 4, 4, 0xd2, 2, 2,
        b'k', 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0,
    ];
    for choice in (1..10).step_by(2) {
        seeds.push([&[choice], body].concat());
        // A block that says its size: -1 items of 3 bytes.
        seeds.push([&[choice], &body[..15], &[1, 6, 1, 2, 3, 0], &body[21..]].concat());
    }
    // With schemas of their own.
    for (schema, body) in [
        (
            r#"{"type":"record","name":"L","fields":[{"name":"a","type":["null","L"]},{"name":"ts","type":"long"}]}"#,
            &[2, 2, 0, 2, 2, 2][..],
        ),
        (r#"{"type":"array","items":"null"}"#, &[0xfe, 0xff, 0xff, 0xff, 0x0f, 0][..]),
        (
            r#"["string",{"type":"map","values":{"type":"array","items":["null","boolean"]}}]"#,
            &[2, 2, 2, b'a', 2, 2, 1, 0, 0][..],
        ),
        ("\"double\"", &[0, 0, 0, 0, 0, 0, 0xf0, 0x7f][..]),
    ] {
        seeds.push([&[3], schema.as_bytes(), &[0xff, 0, 0, 0, 0, 1], body].concat());
    }
    crate::hammer("decoders", &seeds, fuzz::one);
}

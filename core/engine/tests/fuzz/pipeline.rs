//! The pipeline parser.

use joinscope_core::operator::pipeline::fuzz;

/// A pipeline with everything in it.
const WHOLE: &str = r#"#set join.with.b.until=1h
name = "feed"
[inputs.a]
topic = "views"
format = "avro"
schema = "views.avsc"
key = "view.id"
event_time = { field = "ts", unit = "rfc3339" }
watermark = { max_out_of_orderness = "60s", idle_timeout = "30s", emit = "periodic", emit_interval = "200ms", max_drift = "1m", max_ahead = "1.5h" }
where = { kind = ["like", 5, 2.5, true], user.country = "CH" }
[inputs.b]
topic = "b"
format = "json"
key = "$key"
event_time = "$timestamp"
[join]
primary = "a"
with.b = { after = "-1m30s", until = "30m" }
kind = "left"
semantics = "clean"
late = "side-output"
output_time = "primary"
[examples]
emit = "early-and-correct"
labels = { like = "b.kind = like", n = "a.x.y = 5", q = "b.k = 'it''s'", z = "b.z = null" }
[delivery]
guarantee = "at-least-once"
checkpoint_interval = "1s"
job = "j"
[sink]
topic = "out"
late_topic = "late"
format = "avro-registry"
"#;

#[test]
fn pipeline() {
    let mut seeds = vec![WHOLE.as_bytes().to_vec(), Vec::new()];
    for set in ["join.kind=full", "inputs.a={}", "inputs.a.where.kind=[\"x\"]", "a.b.c=1", "join=5"]
    {
        seeds.push(WHOLE.replace("join.with.b.until=1h", set).into_bytes());
    }
    // Short ones, where one change matters more.
    for line in WHOLE.lines() {
        seeds.push(line.as_bytes().to_vec());
    }
    crate::hammer("pipeline", &seeds, fuzz::one);
}

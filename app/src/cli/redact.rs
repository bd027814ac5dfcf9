//! `joinscope recording redact`: a recording without what others may not see.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use joinscope_core::edges::recording::{self, Compression, RedactPolicy, RedactTarget, Redaction};
use serde_json::json;

use super::cluster::{plural, thousands};
use super::follow::follow;
use super::recording::{open_recording, say_cut};
use super::{Answer, record};

/// The environment's name for the hash's key.
const KEY: &str = "JOINSCOPE_REDACT_KEY";

/// Writes a recording anew without what others may not see: fields, keys and
/// headers are dropped, masked, or replaced by a keyed hash under which equal
/// values stay equal, so that joins still work
///
/// FIELD is a field of JSON values or a path into them (user.email), $key,
/// $value or $header.NAME; TOPIC:FIELD means one topic only. The hash's key is
/// read from --hash-key-file or from `JOINSCOPE_REDACT_KEY` (16 bytes or more), else
/// one is made at random; it is stored nowhere. What was done stands in the
/// metadata. A value that cannot be read, a FIELD that no record has, or one of
/// which another FIELD leaves nothing (user and user.email; --drop comes first, then
/// --mask, then --hash), is an error and nothing is written.
#[derive(Args)]
#[command(after_help = "Example:
  joinscope recording redact feed.mcap --hash user --hash '$key' --mask views:query \\
    --drop email -o open.mcap")]
pub struct Redact {
    /// The recording to read
    recording: PathBuf,
    /// The recording that is made; a file that is there is never written over
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    /// Takes it away: the field is missing, the key or value null; may be repeated
    #[arg(long, value_name = "FIELD")]
    drop: Vec<RedactTarget>,
    /// A text becomes ***, a number 0, anything else null; may be repeated
    #[arg(long, value_name = "FIELD")]
    mask: Vec<RedactTarget>,
    /// Becomes 32 hex digits of HMAC-SHA256; may be repeated
    #[arg(long, value_name = "FIELD")]
    hash: Vec<RedactTarget>,
    #[command(flatten)]
    how: HowArgs,
    /// lz4, zstd[:LEVEL] or none; by default as the recording
    #[arg(long, value_name = "lz4|zstd[:LEVEL]|none", value_parser = record::compression)]
    compression: Option<Compression>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// How it is redacted; for `record --redact` too.
#[derive(Args)]
pub struct HowArgs {
    /// The hash's key: the bytes of this file, without a line end behind them
    #[arg(long, value_name = "FILE")]
    hash_key_file: Option<PathBuf>,
    /// Leaves out records whose values cannot be read as JSON
    #[arg(long)]
    leave_out_unreadable: bool,
}

impl HowArgs {
    /// Whether anything was said.
    pub fn is_given(&self) -> bool {
        self.hash_key_file.is_some() || self.leave_out_unreadable
    }

    /// # Errors
    /// No rule, rules that conflict, or a key that cannot be read or is too short.
    pub fn policy(&self, rules: Vec<(RedactTarget, Redaction)>) -> anyhow::Result<RedactPolicy> {
        let mut policy = RedactPolicy::new(rules, &self.key()?).map_err(|e| anyhow!(e))?;
        policy.leave_out_unreadable = self.leave_out_unreadable;
        Ok(policy)
    }

    /// The hash's key; it is never shown.
    fn key(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(path) = &self.hash_key_file {
            let mut key =
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                key.pop();
            }
            return Ok(key);
        }
        if let Some(key) = std::env::var_os(KEY) {
            return Ok(key.into_encoded_bytes());
        }
        Ok(RedactPolicy::random_key())
    }
}

/// Each rule, and in how many records it redacted something.
pub fn rules_as_json(rules: &[(String, u64)]) -> Vec<serde_json::Value> {
    rules.iter().map(|(field, n)| json!({"field": field, "records": n})).collect()
}

/// Runs the verb.
pub fn run(args: &Redact) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    let rules = [
        (&args.drop, Redaction::Drop),
        (&args.mask, Redaction::Mask),
        (&args.hash, Redaction::Hash),
    ];
    let rules = rules.iter().flat_map(|(list, how)| list.iter().map(|of| (of.clone(), *how)));
    let policy = args.how.policy(rules.collect())?;
    let done = follow("record", |job| {
        recording::redact(&recording, &policy, &args.output, args.compression, job)
    })?;
    let mut out = super::stdout::lock();
    if args.json {
        let answer = json!({
            "recording": super::stdout::path(&args.output),
            "records": done.info.records,
            "left_out": done.left_out,
            "redacted": rules_as_json(&done.rules),
            "policy": done.info.redaction,
            "bytes": done.info.file_bytes,
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(out, "{} into {}", plural(done.info.records, "record"), args.output.display())?;
        for (field, n) in &done.rules {
            writeln!(out, "  {field}: in {}", plural(*n, "record"))?;
        }
        if done.left_out > 0 {
            writeln!(out, "  left out: {} whose values are no JSON", thousands(done.left_out))?;
        }
    }
    Ok(Answer::Yes)
}

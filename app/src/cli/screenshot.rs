//! `joinscope screenshot`: the window or one panel as a picture, without a
//! display.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use joinscope_core::engine::breakpoint::Condition;
use joinscope_operator::record::{Arrival, RecordName};
use serde_json::json;

use super::Answer;
use super::cluster::Bar;
use super::run::warn;
use crate::window::{NoPicture, Panel, Picture, picture_file};

/// Draws the window or one panel into a PNG or an SVG, without a display.
///
/// Example: joinscope screenshot runs/3 --panel late -o late.svg --data late.csv
#[derive(Args)]
pub struct Screenshot {
    /// A run folder, a recording or a pipeline
    run: PathBuf,
    /// One panel alone, or the whole window
    #[arg(long, default_value = ALL, value_parser = which())]
    panel: Which,
    /// Where to: .png, or .svg, which needs no graphics adapter
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Pixels
    #[arg(long, value_name = "WxH", default_value = "1600x1000", value_parser = size)]
    size: (u32, u32),
    /// Pixels a point: 2 for a screen of high density
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = scale)]
    scale: f32,
    /// Dark or light colours
    #[arg(long, value_enum, default_value = "dark")]
    theme: Theme,
    /// Where the cursor stands
    #[arg(long, value_name = "ARRIVAL")]
    at: Option<Arrival>,
    /// The record that is selected: topic[partition]@offset
    #[arg(long, value_name = "RECORD")]
    select: Option<RecordName>,
    /// Another run, shown beside this one in the panel compare
    #[arg(long, value_name = "RUN")]
    compare: Option<PathBuf>,
    /// A breakpoint, as in joinscope run; may be repeated
    #[arg(long = "break", value_name = "CONDITION")]
    breaks: Vec<Condition>,
    /// Presses what has this name first ("Run all four", "crash mid epoch"); may be
    /// repeated
    #[arg(long, value_name = "NAME")]
    press: Vec<String>,
    /// Writes the panel's rows or figures as well, as .csv or .jsonl
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// One JSON object on stdout: what was written
    #[arg(long)]
    json: bool,
}

const ALL: &str = "all";

/// One panel, or all.
#[derive(Clone, Copy)]
struct Which(Option<Panel>);

fn which() -> impl TypedValueParser<Value = Which> {
    let names = Panel::ALL.into_iter().map(|p| p.about().name);
    PossibleValuesParser::new([ALL].into_iter().chain(names)).map(|name| Which(name.parse().ok()))
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Theme {
    Dark,
    Light,
}

/// Pictures larger than this are not drawn.
const LARGEST: u32 = 8192;

fn size(text: &str) -> Result<(u32, u32), String> {
    let parse = || {
        let (w, h) = text.split_once('x')?;
        Some((w.parse().ok()?, h.parse().ok()?))
    };
    match parse() {
        Some((w @ 100..=LARGEST, h @ 100..=LARGEST)) => Ok((w, h)),
        _ => Err(format!("write width x height in pixels, 100 to {LARGEST}, e.g. 1600x1000")),
    }
}

fn scale(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(scale) if (0.5..=4.0).contains(&scale) => Ok(scale),
        _ => Err("write pixels a point, 0.5 to 4, e.g. 2".to_owned()),
    }
}

/// Runs the verb.
pub fn run(args: &Screenshot) -> anyhow::Result<Answer> {
    let wanted = Picture {
        size: args.size,
        scale: args.scale,
        light: args.theme == Theme::Light,
        panel: args.panel.0,
        at: args.at,
        select: args.select.clone(),
        compare: args.compare.clone(),
        breaks: args.breaks.clone(),
        press: args.press.clone(),
        data: args.data.clone(),
    };
    let mut bar = Bar::new();
    let mut tell = |doing: &str| bar.say(format!("{doing}…"));
    let done = picture_file(&args.run, &wanted, &args.output, &mut tell);
    bar.clear();
    match done {
        Ok(()) => {
            if args.json {
                let written = json!({
                    "picture": super::stdout::path(&args.output),
                    "panel": args.panel.0.map_or(ALL, |panel| panel.about().name),
                    "width": args.size.0,
                    "height": args.size.1,
                    "data": args.data.as_deref().map(super::stdout::path),
                });
                writeln!(super::stdout::lock(), "{written}")?;
            }
            Ok(Answer::Yes)
        }
        Err(NoPicture::NoAdapter) => bail!(
            "no graphics adapter to draw with; install Mesa's software Vulkan: mesa-vulkan-drivers"
        ),
        Err(NoPicture::Failed(why)) => bail!("{why}"),
        Err(NoPicture::Late(why)) => {
            warn(&why);
            Ok(Answer::No)
        }
    }
}

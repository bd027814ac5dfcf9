use crate::window::app::App;
use egui::Context;
pub fn show(_app: &mut App, _ctx: &Context) {}

use crate::window::{cx::Cx, layout::Tabs};
use egui::Ui;
#[derive(Default)]
pub struct Inspector {}
impl Inspector {
    pub fn show(
        &mut self,
        _ui: &mut Ui,
        _cx: &mut Cx<'_>,
        _r: &mut super::records::Records,
    ) -> bool {
        false
    }
    pub fn reveal(&mut self, _n: u64) {}
}

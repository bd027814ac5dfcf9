//! Which renderer draws: asked for before a window opens, since afterwards it
//! cannot be changed.

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupCreateNew};
use eframe::wgpu::{Backend, Backends, DeviceType};

use super::browse::wait;

/// The user's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Renderer {
    Wgpu,
    Glow,
}

/// What wgpu could draw with, without a display.
fn adapters() -> Vec<(Backend, DeviceType)> {
    let setup = WgpuSetup::CreateNew(WgpuSetupCreateNew::without_display_handle());
    let instance = wait(setup.new_instance());
    let found = wait(instance.enumerate_adapters(Backends::all()));
    found.iter().map(|a| (a.get_info().backend, a.get_info().device_type)).collect()
}

/// wgpu where it has an adapter of its own kind; OpenGL is better driven by glow.
#[must_use]
pub fn choose(wish: Option<Renderer>) -> Renderer {
    wish.unwrap_or_else(|| {
        let own = adapters().iter().any(|(b, _)| !matches!(b, Backend::Gl | Backend::Noop));
        if own { Renderer::Wgpu } else { Renderer::Glow }
    })
}

/// Whether pictures can be drawn without a display.
#[must_use]
pub fn can_draw_pictures() -> bool {
    adapters().iter().any(|(b, _)| *b != Backend::Noop)
}

/// Whether pictures are drawn by the software adapter, on which they are the
/// same everywhere.
#[cfg(test)]
#[must_use]
pub fn has_software_adapter() -> bool {
    adapters().iter().any(|(_, kind)| *kind == DeviceType::Cpu)
}

impl From<Renderer> for eframe::Renderer {
    fn from(renderer: Renderer) -> Self {
        match renderer {
            Renderer::Wgpu => Self::Wgpu,
            Renderer::Glow => Self::Glow,
        }
    }
}

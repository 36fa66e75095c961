//! What the window needs of a call.

use parlor_protocol::ui;

/// What is shown of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// The connection to the room server.
    pub signaling: ui::Signaling,
    /// The others, in the order of their coming.
    pub tiles: Vec<ui::Tile>,
    /// Somebody else was here since we came.
    pub met: bool,
    /// What was said.
    pub chat: ui::Chat,
}

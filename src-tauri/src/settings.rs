//! The settings on disk, in the profile's folder. A file that cannot be read as settings is set aside, never overwritten.

use std::{fs, path::Path, sync::Arc};

use parlor_protocol::ui::{Notice, Settings, Tone};
use serde_json::Value;
use tauri::{AppHandle, Wry};
use tauri_plugin_store::{Store, StoreBuilder};

/// The store's only key.
const KEY: &str = "settings";

/// Settings that are kept from one start to the next.
pub(crate) struct KeptSettings {
    store: Arc<Store<Wry>>,
}

impl KeptSettings {
    /// Reads the settings of a profile; the notice says what was wrong with them.
    ///
    /// # Errors
    /// When the system names no place for data.
    pub(crate) fn open(app: &AppHandle, folder: &Path) -> tauri_plugin_store::Result<(Self, Settings, Option<Notice>)> {
        let path = folder.join("settings.json");
        // The plugin takes an unreadable file for an empty one and writes over it: look first.
        let (settings, notice) = read(&path);
        let store = StoreBuilder::new(app, path).build()?;
        Ok((Self { store }, settings, notice))
    }

    /// Keeps these; they are written within 100 ms.
    pub(crate) fn keep(&self, settings: &Settings) {
        match serde_json::to_value(settings) {
            Ok(value) => self.store.set(KEY, value),
            Err(error) => tracing::error!(%error, "the settings cannot be written"),
        }
    }

    /// Writes now what is still to be written.
    pub(crate) fn flush(&self) {
        if let Err(error) = self.store.save() {
            tracing::warn!(%error, "the settings were not saved");
        }
    }
}

fn read(path: &Path) -> (Settings, Option<Notice>) {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Settings::default(), None),
        Err(error) => {
            tracing::warn!(%error, "the settings cannot be read");
            return (Settings::default(), Some(set_aside(path)));
        }
    };
    match parse(&text) {
        Ok(settings) => (settings, None),
        Err(error) => {
            // Where, not what: the text of the settings holds a name.
            tracing::warn!(line = error.line(), column = error.column(), "the settings are damaged");
            (Settings::default(), Some(set_aside(path)))
        }
    }
}

fn parse(text: &[u8]) -> serde_json::Result<Settings> {
    let mut file: serde_json::Map<String, Value> = serde_json::from_slice(text)?;
    file.remove(KEY).map_or_else(|| Ok(Settings::default()), serde_json::from_value)
}

fn set_aside(path: &Path) -> Notice {
    let aside = path.with_extension("damaged.json");
    let kept = match fs::rename(path, &aside) {
        Ok(()) => format!("The old file is kept as {}.", file_name(&aside)),
        Err(error) => {
            tracing::warn!(%error, "the damaged settings could not be set aside");
            "The old file could not be moved away.".to_owned()
        }
    };
    Notice {
        code: "settings-damaged".to_owned(),
        tone: Tone::Warn,
        text: format!("Your settings could not be read, so Parlor starts with new ones. {kept}"),
        peer: None,
    }
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Settings, Option<Notice>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.json");
        fs::write(&path, text).expect("written");
        let (settings, notice) = read(&path);
        (settings, notice, folder)
    }

    #[test]
    fn kept_settings_come_back() {
        let (settings, notice, _folder) = read_text(r#"{"settings": {"name": "Anna", "camera_on": false}}"#);
        assert_eq!(settings, Settings { name: "Anna".to_owned(), camera_on: false, ..Settings::default() });
        assert_eq!(notice, None);
    }

    #[test]
    fn a_first_start_has_the_defaults() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(&folder.path().join("settings.json")), (Settings::default(), None));
    }

    #[test]
    fn damaged_settings_are_set_aside_and_told() {
        for text in ["", "{\"settings\": {\"na", "[]", r#"{"settings": {"name": 5}}"#, "\u{fffd}\0"] {
            let (settings, notice, folder) = read_text(text);
            assert_eq!(settings, Settings::default(), "{text}");
            assert_eq!(notice.expect(text).code, "settings-damaged");
            assert_eq!(fs::read_to_string(folder.path().join("settings.damaged.json")).expect("kept"), text);
            assert!(!folder.path().join("settings.json").exists());
        }
    }
}

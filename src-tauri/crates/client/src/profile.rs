//! A profile's secret on disk: who a person is, from one start to the next.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use parlor_identity::ProfileSecret;

/// Why a profile could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file cannot be read or written.
    #[error("the profile's secret at {path} cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is there and is no secret. It is left alone: it may be somebody's only copy.
    #[error("{path} is not a profile's secret; move it away to start a new profile")]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// This system names no folder for data.
    #[error("this system names no folder for a program's data")]
    NoFolder,
    /// Not a name for a profile.
    #[error("a profile's name has 1 to 32 letters, digits, hyphens or underscores")]
    Name,
    /// No randomness.
    #[error("the system gave no randomness: {0}")]
    Random(String),
}

/// The folder of a profile's data, by name; `default` is the one without a name.
///
/// # Errors
/// When the name is no name, or the system names no folder.
pub fn folder(name: &str) -> Result<PathBuf, ProfileError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 32 || !name.chars().all(good) {
        return Err(ProfileError::Name);
    }
    let folders = directories::ProjectDirs::from("", "", "parlor").ok_or(ProfileError::NoFolder)?;
    Ok(folders.data_dir().join("profiles").join(name))
}

/// The secret kept in a profile's folder; made where there is none.
///
/// # Errors
/// When it cannot be read, written or understood.
pub fn secret(folder: &Path) -> Result<ProfileSecret, ProfileError> {
    let path = folder.join("secret");
    match fs::read(&path) {
        Ok(bytes) => match <[u8; 32]>::try_from(bytes.as_slice()) {
            Ok(bytes) => Ok(ProfileSecret::from_bytes(bytes)),
            Err(_) => Err(ProfileError::Form { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, path),
        Err(source) => Err(ProfileError::File { path, source }),
    }
}

fn make(folder: &Path, path: PathBuf) -> Result<ProfileSecret, ProfileError> {
    let secret = ProfileSecret::generate().map_err(|error| ProfileError::Random(error.to_string()))?;
    match fs::create_dir_all(folder).and_then(|()| write_private(&path, secret.as_bytes())) {
        Ok(()) => Ok(secret),
        Err(source) => Err(ProfileError::File { path, source }),
    }
}

/// Writes a new file that only its owner can read; whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new");
        let first = secret(&path).expect("made");
        let again = secret(&path).expect("kept");
        assert_eq!(first.as_bytes(), again.as_bytes());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        secret(folder.path()).expect("made");
        let mode = fs::metadata(folder.path().join("secret")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_no_secret_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("secret"), b"short").expect("written");
        assert!(matches!(secret(folder.path()), Err(ProfileError::Form { .. })));
        assert_eq!(fs::read(folder.path().join("secret")).expect("there"), b"short");
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for name in ["", "..", "a/b", "ä", &"x".repeat(33)] {
            assert!(matches!(folder(name), Err(ProfileError::Name)), "{name}");
        }
    }
}

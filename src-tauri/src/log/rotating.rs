//! A file that begins anew before it grows too long. Whatever is wrong with the disk, the app goes on without a log.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The longest that one file gets, in bytes.
const LONGEST: u64 = 2 << 20;
/// Files that there are at most, the one that is written included.
const FILES: u32 = 5;
/// How long a disk that refused is left alone.
const RETRY: Duration = Duration::from_secs(10);

/// Writes lines to `parlor.log`; what was written before is in `parlor.1.log`, and so on. A line that cannot be written
/// is lost.
pub(super) struct Rotating {
    folder: PathBuf,
    longest: u64,
    retry: Duration,
    /// The file that is written, and its length.
    file: Option<(File, u64)>,
    refused: Option<Instant>,
}

impl Rotating {
    /// Opens nothing yet: that is done for the first line.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), longest: LONGEST, retry: RETRY, file: None, refused: None }
    }

    /// The file that is written.
    pub(super) fn path(&self) -> PathBuf {
        self.numbered(0)
    }

    fn numbered(&self, number: u32) -> PathBuf {
        self.folder.join(if number == 0 { "parlor.log".into() } else { format!("parlor.{number}.log") })
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let added = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let full = |length: u64| length > 0 && length.saturating_add(added) > self.longest;
        let (mut file, mut length) = match self.file.take() {
            Some(open) => open,
            None => open(&self.path())?,
        };
        if full(length) {
            self.set_aside()?;
            (file, length) = open(&self.path())?;
        }
        file.write_all(line)?;
        self.file = Some((file, length + added));
        Ok(())
    }

    /// Each file takes the next one's place, and the oldest goes.
    fn set_aside(&self) -> io::Result<()> {
        for number in (0..FILES - 1).rev() {
            match fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

impl Write for Rotating {
    /// Never fails: there is nobody to tell.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.refused.is_none_or(|at| at.elapsed() >= self.retry) {
            self.refused = self.line(line).err().map(|_| Instant::now());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotating(folder: &Path, longest: u64) -> Rotating {
        Rotating { longest, retry: Duration::ZERO, ..Rotating::new(folder) }
    }

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_full_file_is_set_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = rotating(folder.path(), 10);
        for n in 0..14 {
            log.write_all(format!("line{n:02}\n").as_bytes()).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["parlor.1.log", "parlor.2.log", "parlor.3.log", "parlor.4.log", "parlor.log"]);
        assert_eq!(read(folder.path(), "parlor.log"), "line13\n");
        assert_eq!(read(folder.path(), "parlor.4.log"), "line09\n");
    }

    #[test]
    fn all_files_together_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = Rotating::new(folder.path());
        let line = vec![b'x'; 100_000];
        for _ in 0..150 {
            log.write_all(&line).unwrap();
        }
        let sizes = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let sizes: Vec<u64> = sizes.collect();
        assert!(sizes.len() == 5 && sizes.iter().all(|size| *size <= 2 << 20), "{sizes:?}");
    }

    #[test]
    fn a_start_goes_on_with_the_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        rotating(folder.path(), 20).write_all(b"before\n").unwrap();
        rotating(folder.path(), 20).write_all(b"after\n").unwrap();
        assert_eq!(read(folder.path(), "parlor.log"), "before\nafter\n");
        rotating(folder.path(), 20).write_all(b"and much more\n").unwrap();
        assert_eq!(read(folder.path(), "parlor.1.log"), "before\nafter\n");
    }

    #[test]
    fn a_line_that_is_too_long_is_written_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = rotating(folder.path(), 5);
        log.write_all(b"much too long\n").unwrap();
        log.write_all(b"x\n").unwrap();
        assert_eq!(
            (read(folder.path(), "parlor.1.log").as_str(), read(folder.path(), "parlor.log").as_str()),
            ("much too long\n", "x\n")
        );
    }

    #[test]
    fn a_folder_that_cannot_be_written_stops_nothing_and_is_tried_again() {
        let parent = tempfile::tempdir().unwrap();
        // No folder can be inside a file, not even root's.
        let folder = parent.path().join("folder");
        fs::write(&folder, b"").unwrap();
        let mut log = rotating(&folder, 100);
        log.write_all(b"lost\n").unwrap();
        fs::remove_file(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        log.write_all(b"kept\n").unwrap();
        assert_eq!(read(&folder, "parlor.log"), "kept\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("parlor.log")).unwrap();
        let mut log = rotating(folder.path(), 100);
        for _ in 0..10 {
            log.write_all(b"lost\n").unwrap();
        }
        fs::remove_file(folder.path().join("parlor.log")).unwrap();
        log.write_all(b"kept\n").unwrap();
        assert_eq!(read(folder.path(), "parlor.log"), "kept\n");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        rotating(folder.path(), 100).write_all(b"line\n").unwrap();
        let mode = fs::metadata(folder.path().join("parlor.log")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

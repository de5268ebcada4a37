//! Files that are written whole or not at all: beside their place, synced, and renamed into it.
//!
//! A crash or a full disk leaves the old file, or none, and never a half.

use std::{
    fs::{File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::NamedTempFile;

/// The permissions of a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0600: for the user alone.
    Private,
    /// 0644, less what the user's umask takes away.
    Shared,
    /// These bits, whatever the umask is.
    Exact(u32),
}

/// Writes a file, or replaces it. Its folder must exist.
pub fn write(path: &Path, bytes: &[u8], mode: Mode) -> io::Result<()> {
    write_with(path, mode, |file| file.write_all(bytes))
}

/// The same, from a function that writes the content. Where it fails, the old file stays as it was.
pub fn write_with(
    path: &Path,
    mode: Mode,
    content: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut temporary = beside(path, mode)?;
    content(temporary.as_file_mut())?;
    persist(temporary, path)
}

/// Writes a file that must not exist yet.
///
/// Of two callers at the same time one succeeds; the other gets [`io::ErrorKind::AlreadyExists`].
pub fn create(path: &Path, bytes: &[u8], mode: Mode) -> io::Result<()> {
    let mut temporary = beside(path, mode)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path);
    Ok(())
}

/// Whether a file could be written there: the error that [`write`] would begin with.
pub fn check_writable(path: &Path) -> io::Result<()> {
    beside(path, Mode::Private).map(drop)
}

/// A temporary file in the folder of `path`: exclusively created, and removed when it is dropped.
pub(crate) fn beside(path: &Path, mode: Mode) -> io::Result<NamedTempFile> {
    let bits = match mode {
        Mode::Private => 0o600,
        Mode::Shared => 0o644,
        Mode::Exact(bits) => bits,
    };
    let permissions = Permissions::from_mode(bits);
    // Until its bits are set, an exact file is the user's alone.
    let created = if let Mode::Exact(_) = mode { Permissions::from_mode(0o600) } else { permissions.clone() };
    let file = tempfile::Builder::new().permissions(created).tempfile_in(folder(path))?;
    if let Mode::Exact(_) = mode {
        file.as_file().set_permissions(permissions)?;
    }
    Ok(file)
}

/// Syncs a file of [`beside`] and renames it into its place.
pub(crate) fn persist(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    sync_folder(path);
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the rename itself outlive a crash. The file is in its place already, and some file systems cannot sync a
/// folder: a failure here is no failure of the write.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(folder(path)) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, thread};

    use super::*;

    fn bits(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_is_created_and_replaced_with_its_mode() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        write(&path, b"one", Mode::Private).unwrap();
        assert_eq!((fs::read(&path).unwrap(), bits(&path)), (b"one".to_vec(), 0o600));
        write(&path, b"two", Mode::Exact(0o666)).unwrap();
        assert_eq!((fs::read(&path).unwrap(), bits(&path)), (b"two".to_vec(), 0o666));
        write(&path, b"", Mode::Exact(0o444)).unwrap();
        assert_eq!((fs::read(&path).unwrap(), bits(&path)), (Vec::new(), 0o444));
        assert_eq!(names(home.path()), ["file"]);
    }

    #[test]
    fn a_shared_file_never_has_more_bits_than_0644() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        write(&path, b"one", Mode::Shared).unwrap();
        assert_eq!(bits(&path) & !0o644, 0);
        assert_eq!(bits(&path) & 0o600, 0o600);
    }

    #[test]
    fn a_writer_that_fails_leaves_the_old_file_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        write(&path, b"old", Mode::Private).unwrap();
        let error = write_with(&path, Mode::Exact(0o644), |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(error.unwrap_err().to_string(), "the disk is full");
        assert_eq!((fs::read(&path).unwrap(), bits(&path)), (b"old".to_vec(), 0o600));
        assert_eq!(names(home.path()), ["file"]);
    }

    #[test]
    fn the_old_file_is_there_until_the_new_one_is_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        write(&path, b"old", Mode::Private).unwrap();
        let seen = write_with(&path, Mode::Private, |file| {
            file.write_all(b"new")?;
            assert_eq!(fs::read(&path)?, b"old");
            Ok(())
        });
        seen.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let (path, target) = (home.path().join("link"), home.path().join("target"));
        write(&target, b"theirs", Mode::Private).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        write(&path, b"ours", Mode::Private).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn create_never_replaces() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        create(&path, b"first", Mode::Private).unwrap();
        let error = create(&path, b"second", Mode::Private).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&path).unwrap(), bits(&path)), (b"first".to_vec(), 0o600));
        assert_eq!(names(home.path()), ["file"]);
    }

    #[test]
    fn of_many_creators_one_succeeds_and_its_content_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        let won: Vec<u8> = thread::scope(|scope| {
            let path = &path;
            let all: Vec<_> = (0..8_u8)
                .map(|n| scope.spawn(move || create(path, &[n; 100], Mode::Private).is_ok().then_some(n)))
                .collect();
            all.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1);
        assert_eq!(fs::read(&path).unwrap(), [won[0]; 100]);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_found_out_before_anything_is_written() {
        let home = tempfile::tempdir().unwrap();
        check_writable(&home.path().join("file")).unwrap();
        assert!(names(home.path()).is_empty());
        let nowhere = home.path().join("missing").join("file");
        assert_eq!(check_writable(&nowhere).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(write(&nowhere, b"x", Mode::Shared).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_bare_name_is_a_file_of_the_working_directory() {
        assert_eq!(folder(Path::new("plan.json")), Path::new("."));
        assert_eq!(folder(Path::new("a/plan.json")), Path::new("a"));
        assert_eq!(folder(Path::new("/plan.json")), Path::new("/"));
    }
}

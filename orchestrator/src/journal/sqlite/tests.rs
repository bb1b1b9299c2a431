//! What is particular to the store in a file.

mod conforms {
    use crate::journal::sqlite::Sqlite;

    fn open() -> (Sqlite, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Sqlite::open(folder.path()).unwrap(), folder)
    }

    crate::journal::conformance::conformance! { open() }
}

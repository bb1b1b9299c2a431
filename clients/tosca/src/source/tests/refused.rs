//! Archives that are not what they say: they are refused, and cost nothing.

use insta::assert_snapshot;

use super::*;

/// The bytes with each `from` as `to`, which is as long.
fn forged(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert!(!places.is_empty(), "it stands nowhere");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

/// The bytes with some of the headers of all entries in the directory at the end as others.
fn with_headers(mut bytes: Vec<u8>, offset: usize, value: &[u8]) -> Vec<u8> {
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"PK\x01\x02") {
            bytes[at + offset..at + offset + value.len()].copy_from_slice(value);
        }
    }
    bytes
}

/// What is said of an archive with an entry of this name.
fn named(name: &str) -> String {
    let placeholder = "N".repeat(name.len());
    let bytes = packed(&[("app.yaml", v2_0!("")), (&placeholder, "")]);
    tell_packed(&forged(&bytes, placeholder.as_bytes(), name.as_bytes()))
}

#[test]
fn what_is_no_zip_is_told_as_what_it_is() {
    assert_snapshot!(tell_packed(b"no zip"), @"app.csar:1:1: error: this is no zip file: invalid Zip archive: Could not find EOCD [csar]");
    assert_snapshot!(tell_packed(b""), @"app.csar:1:1: error: this is no zip file: invalid Zip archive: Could not find EOCD [csar]");
    assert_snapshot!(tell_packed(b"\x1f\x8b\x08\0"), @"app.csar:1:1: error: this is a gzip file, perhaps a tar archive, expected a zip file [csar]");
    let mut tar = [0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert_snapshot!(tell_packed(&tar), @"app.csar:1:1: error: this is a tar archive, expected a zip file [csar]");
    let whole = packed(&[("app.yaml", v2_0!(""))]);
    assert_snapshot!(tell_packed(&whole[..whole.len() / 2]), @"app.csar:1:1: error: this is no zip file: invalid Zip archive: Could not find EOCD [csar]");
}

#[test]
fn no_entry_leads_out_of_the_archive() {
    assert_snapshot!(named("../app.yaml"), @"app.csar:1:1: error: the entry `../app.yaml` has `..` in its path [csar]");
    assert_snapshot!(named("a/../../b.yaml"), @"app.csar:1:1: error: the entry `a/../../b.yaml` has `..` in its path [csar]");
    assert_snapshot!(named("/etc/b.yaml"), @"app.csar:1:1: error: the entry `/etc/b.yaml` has an absolute path [csar]");
    assert_snapshot!(named("C:/b.yaml"), @"app.csar:1:1: error: the entry `C:/b.yaml` begins with a drive [csar]");
    assert_snapshot!(named("..\\b.yaml"), @r"app.csar:1:1: error: the entry `..\b.yaml` has `\` in its path [csar]");
    assert_snapshot!(named("b.yaml\0.txt"), @"app.csar:1:1: error: the entry `b.yaml�.txt` has a control character in its path [csar]");
}

#[test]
fn a_name_stands_for_one_file_and_case_matters() {
    assert_snapshot!(named("app.yaml"), @"app.csar:1:1: error: two entries of the archive have the same name [csar]");
    assert_snapshot!(named("./app.yaml"), @"app.csar:1:1: error: the entry `./app.yaml` stands twice in the archive [csar]");
    assert_snapshot!(named("App.sh"), @"app.yaml: TOSCA 2.0");
}

#[test]
fn an_entry_is_a_plain_file_that_can_be_read() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("app.yaml", SimpleFileOptions::default()).expect("the name is free");
    zip.add_symlink("link.yaml", "/etc/passwd", SimpleFileOptions::default()).expect("the name is free");
    let linked = zip.finish().expect("a vector takes all").into_inner();
    assert_snapshot!(tell_packed(&linked), @"app.csar:1:1: error: the entry `link.yaml` is a symlink, expected a file or a folder [csar]");
    // The modes of Unix stand in the upper half of the attributes.
    let pipe = with_headers(packed(&[("app.yaml", v2_0!(""))]), 38, &(0o010_644_u32 << 16).to_le_bytes());
    assert_snapshot!(tell_packed(&pipe), @"app.csar:1:1: error: the entry `app.yaml` is a device or a pipe, expected a file or a folder [csar]");
    let encrypted = with_headers(packed(&[("app.yaml", v2_0!(""))]), 8, &[1, 0]);
    assert_snapshot!(tell_packed(&encrypted), @"app.csar:1:1: error: the entry `app.yaml` is encrypted [csar]");
}

#[test]
fn an_archive_has_a_bounded_number_of_entries() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..=10_000 {
        zip.start_file(format!("{number}"), SimpleFileOptions::default()).expect("the name is free");
    }
    let many = zip.finish().expect("a vector takes all").into_inner();
    assert_snapshot!(tell_packed(&many), @"app.csar:1:1: error: the archive has 10001 entries, expected at most 10000 [csar]");
}

#[test]
fn what_unpacks_to_more_than_it_may_is_not_unpacked() {
    let zeros = vec![0; 1 << 20];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("app.yaml", SimpleFileOptions::default()).expect("the name is free");
    for _ in 0..4 {
        zip.write_all(&zeros).expect("a vector takes all");
    }
    let bomb = zip.finish().expect("a vector takes all").into_inner();
    assert!(bomb.len() < 1 << 13);
    assert_snapshot!(tell_packed(&bomb), @"app.csar:1:1: error: cannot read `app.csar/app.yaml`: it is more than 200 times as large as its 4080 packed bytes [read]");
    // Whatever it says of its size.
    let lying = with_headers(bomb, 24, &100_u32.to_le_bytes());
    assert_snapshot!(tell_packed(&lying), @"app.csar:1:1: error: cannot read `app.csar/app.yaml`: File is larger than its declared uncompressed size [read]");
}

#[test]
fn a_file_is_not_believed_its_size() {
    let stored = |size: u32, offset| {
        let bytes = packed(&[("app.yaml", v2_0!("description: a text\n"))]);
        tell_packed(&with_headers(bytes, offset, &size.to_le_bytes()))
    };
    assert_snapshot!(stored(10, 24), @"app.csar:1:1: error: cannot read `app.csar/app.yaml`: File is larger than its declared uncompressed size [read]");
    assert_snapshot!(stored(u32::MAX - 1, 24), @"app.yaml: TOSCA 2.0");
    assert_snapshot!(stored(u32::MAX - 1, 20), @"app.yaml: TOSCA 2.0");
    assert_snapshot!(stored(7, 16), @"app.csar:1:1: error: cannot read `app.csar/app.yaml`: Invalid checksum [read]");
}

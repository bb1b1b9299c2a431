//! What any text and any bytes may not do: break the reader, or lead it out of an archive.

use proptest::prelude::*;

use super::*;
use crate::place::FileId;
use crate::source::{meta, path};

/// Names as they could stand in a template, and worse.
const NAMES: &str = r"([a-c]{1,2}|\.|\.\.|/|//|file:|http://|C:|\\| |%2e|é){0,8}";

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_path_is_normal(dir in "([a-c]/){0,3}", name in NAMES) {
        let dir = dir.trim_end_matches('/');
        if let Ok(made) = path::join(dir, &name) {
            let pieces: Vec<&str> = made.split('/').collect();
            let ups = pieces.iter().take_while(|piece| **piece == "..").count();
            prop_assert!(pieces[ups..].iter().all(|piece| !matches!(*piece, "" | "." | "..")), "{made}");
            prop_assert!(ups < pieces.len(), "{made} names no file");
        }
    }

    #[test]
    fn no_name_leads_out_of_an_archive(name in NAMES) {
        let disk = Disk::with(&[("csar/app.yaml", v2_0!("")), ("a", "secret"), ("b", "secret")]);
        let sources = disk.sources("csar");
        if let Ok(path) = sources.path_of(UnitIx(0), &name) {
            prop_assert_eq!(path.as_ref(), "app.yaml");
        }
    }

    #[test]
    fn any_meta_is_read_or_refused(text in r"((CSAR-Version|Entry-Definitions|Other-Definitions|x)(: |:|)(1.1|2.0|a.yaml|) ?\n|\n| y\n|.{0,5}){0,8}") {
        let mut report = Report::default();
        let meta = meta::read(&text, FileId(0), &mut report);
        prop_assert_eq!(meta.is_none(), report.is_refused());
    }

    #[test]
    fn any_imports_are_read_or_refused(text in r"([-{}\[\], \n]|file: |url: |profile: |namespace: |repository: |a\.yaml|b|~){0,12}") {
        for heading in ["tosca_simple_yaml_1_3", "tosca_2_0"] {
            let disk = Disk::with(&[("app.yaml", &format!("tosca_definitions_version: {heading}\nimports: {text}\n"))]);
            let (sources, told) = open(&disk.at("app.yaml"));
            if let Ok(sources) = sources {
                prop_assert_eq!(sources.units[0].incomplete, told.contains(": error: "), "{}", told);
            }
        }
    }

    #[test]
    fn any_damage_to_an_archive_is_read_or_refused(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = packed(&[("TOSCA.meta", "CSAR-Version: 2.0\nEntry-Definitions: app.yaml\n"), ("app.yaml", v2_0!(""))]);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let disk = Disk::with(&[]);
        disk.put("app.csar", &bytes);
        let (sources, told) = open(&disk.at("app.csar"));
        prop_assert!(sources.is_ok() || told.contains(": error: "), "{}", told);
    }
}

//! The window's types are made from the Rust ones; this fails when the committed file is not what they say.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, fs, path::Path};

use parlor_protocol::ui::{UiCommand, UiEvent};
use ts_rs::{Config, TS, TypeVisitor};

/// Collects the declarations of a type and of all it is made of, by name.
struct Declarations<'a> {
    config: &'a Config,
    by_name: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations<'_> {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Types without a file of their own are written inline.
        if T::output_path().is_none() || self.by_name.contains_key(&T::ident(self.config)) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        self.by_name.insert(T::ident(self.config), format!("{docs}export {}\n", T::decl(self.config)));
        T::visit_dependencies(self);
    }
}

#[test]
fn the_windows_types_are_fresh() {
    let config = Config::new();
    let mut declarations = Declarations { config: &config, by_name: BTreeMap::new() };
    declarations.visit::<UiEvent>();
    declarations.visit::<UiCommand>();
    let head = "// Made from the Rust types by `make types`. Do not edit.\n".to_owned();
    let fresh = declarations.by_name.into_values().fold(head, |file, declaration| file + "\n" + &declaration);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../ui/src/generated/protocol.ts");
    if std::env::var_os("PARLOR_WRITE_TYPES").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &fresh).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == fresh, "ui/src/generated/protocol.ts is stale: run `make types`");
}

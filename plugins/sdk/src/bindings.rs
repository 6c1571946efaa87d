//! Rust bindings of the contract, generated from `wit/` once for all plugins.

wit_bindgen::generate!({
    path: "wit/0.1.0",
    world: "list-plugin",
    pub_export_macro: true,
    default_bindings_module: "hotlist_plugin::bindings",
    additional_derives: [PartialEq],
    additional_type_attributes: {
        "hotlist:logic/types@0.1.0/date": [#[derive(Eq, PartialOrd, Ord, Hash)]],
    },
    generate_all,
});
